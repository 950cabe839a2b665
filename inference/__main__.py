"""The door of the program: `python -m inference FOLDER` does what FOLDER/spec.json asks.

Exit status: 0 done, 1 failed (error.json says why), 3 stopped on request, 4 refused (error.json), 5 folder busy.
"""

import importlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import NoReturn

from inference.environment import prepare
from inference.spec import GenerationSpec, ScoringSpec
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
)

TASKS = {"generate": "inference.generate", "score": "inference.score"}
GRACE_SECONDS = 3.0  # between a request to stop and the moment when we stop without asking


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("Usage: python -m inference FOLDER\n")
        return EXIT_REFUSED
    path = Path(arguments[0]).resolve()
    if not path.is_dir():
        sys.stderr.write(f"The run folder {path} does not exist.\n")
        return EXIT_REFUSED
    try:
        with RunFolder(path) as folder:
            return attempt(folder)
    except FolderBusy as busy:
        sys.stderr.write(f"{busy}\n")
        return EXIT_BUSY


def attempt(folder: RunFolder) -> int:
    """Do the folder's task; what goes wrong is left in error.json as one sentence."""
    stop_without_asking(folder)
    try:
        perform(folder)
    except RunCancelled:
        return EXIT_CANCELLED
    except RunRefused as refused:
        return give_up(folder, str(refused), "", EXIT_REFUSED)
    except Exception as error:
        return give_up(folder, sentence(error), traceback.format_exc(), EXIT_FAILED)
    return EXIT_DONE


def perform(folder: RunFolder) -> None:
    """Read the spec, then load what is heavy: a refusal must not wait for it."""
    values = folder.spec
    task = str(values.get("task", ""))
    if task not in TASKS:
        raise RunRefused(f"Unknown task in spec.json: “{task}”. Known: {', '.join(TASKS)}.")
    spec = (GenerationSpec if task == "generate" else ScoringSpec).from_dict(values)
    prepare(offline=spec.offline)
    importlib.import_module(TASKS[task]).run(folder, spec)


def give_up(folder: RunFolder, message: str, detail: str, status: int) -> int:
    if folder.stopping:  # whatever broke while stopping is no failure
        return EXIT_CANCELLED
    folder.fail(message, detail)
    folder.log(message, level="error")
    sys.stderr.write(f"{message}\n{detail}")
    return status


def sentence(error: Exception) -> str:
    """One sentence for a person about an unexpected error."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno == 28:
        return "The disk is full; nothing of what was already written is lost. Make room, then run this again."
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        return "The memory was not enough; lower the batch size or the lengths, or take a smaller model."
    return f"The run broke off: {type(error).__name__}: {text[:300]}"


def stop_without_asking(folder: RunFolder) -> None:
    """Leave within a few seconds of a request to stop, also while a library holds the main thread.

    What is written stays: every line is flushed when it is made.
    """

    def watch() -> None:
        while not folder.stopping:
            time.sleep(0.2)
        time.sleep(GRACE_SECONDS)
        leave()

    threading.Thread(target=watch, name="stop", daemon=True).start()


def leave() -> NoReturn:
    """End at once, with the processes an engine started: tidying up can take libraries many seconds."""
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(EXIT_CANCELLED)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    if status == EXIT_CANCELLED:
        leave()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the work is done: what is left is tidying up
    sys.exit(status)
