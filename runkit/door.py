"""The door of a program that works in a run folder: `python -m PROGRAM FOLDER`. What goes wrong is one sentence.

Exit status: 0 done, 1 failed (error.json says why), 3 stopped on request, 4 refused (error.json), 5 folder busy.
"""

import errno
import re
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from runkit.folder import (
    EXIT_BUSY,
    EXIT_CANCELLED,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_REFUSED,
    FolderBusy,
    RunCancelled,
    RunFolder,
    RunRefused,
    end_at_once,
)

DISK = re.compile(r"No space left on device|os error 28|Disk quota exceeded|PytorchStreamWriter failed writing")
MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory|STATUS_ALLOC_FAILED", re.IGNORECASE)


@dataclass(frozen=True)
class Program:
    """What makes one program another: its name, its work, its words for what broke, and how it takes its folder."""

    name: str
    perform: Callable[[RunFolder], None]
    sentence: Callable[[Exception], str]
    take: Callable[[Path], RunFolder]


def enter(program: Program, arguments: list[str]) -> int:
    """Do the run in the folder that `arguments` names; returns the exit status."""
    if len(arguments) != 1:
        sys.stderr.write(f"Usage: python -m {program.name} FOLDER\n")
        return EXIT_REFUSED
    path = Path(arguments[0]).resolve()
    if not path.is_dir():
        sys.stderr.write(f"The run folder {path} does not exist.\n")
        return EXIT_REFUSED
    try:
        with program.take(path) as folder:
            return attempt(program, folder)
    except FolderBusy as busy:
        sys.stderr.write(f"{busy}\n")
        return EXIT_BUSY


def attempt(program: Program, folder: RunFolder) -> int:
    try:
        program.perform(folder)
    except RunCancelled:
        return EXIT_CANCELLED
    except RunRefused as refused:
        return give_up(folder, str(refused), "", EXIT_REFUSED)
    except Exception as error:
        return give_up(folder, program.sentence(error), traceback.format_exc(), EXIT_FAILED)
    return EXIT_DONE


def give_up(folder: RunFolder, message: str, detail: str, status: int) -> int:
    """Leave the sentence on standard error and in error.json."""
    if folder.stopping:  # whatever broke while stopping is no failure
        return EXIT_CANCELLED
    sys.stderr.write(f"{message}\n{detail}")
    try:
        folder.fail(message, detail)
        folder.log(message, level="error")
    except OSError:  # a full disk: standard error has said it
        return status
    return status


def leave(status: int) -> NoReturn:
    """End the process. One that was asked to stop ends at once: tidying up can take libraries many seconds."""
    if status == EXIT_CANCELLED:
        end_at_once()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the work is done: what is left is tidying up
    sys.exit(status)


def what_broke(error: BaseException, *, disk_full: str, memory_gone: str) -> str:
    """One sentence for any error that ended a run. Errors are known by their names and words: nothing is imported."""
    text = " ".join(str(error).split())
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or DISK.search(text):
        return disk_full
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or MEMORY.search(text):
        return memory_gone
    return f"The run broke off: {type(error).__name__}: {text[:300]}"
