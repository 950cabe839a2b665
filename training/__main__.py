"""The door of the program: `python -m training FOLDER` does what FOLDER/spec.json asks, or goes on with it.

Exit status: 0 done, 1 failed (error.json says why), 3 stopped on request, 4 refused (error.json), 5 folder busy.
"""

import importlib
import signal
import sys
import traceback
from pathlib import Path

from runkit.folder import (
    EXIT_BUSY,
    EXIT_CANCELLED,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_REFUSED,
    RESULT,
    FolderBusy,
    RunCancelled,
    RunFolder,
    RunRefused,
)
from training import environment
from training.checks import check
from training.sentences import sentence
from training.spec import TrainingSpec

GRACE_SECONDS = 4.0  # between a request to stop and an end without asking; the last checkpoint stays either way


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("Usage: python -m training FOLDER\n")
        return EXIT_REFUSED
    path = Path(arguments[0]).resolve()
    if not path.is_dir():
        sys.stderr.write(f"The run folder {path} does not exist.\n")
        return EXIT_REFUSED
    try:
        with hold(path) as folder:
            return attempt(folder)
    except FolderBusy as busy:
        sys.stderr.write(f"{busy}\n")
        return EXIT_BUSY


def hold(path: Path) -> RunFolder:
    """The folder, or only a view of it for the further processes of torchrun."""
    if environment.rank():
        view: RunFolder = importlib.import_module("training.ranks").open_silently(path)
        return view
    return RunFolder(path, grace_seconds=GRACE_SECONDS)


def attempt(folder: RunFolder) -> int:
    """Do the run; what goes wrong is left in error.json as one sentence."""
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
    """Check what is cheap to check, then load what is heavy: a refusal must not wait for it."""
    if (folder.path / RESULT).exists():
        folder.log("This run is already done.")
        return
    spec = TrainingSpec.from_dict(folder.spec)
    check(spec, folder.path)
    environment.prepare(offline=spec.offline)
    importlib.import_module("training.fine_tune").fine_tune(folder, spec)


def give_up(folder: RunFolder, message: str, detail: str, status: int) -> int:
    if folder.stopping:  # whatever broke while stopping is no failure
        return EXIT_CANCELLED
    sys.stderr.write(f"{message}\n{detail}")
    try:
        folder.fail(message, detail)
        folder.log(message, level="error")
    except OSError:  # a full disk: standard error has said it
        return status
    return status


if __name__ == "__main__":
    status = main(sys.argv[1:])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the work is done: what is left is tidying up
    sys.exit(status)
