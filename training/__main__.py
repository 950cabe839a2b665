"""`python -m training FOLDER` does what FOLDER/spec.json asks, or goes on with it (exit status: runkit/door.py)."""

import importlib
import sys
from pathlib import Path

from runkit.door import Program, enter, leave
from runkit.folder import RESULT, RunFolder
from training import environment
from training.checks import check
from training.sentences import sentence
from training.spec import TrainingSpec

GRACE_SECONDS = 4.0  # between a request to stop and an end without asking; the last checkpoint stays either way


def main(arguments: list[str]) -> int:
    return enter(Program("training", perform, sentence, hold), arguments)


def hold(path: Path) -> RunFolder:
    """The folder, or only a view of it for the further processes of torchrun."""
    if environment.rank():
        view: RunFolder = importlib.import_module("training.ranks").open_silently(path)
        return view
    return RunFolder(path, grace_seconds=GRACE_SECONDS)


def perform(folder: RunFolder) -> None:
    """Check what is cheap to check, then load what is heavy: a refusal must not wait for it."""
    if (folder.path / RESULT).exists():
        folder.log("This run is already done.")
        return
    spec = TrainingSpec.from_dict(folder.spec)
    check(spec, folder.path)
    environment.prepare(offline=spec.offline)
    importlib.import_module("training.fine_tune").fine_tune(folder, spec)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
