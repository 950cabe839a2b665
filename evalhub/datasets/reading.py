"""bytes → records: what a file is, and its rows as a stream. Pure Python; knows nothing of examples.

JSON, JSONL, CSV, TSV, XLSX, Parquet and Arrow (each also gzipped), and ZIP files of them: dataset folders. What
concerns one row is a Problem with its line; what concerns the whole file is Unreadable with one sentence.
"""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from evalhub.datasets.formats.columnar import columnar_rows, columns_of
from evalhub.datasets.formats.csv_tables import csv_header, csv_rows, delimiter_of
from evalhub.datasets.formats.encodings import encoding_of, text_of
from evalhub.datasets.formats.folders import parts_of
from evalhub.datasets.formats.json_lines import json_lines
from evalhub.datasets.formats.json_texts import json_text
from evalhub.datasets.formats.records import Problem, Record, Source, Unreadable, storable
from evalhub.datasets.formats.sheets import is_sheet, sheet_header, sheet_rows
from evalhub.datasets.formats.tables import header
from evalhub.datasets.formats.unpacking import GZIP, copied, member_blocks, plain_file, start_of

__all__ = ["Problem", "Record", "Source", "Unreadable", "open_sources", "records", "storable"]

ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # the second: an empty one
COLUMNAR = {b"PAR1": "parquet", b"ARRO": "arrow", b"\xff\xff\xff\xff": "arrow"}
READERS = {
    "jsonl": json_lines, "json": json_text, "csv": csv_rows, "xlsx": sheet_rows, "parquet": columnar_rows,
    "arrow": columnar_rows,
}  # fmt: skip
HEADERS = {"csv": csv_header, "xlsx": sheet_header, "parquet": columns_of, "arrow": columns_of}


def open_sources(path: Path, name: str = "") -> Iterator[Source]:
    """The file, or one after the other the files of a packed dataset folder; each is there until the next is asked for.

    Raises Unreadable, also in the middle.
    """
    name = name or path.name
    if start_of(path, name, packed=False).startswith(ZIP) and not is_sheet(path):
        yield from _folder(path, name)
    else:
        yield _opened(path, name)


def records(source: Source) -> Iterator[Record | Problem]:
    """Every row of `source`, in order, in constant memory. Raises Unreadable where the rest cannot be read."""
    return READERS[source.format](source)


def _folder(path: Path, name: str) -> Iterator[Source]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise Unreadable(f"{name} is packed like a ZIP or XLSX file but is not one, or is broken.") from error
    with archive:
        for part in parts_of(archive, name):
            with copied(member_blocks(archive, archive.getinfo(part.path), name)) as copy:
                yield replace(_opened(copy, part.path), part=part.path, split=part.split)


def _opened(path: Path, name: str) -> Source:
    """The file with its format, encoding and columns. Raises Unreadable."""
    start = start_of(path, name, packed=False)
    if not start:
        raise Unreadable(f"{name} is empty: it has no bytes.")
    packed = start.startswith(GZIP)
    if packed:
        start = start_of(path, name, packed=True)
    source = _binary(path, name, packed, start) or _text(path, name, packed)
    if source.format not in HEADERS:
        return source
    return replace(source, columns=header(name, HEADERS[source.format](source)))


def _binary(path: Path, name: str, packed: bool, start: bytes) -> Source | None:
    if start[:4] in COLUMNAR:
        return Source(path, name, COLUMNAR[start[:4]], packed)
    if not start.startswith(ZIP):
        return None
    source = Source(path, name, "xlsx", packed)
    with plain_file(source) as plain:
        if packed and not is_sheet(plain):
            raise Unreadable(f"{name} is a ZIP file inside a gzip file; unpack it once, and import the ZIP file.")
    return source


# --- which kind of text -------------------------------------------------------------------------
def _text(path: Path, name: str, packed: bool) -> Source:
    source = Source(path, name, "csv", packed, encoding_of(path, name, packed))
    found, delimiter = _text_format(source)
    return replace(source, format=found, delimiter=delimiter)


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
    return "csv", delimiter_of(lines[0])


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
