"""`python -m inference FOLDER` does what FOLDER/spec.json asks (exit status: runkit/door.py)."""

import importlib
import sys
from pathlib import Path

from inference.environment import prepare
from inference.sentences import sentence
from inference.spec import GenerationSpec, ScoringSpec
from runkit.door import Program, enter, leave
from runkit.folder import RunFolder, RunRefused

TASKS = {"generate": "inference.generate", "score": "inference.score"}
GRACE_SECONDS = 3.0  # between a request to stop and an end without asking: each answer is written when it is made


def main(arguments: list[str]) -> int:
    return enter(Program("inference", perform, sentence, hold), arguments)


def hold(path: Path) -> RunFolder:
    return RunFolder(path, grace_seconds=GRACE_SECONDS)


def perform(folder: RunFolder) -> None:
    """Read the spec, then load what is heavy: a refusal must not wait for it."""
    values = folder.spec
    task = str(values.get("task", ""))
    if task not in TASKS:
        raise RunRefused(f"Unknown task in spec.json: “{task}”. Known: {', '.join(TASKS)}.")
    spec = (GenerationSpec if task == "generate" else ScoringSpec).from_dict(values)
    prepare(offline=spec.offline)
    importlib.import_module(TASKS[task]).run(folder, spec)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
