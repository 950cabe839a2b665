"""bytes → records: what a file is, and its rows as a stream. Pure Python; knows nothing of examples.

JSON, JSONL, CSV, TSV, XLSX, Parquet and Arrow (each also gzipped), and ZIP files of them: dataset folders. What
concerns one row is a Problem with its line; what concerns the whole file is Unreadable with one sentence.
"""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from evalhub.datasets.formats.columnar import columnar_rows, columns_of
from evalhub.datasets.formats.csv_tables import csv_header, csv_rows, delimiter_of
from evalhub.datasets.formats.encodings import Bytes, encoding_of, text_of
from evalhub.datasets.formats.folders import parts_of
from evalhub.datasets.formats.json_lines import json_lines
from evalhub.datasets.formats.json_texts import json_text
from evalhub.datasets.formats.records import Problem, Record, Source, Unreadable, storable
from evalhub.datasets.formats.sheets import is_sheet, sheet_header, sheet_rows
from evalhub.datasets.formats.tables import header
from evalhub.datasets.formats.unpacking import GZIP, blocks, copied, member_blocks, plain_file, start_of

__all__ = ["Problem", "Record", "Source", "Unreadable", "open_sources", "records", "storable"]

BEGINNING = 2**20  # bytes, unpacked, that a glimpse looks at for the encoding
OLD_OFFICE = b"\xd0\xcf\x11\xe0"  # .xls, .doc
ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # the second: an empty one
COLUMNAR = {b"PAR1": "parquet", b"ARRO": "arrow", b"\xff\xff\xff\xff": "arrow"}
READERS = {
    "jsonl": json_lines, "json": json_text, "csv": csv_rows, "xlsx": sheet_rows, "parquet": columnar_rows,
    "arrow": columnar_rows,
}  # fmt: skip
HEADERS = {"csv": csv_header, "xlsx": sheet_header, "parquet": columns_of, "arrow": columns_of}


def open_sources(path: Path, name: str = "", *, glimpse: bool = False) -> Iterator[Source]:
    """The file, or one after the other the files of a packed dataset folder; each is there until the next is asked for.

    For a `glimpse` at the first rows no text is unpacked to its end: BEGINNING tells its encoding. Raises Unreadable,
    also in the middle.
    """
    name = name or path.name
    source = Source(path, name, "csv")
    if start_of(source).startswith(ZIP) and not is_sheet(path):
        yield from _folder(path, name, glimpse)
    else:
        yield _opened(source, glimpse)


def records(source: Source) -> Iterator[Record | Problem]:
    """Every row of `source`, in order, in constant memory. Raises Unreadable where the rest cannot be read."""
    return READERS[source.format](source)


def _folder(path: Path, name: str, glimpse: bool) -> Iterator[Source]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise Unreadable(f"{name} is packed like a ZIP or XLSX file but is not one, or is broken.") from error
    with archive:
        for part in parts_of(archive, name):
            placed = Source(path, part.path, "csv", part=part.path, split=part.split, member=part.path)
            if glimpse and _is_text(placed):
                yield _opened(placed, glimpse)
                continue
            with copied(member_blocks(archive, archive.getinfo(part.path), name)) as copy:
                yield _opened(replace(placed, path=copy, member=""), glimpse)


def _opened(source: Source, glimpse: bool) -> Source:
    """The file with its format, encoding and columns. Raises Unreadable."""
    start = start_of(source)
    if not start:
        raise Unreadable(f"{source.name} is empty: it has no bytes.")
    if start.startswith(GZIP):
        source = replace(source, packed=True)
        start = start_of(source)
    if start.startswith(OLD_OFFICE):
        raise Unreadable(
            f"{source.name} is in the format of old Excel files (.xls), which cannot be read; save it as XLSX or CSV."
        )
    found = _binary(source, start) or _text(source, glimpse)
    if found.format not in HEADERS:
        return found
    return replace(found, columns=header(found.name, HEADERS[found.format](found)))


def _binary(source: Source, start: bytes) -> Source | None:
    if start[:4] in COLUMNAR:
        return replace(source, format=COLUMNAR[start[:4]])
    if not start.startswith(ZIP):
        return None
    source = replace(source, format="xlsx")
    with plain_file(source) as plain:
        if source.packed and not is_sheet(plain):
            raise Unreadable(
                f"{source.name} is a ZIP file inside a gzip file; unpack it once, and import the ZIP file."
            )
    return source


# --- which kind of text -------------------------------------------------------------------------
def _is_text(source: Source) -> bool:
    """Whether it is no format of bytes; those jump about in a file of their own."""
    start = start_of(source)
    if start.startswith(GZIP):
        start = start_of(replace(source, packed=True))
    return start[:4] not in COLUMNAR and not start.startswith(ZIP)


def _text(source: Source, glimpse: bool) -> Source:
    content = _beginning(source) if glimpse else Bytes(source.name, partial(blocks, source))
    source = replace(source, encoding=encoding_of(content), assumed=not content.whole)
    found, delimiter = _text_format(source)
    return replace(source, format=found, delimiter=delimiter)


def _beginning(source: Source) -> Bytes:
    start = start_of(source, BEGINNING + 1)
    return Bytes(source.name, lambda: iter((start[:BEGINNING],)), whole=len(start) <= BEGINNING)


def _text_format(source: Source) -> tuple[str, str]:
    """("jsonl" | "json" | "csv", delimiter), by the first characters and the file's ending."""
    with text_of(source) as text:
        start = text.read(2**20)
    stripped = start.lstrip("\ufeff \t\r\n\v\f")
    if not stripped:
        raise Unreadable(f"{source.name} is empty: it holds only white space.")
    ending = source.name.lower().removesuffix(".gz").rpartition(".")[2]
    lines = stripped.splitlines()
    if stripped[0] == "[":
        return ("jsonl" if len(lines) > 1 and _is_whole(lines[0]) else "json"), ","
    if stripped[0] == "{":
        goes_on = lines[0].rstrip()[-1] in "{[:,"  # a line of JSONL that is broken off ends anywhere else
        return ("json" if goes_on or (len(lines) == 1 and ending == "json") else "jsonl"), ","
    if ending in ("json", "jsonl", "ndjson"):
        return "jsonl", ","
    return "csv", delimiter_of(stripped)


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
