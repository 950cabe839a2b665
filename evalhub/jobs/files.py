"""Local folders to work in, and a stored file on the local disk for programs and libraries that want a path.

They lie in EVALHUB_VAR. A worker that is killed leaves its own there; its lock goes with it, so that the sweep knows.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.conf import settings

from evalhub.errors import Refused

WORK = "work"  # in settings.VAR
YOUNG_SECONDS = 60  # so long a folder may be there without its lock: it is being made


@contextmanager
def working_folder(prefix: str) -> Iterator[Path]:
    """A folder for the block alone; where its process is killed, clear_abandoned removes it."""
    root = settings.VAR / WORK
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{prefix}-", dir=root) as name, _locked(Path(name)):
        yield Path(name)


def clear_abandoned() -> None:
    """Delete working folders whose process is gone."""
    for folder in (settings.VAR / WORK).glob("*"):
        with suppress(FileNotFoundError):  # its process has ended meanwhile, and took it along
            if time.time() - folder.stat().st_mtime > YOUNG_SECONDS:
                _clear(folder)


def _clear(folder: Path) -> None:
    with _locked(folder) as ours:
        if ours:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock, which the kernel gives back when this process dies; False where another has it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield _lock(handle)
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def local_file(stored: Any, *, name: str = "") -> Iterator[Path]:
    """`stored` itself where storage is a local folder, otherwise a temporary copy; under the name `name`, if given."""
    own = _own_path(stored)
    if own and not name:
        yield own
        return
    with working_folder("file") as folder:
        path = folder / (Path(name).name or "file")
        if own:
            path.symlink_to(own)
        else:
            with path.open("wb") as copy:
                shutil.copyfileobj(stored, copy)
        yield path


def _own_path(stored: Any) -> Path | None:
    own = getattr(getattr(stored, "file", stored), "name", "")
    return Path(own).absolute() if isinstance(own, str) and Path(own).is_file() else None


def name_of(path: Path) -> str:
    """The last part of a path that is to be written. Raises Refused where that names nothing, or leads elsewhere."""
    if path.name in ("", ".."):
        raise Refused(f"“{path}” names no file or folder to write; give it a name.")
    return path.name
