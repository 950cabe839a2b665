"""Plain and gzipped bytes as one stream of blocks, or as a plain file for readers that jump about."""

import gzip
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalhub.datasets.formats.limits import check_unpacked
from evalhub.datasets.formats.records import Source, Unreadable

GZIP = b"\x1f\x8b"
BLOCK = 2**18
UNENDED = "it cannot be unpacked to its end"


def start_of(source: Source, size: int = 8) -> bytes:
    """The first bytes, unpacked. Raises Unreadable."""
    try:
        with stream_of(source) as stream:
            return bytes(stream.read(size))
    except (EOFError, OSError, zlib.error) as error:
        raise _unopened(source, error) from error


def _unopened(source: Source, error: Exception) -> Unreadable:
    if source.member:
        return Unreadable(f"{source.name} is broken: {UNENDED}.")
    if source.packed:
        return Unreadable(f"{source.name} is a broken gzip file: {UNENDED}.")
    return Unreadable(f"{source.name} cannot be opened: {getattr(error, 'strerror', None) or error}.")


def stream_of(source: Source) -> Any:
    """The unpacked bytes as a file; who asks for it closes it."""
    if not source.member:
        return gzip.open(source.path) if source.packed else source.path.open("rb")
    file = zipfile.ZipFile(source.path).open(source.member)  # noqa: SIM115 (as it says)
    return gzip.GzipFile(fileobj=file) if source.packed else file


def blocks(source: Source) -> Iterator[bytes]:
    """The unpacked bytes in blocks, up to the limits that stop a gzip bomb. Raises Unreadable."""
    size, weight = 0, source.path.stat().st_size if source.packed else None
    try:
        with stream_of(source) as stream:
            while block := stream.read(BLOCK):
                size += len(block)
                check_unpacked(source.name, size, weight)
                yield block
    except (EOFError, OSError, zlib.error) as error:
        raise _unopened(source, error) from error


@contextmanager
def telling_what_breaks(name: str) -> Iterator[None]:
    """Raises Unreadable where what is read within cannot be unpacked, be it only in the middle."""
    try:
        yield
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise Unreadable(f"{name} is broken: {UNENDED}.") from error


@contextmanager
def plain_file(source: Source) -> Iterator[Path]:
    """The file itself; of a gzipped one an unpacked copy, gone when the block ends. Raises Unreadable."""
    if not source.packed:
        yield source.path
        return
    with copied(blocks(source)) as path:
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
        if start_of(source := Source(path, path.name, "csv")).startswith(GZIP):
            with stream_of(replace(source, packed=True)) as stream:
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
