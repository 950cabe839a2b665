"""Checkpoints that survive a kill at any moment: one counts only when its last file, ours, is there."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runkit.folder import read_json, write_json

FOLDER, PREFIX, MARKER = "checkpoints", "checkpoint-", "complete.json"


def path_of(folder: Path, step: int) -> Path:
    return folder / FOLDER / f"{PREFIX}{step}"


def complete(folder: Path) -> dict[int, Path]:
    """Finished checkpoints by step."""
    return {step: path for step, path in every(folder) if (path / MARKER).exists()}


def every(folder: Path) -> Iterator[tuple[int, Path]]:
    for path in (folder / FOLDER).glob(f"{PREFIX}*"):
        step = path.name.removeprefix(PREFIX)
        if step.isdigit():
            yield int(step), path


def remove_unfinished(folder: Path) -> None:
    finished = complete(folder)
    for step, path in list(every(folder)):
        if step not in finished:
            shutil.rmtree(path)


def last(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest finished checkpoint and what was noted in it."""
    finished = complete(folder)
    if not finished:
        return None
    path = finished[max(finished)]
    return path, read_json(path / MARKER) or {}


def finish(folder: Path, step: int, notes: Mapping[str, Any]) -> None:
    """Call the checkpoint of `step` finished: its files are on the disk before the marker is."""
    path = path_of(folder, step)
    for file in path.iterdir():
        sync(file)
    write_json(path / MARKER, notes)


def keep_only(folder: Path, steps: set[int]) -> None:
    """Remove finished checkpoints of other steps."""
    for step, path in complete(folder).items():
        if step not in steps:
            (path / MARKER).unlink()  # half-removed must not look finished
            shutil.rmtree(path)


def sync(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
