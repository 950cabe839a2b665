"""A local dataset folder as one ZIP file: the same folder gives the same bytes, whoever packs it."""

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalhub.datasets.formats.folders import CARD, DATA
from evalhub.datasets.formats.limits import MAX_PARTS
from evalhub.datasets.formats.records import Unreadable

LONG_AGO = (1980, 1, 1, 0, 0, 0)  # a ZIP file must give a time; a file's own would make each packing another one
KEPT = (*DATA, *(f"{ending}.gz" for ending in DATA))


@contextmanager
def as_one_file(path: Path, name: str) -> Iterator[tuple[Path, str]]:
    """The file at `path` and its name; of a folder a ZIP of its data files, gone when the block ends.

    Raises Unreadable.
    """
    if not path.is_dir():
        yield path, name
        return
    with tempfile.TemporaryDirectory(prefix="evalhub-folder-") as folder:
        packed = Path(folder) / "folder.zip"
        _pack(path, packed)
        yield packed, f"{name or path.resolve().name}.zip"


def _pack(folder: Path, packed: Path) -> None:
    files = sorted(file for file in folder.rglob("*") if _is_kept(file.relative_to(folder)) and file.is_file())
    if len(files) > MAX_PARTS:
        raise Unreadable(f"{folder.name} holds {len(files):,} data files; at most {MAX_PARTS:,} are looked at.")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            member = zipfile.ZipInfo(file.relative_to(folder).as_posix(), LONG_AGO)
            with file.open("rb") as content, archive.open(member, "w", force_zip64=True) as copy:
                while block := content.read(2**20):
                    copy.write(block)


def _is_kept(path: Path) -> bool:
    """Data and what describes it; nothing hidden."""
    if any(part.startswith(".") for part in path.parts):
        return False
    return path.name == CARD or path.name.lower().endswith(KEPT)
