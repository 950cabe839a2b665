"""A stored file on the local disk, for programs and libraries that want a path."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evalhub.errors import Refused


@contextmanager
def local_file(stored: Any, *, name: str = "") -> Iterator[Path]:
    """`stored` itself where storage is a local folder, otherwise a temporary copy; under the name `name`, if given."""
    own = _own_path(stored)
    if own and not name:
        yield own
        return
    with tempfile.TemporaryDirectory(prefix="evalhub-file-") as folder:
        path = Path(folder) / (Path(name).name or "file")
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
