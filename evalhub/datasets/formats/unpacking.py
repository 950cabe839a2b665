"""Plain and gzipped bytes as one stream of blocks, or as a plain file for readers that jump about."""

import gzip
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from evalhub.datasets.formats.limits import check_unpacked
from evalhub.datasets.formats.records import Source, Unreadable

GZIP = b"\x1f\x8b"
BLOCK = 2**18


def start_of(path: Path, name: str, packed: bool, size: int = 8) -> bytes:
    """The first bytes, unpacked. Raises Unreadable."""
    try:
        with opened(path, packed) as stream:
            return stream.read(size)
    except (EOFError, OSError, zlib.error) as error:
        raise _unopened(name, packed, error) from error


def _unopened(name: str, packed: bool, error: Exception) -> Unreadable:
    if packed:
        return Unreadable(f"{name} is a broken gzip file: it cannot be unpacked to its end.")
    return Unreadable(f"{name} cannot be opened: {getattr(error, 'strerror', None) or error}.")


@contextmanager
def opened(path: Path, packed: bool) -> Iterator[IO[bytes] | gzip.GzipFile]:
    with path.open("rb") as file:
        if packed:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield unpacked
        else:
            yield file


def blocks(path: Path, name: str, packed: bool) -> Iterator[bytes]:
    """The unpacked bytes in blocks, up to the limits that stop a gzip bomb. Raises Unreadable."""
    size, weight = 0, path.stat().st_size if packed else None
    try:
        with opened(path, packed) as stream:
            while block := stream.read(BLOCK):
                size += len(block)
                check_unpacked(name, size, weight)
                yield block
    except (EOFError, OSError, zlib.error) as error:
        raise _unopened(name, packed, error) from error


@contextmanager
def plain_file(source: Source) -> Iterator[Path]:
    """The file itself; of a gzipped one an unpacked copy, gone when the block ends. Raises Unreadable."""
    if not source.packed:
        yield source.path
        return
    with copied(blocks(source.path, source.name, packed=True)) as path:
        yield path


@contextmanager
def copied(content: Iterator[bytes]) -> Iterator[Path]:
    """A temporary file with this content, gone when the block ends."""
    with tempfile.NamedTemporaryFile(prefix="evalhub-unpacked-") as copy:
        for block in content:
            copy.write(block)
        copy.flush()
        yield Path(copy.name)


def unpacks_within(path: Path, limit: int) -> bool:
    """Whether the file has at most `limit` bytes once unpacked; no more than that is unpacked to tell."""
    if path.stat().st_size > limit:
        return False
    try:
        if start_of(path, path.name, packed=False).startswith(GZIP):
            with opened(path, packed=True) as stream:
                return len(stream.read(limit + 1)) <= limit
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist()) <= limit
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError):
        return True  # no archive, or a broken one, of which little is read


def member_blocks(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Iterator[bytes]:
    """The bytes of one file of a ZIP; never more than its directory says. Raises Unreadable."""
    try:
        with archive.open(member) as stream:
            while block := stream.read(BLOCK):
                yield block
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise Unreadable(f"{name} is a broken ZIP file: {member.filename} cannot be unpacked.") from error
