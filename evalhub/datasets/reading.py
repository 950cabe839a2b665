"""bytes → records: formats, encodings, gzip, limits. Pure Python; knows nothing of examples.

JSON, JSONL, CSV, TSV (each also gzipped), XLSX and Parquet, read as a stream. What concerns one row is a Problem
with its line; what concerns the whole file is Unreadable with one sentence.
"""

import codecs
import csv
import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import openpyxl
from charset_normalizer import from_bytes

MAX_FIELD = 2_000_000  # characters in one field
MAX_LINE = 16_000_000  # characters in one row
MAX_BYTES = 512 * 2**20  # bytes of a file once unpacked
MAX_RAW = 500  # characters of a refused row that are kept in its Problem
LEGACY = {"cp1252", "latin_1", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "iso8859_2", "iso8859_5",
          "iso8859_7", "iso8859_9", "iso8859_15", "koi8_r", "mac_roman", "shift_jis", "cp932", "euc_jp", "gb18030",
          "big5", "euc_kr", "cp949"}  # fmt: skip
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


class Unreadable(Exception):
    """The file as a whole cannot be read; the message is one sentence for a person."""

    def __init__(self, message: str) -> None:
        super().__init__(storable(message))


def storable(text: str) -> str:
    """`text` without what no database and no page can hold: lone surrogates become ?, NULs a picture of one."""
    return text.encode("utf-8", "replace").decode().replace("\0", "␀")


@dataclass(frozen=True)
class Record:
    """One row as it stands in the file. `line` counts from 1 (in XLSX, Parquet and one-line JSON: the row)."""

    line: int
    values: dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """Why one row cannot be taken: line from 1, the field if one is to blame, one sentence, the row's beginning."""

    line: int
    field: str
    reason: str
    raw: str = ""

    def __post_init__(self) -> None:
        for name in ("field", "reason", "raw"):
            object.__setattr__(self, name, storable(getattr(self, name)))


@dataclass(frozen=True)
class Source:
    """A file whose format and encoding are known. `columns` is empty where each row names its own."""

    path: Path
    name: str
    format: str  # jsonl | json | csv | xlsx | parquet
    packed: bool = False
    encoding: str = "utf-8"
    delimiter: str = ","
    columns: tuple[str, ...] = ()

    @property
    def described(self) -> str:
        """For people: "CSV with semicolons, cp1252"."""
        words = {"json": "JSON", "jsonl": "JSONL", "csv": "CSV", "xlsx": "XLSX", "parquet": "Parquet"}[self.format]
        if self.format == "csv":
            words += f" with {DELIMITERS[self.delimiter]}"
        if self.format in ("csv", "json", "jsonl"):
            words += f", {self.encoding.replace('_', '-').upper().replace('UTF-8-SIG', 'UTF-8')}"
        return f"{words}, gzipped" if self.packed else words


def open_source(path: Path, name: str = "") -> Source:
    """Find out format, encoding and columns of `path`. Raises Unreadable."""
    name = name or path.name
    start = _first_bytes(path, name)
    if start.startswith(b"PAR1"):
        return _with_columns(Source(path, name, "parquet"))
    if start.startswith(b"PK\x03\x04"):
        return _with_columns(Source(path, name, "xlsx"))
    packed = start.startswith(b"\x1f\x8b")
    encoding = _encoding(path, name, packed)
    source = Source(path, name, "csv", packed, encoding)
    found, delimiter = _text_format(source)
    return _with_columns(Source(path, name, found, packed, encoding, delimiter))


def records(source: Source) -> Iterator[Record | Problem]:
    """Every row of `source`, in order, in constant memory. Raises Unreadable where the rest cannot be read."""
    readers = {"jsonl": _jsonl, "json": _json, "csv": _csv, "xlsx": _xlsx, "parquet": _parquet}
    return readers[source.format](source)


# --- bytes and encodings ------------------------------------------------------------------------
def _first_bytes(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise Unreadable(f"{name} cannot be opened: {error.strerror or error}.") from error
    if not start:
        raise Unreadable(f"{name} is empty: it has no bytes.")
    return start


@contextmanager
def _bytes(path: Path, packed: bool) -> Iterator[IO[bytes] | gzip.GzipFile]:
    with path.open("rb") as file:
        if packed:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield unpacked
        else:
            yield file


def _blocks(path: Path, name: str, packed: bool) -> Iterator[bytes]:
    """The unpacked bytes in blocks, up to the limit that stops a gzip bomb."""
    size = 0
    try:
        with _bytes(path, packed) as stream:
            while block := stream.read(2**18):
                size += len(block)
                if size > MAX_BYTES:
                    raise Unreadable(f"{name} is longer than {MAX_BYTES // 2**20} MB unpacked; split it into parts.")
                yield block
    except (EOFError, gzip.BadGzipFile, OSError, zipfile.BadZipFile) as error:
        raise Unreadable(f"{name} is a broken gzip file: it cannot be unpacked to its end.") from error


def _encoding(path: Path, name: str, packed: bool) -> str:
    """The encoding of all of the text. UTF-8 with single broken lines stays UTF-8: those lines become problems."""
    start = next(_blocks(path, name, packed), b"")
    for mark, encoding in MARKS:
        if start.startswith(mark):
            return _checked(path, name, packed, encoding)
    if b"\0" in start[:4096] and (guess := _utf16_without_mark(start[:4096])):
        return _checked(path, name, packed, guess)
    if _is_binary(start[:4096]):
        raise Unreadable(f"{name} is not a text file. JSON, JSONL, CSV, TSV, XLSX and Parquet can be read.")
    sound, broken = _non_ascii_lines(path, name, packed)
    return _legacy(name, broken) if broken and not sound else "utf-8"


def _checked(path: Path, name: str, packed: bool, encoding: str) -> str:
    """`encoding`, if all of the file follows it (UTF-8 is checked line by line later)."""
    decoder = codecs.getincrementaldecoder(encoding)("surrogateescape" if encoding == "utf-8-sig" else "strict")
    try:
        for block in _blocks(path, name, packed):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        raise Unreadable(f"{name} says it is {encoding.upper()}, but breaks its rules; save it as UTF-8.") from error
    return encoding


def _utf16_without_mark(start: bytes) -> str:
    """utf-16-le or -be where every second byte of mostly Latin text is zero."""
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if max(even, odd) < len(start) * 0.3:
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def _is_binary(start: bytes) -> bool:
    """Not UTF-8, and with control characters that no text has; single NULs are a row's problem, not the file's."""
    odd = sum(byte < 9 or 13 < byte < 27 for byte in start)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(start)
    except UnicodeDecodeError:
        return odd > len(start) * 0.05
    return odd > len(start) * 0.5 and len(start) > 1000


def _non_ascii_lines(path: Path, name: str, packed: bool) -> tuple[int, bytes]:
    """How many lines hold sound multi-byte UTF-8, and the first 64 kB of lines that break it."""
    sound, broken, rest = 0, b"", b""
    for block in _blocks(path, name, packed):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            sound, broken = _judged(line, sound, broken)
        if len(rest) > MAX_LINE:
            rest = b""
    return _judged(rest, sound, broken)


def _judged(line: bytes, sound: int, broken: bytes) -> tuple[int, bytes]:
    if line.isascii():
        return sound, broken
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return sound, (broken + b"\n" + line)[: 2**16]
    return sound + 1, broken


def _legacy(name: str, sample: bytes) -> str:
    """The most likely encoding of text that is not UTF-8 anywhere. Raises Unreadable."""
    matches = [match for match in from_bytes(sample) if match.encoding in LEGACY]
    best = matches[0].encoding if matches else ""
    if best in ("", "latin_1", "cp1250", "cp1252", "cp1254", "cp1257", "iso8859_2", "iso8859_9", "iso8859_15"):
        best = "cp1252"  # Western unless another script speaks against it: short samples say no more than that
    try:
        sample.decode(best)
    except UnicodeDecodeError as error:
        raise Unreadable(f"The encoding of {name} is not one that can be read; save it as UTF-8.") from error
    return best


def _text(source: Source) -> io.TextIOWrapper:
    """The decoded text, line ends as they are. Bytes that break UTF-8 come as lone surrogates, found per row."""
    file = source.path.open("rb")
    stream: Any = gzip.GzipFile(fileobj=file) if source.packed else file
    return io.TextIOWrapper(stream, source.encoding, errors="surrogateescape", newline="")


def _text_format(source: Source) -> tuple[str, str]:
    """("jsonl" | "json" | "csv", delimiter), by the first characters and the file's ending."""
    with _text(source) as text:
        start = text.read(2**20)
    stripped = start.lstrip()
    if not stripped:
        raise Unreadable(f"{source.name} is empty: it holds only white space.")
    ending = source.name.lower().removesuffix(".gz").rpartition(".")[2]
    lines = stripped.splitlines()
    if stripped[0] == "[":
        return ("jsonl" if len(lines) > 1 and _is_whole(lines[0]) else "json"), ","
    if stripped[0] == "{":
        whole = lines[0].strip() == "{" or (len(lines) == 1 and ending == "json")
        return ("json" if whole else "jsonl"), ","
    if ending in ("json", "jsonl", "ndjson"):
        return "jsonl", ","
    return "csv", _delimiter(lines[0])


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _delimiter(header: str) -> str:
    """The separator that stands most often in the header, outside quotation marks."""
    bare = "".join(header.split('"')[0::2])
    best = max(DELIMITERS, key=bare.count)
    return best if bare.count(best) else ","


# --- JSON ---------------------------------------------------------------------------------------
class _Twice(ValueError):
    """An object names one key twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Twice(next(key for key in keys if keys.count(key) > 1))
    return found


DECODER = json.JSONDecoder(object_pairs_hook=_object)
NOT_BLANK = re.compile("[^\ufeff \t\r\n]")


def _as_record(line: int, value: Any, raw: str) -> Record | Problem:
    if isinstance(value, dict):
        return Record(line, value)
    return Problem(line, "", f"The row is {kind_of(value)}; an object with named fields is needed.", raw[:MAX_RAW])


def kind_of(value: Any) -> str:
    """For people: "a list", "an object", "a number", …"""
    kinds = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return kinds.get(type(value), "null" if value is None else f"a {type(value).__name__}")


def _json_problem(line: int, text: str, error: Exception) -> Problem:
    if isinstance(error, _Twice):
        return Problem(line, str(error), f"The row names “{error}” twice.", text[:MAX_RAW])
    if isinstance(error, RecursionError):
        return Problem(line, "", "The row is nested too deeply.", text[:MAX_RAW])
    if isinstance(error, json.JSONDecodeError):
        what = (
            "it ends in the middle" if error.pos >= len(text.rstrip()) else f"{error.msg} at character {error.pos + 1}"
        )
        return Problem(line, "", f"Not JSON: {what}.", text[:MAX_RAW])
    return Problem(line, "", f"Not JSON: {error}.", text[:MAX_RAW])


def _lines(text: io.TextIOWrapper) -> Iterator[tuple[int, str]]:
    """Lines split at line feeds alone, as JSONL wants; one that is too long comes cut, marked by its length."""
    number, line = 0, text.readline(MAX_LINE)
    while line:
        number += 1
        yield number, line
        while len(line) == MAX_LINE and not line.endswith("\n"):
            line = text.readline(MAX_LINE)
        line = text.readline(MAX_LINE)


def _jsonl(source: Source) -> Iterator[Record | Problem]:
    with _text(source) as text:
        text.reconfigure(newline="\n")
        for number, line in _lines(text):
            if not line.strip("\ufeff \t\r\n"):
                continue
            if len(line) == MAX_LINE:
                yield Problem(number, "", f"The line is longer than {MAX_LINE // 10**6} MB.", line[:MAX_RAW])
                continue
            try:
                yield _as_record(number, DECODER.decode(line.strip("\ufeff \t\r\n")), line)
            except (ValueError, RecursionError) as error:
                yield _json_problem(number, line, error)


def _json(source: Source) -> Iterator[Record | Problem]:
    """The objects of an array, or objects one after the other; read in pieces, so that size does not matter."""
    with _text(source) as text:
        yield from _Array(source, text).items()


class _Array:
    """A window on a JSON text: decodes one value after the other and keeps count of lines."""

    def __init__(self, source: Source, text: io.TextIOWrapper) -> None:
        self.source, self.text = source, text
        self.buffer, self.at, self.line, self.count, self.ended = "", 0, 1, 0, False

    def items(self) -> Iterator[Record | Problem]:
        bracketed = self._peek() == "["
        if bracketed:
            self._skip_to(self.at + 1)
        while self._peek() not in ("]", ""):
            yield from self._next_item(lone=not bracketed and self.line == 1)
            if self._peek() == ",":
                self._skip_to(self.at + 1)
            elif bracketed and self._peek() not in ("]", ""):
                raise self._broken("a comma is missing")
        if bracketed and self._peek() == "":
            raise self._broken("the file ends before the list is closed")

    def _next_item(self, *, lone: bool) -> Iterator[Record | Problem]:
        self.count += 1
        line = self.count if self.line == 1 else self.line  # an array on one line: the row's number says more
        value, end = self._decode()
        raw = self.buffer[self.at : min(end, self.at + MAX_RAW)]
        self._skip_to(end)
        inner = _inner_list(value) if lone and self._peek() == "" else None
        if inner is None:
            yield _as_record(line, value, raw)
            return
        for number, item in enumerate(inner, start=1):
            yield _as_record(number, item, str(item)[:MAX_RAW])

    def _decode(self) -> tuple[Any, int]:
        """The next value and where it ends; more text is read as long as it is incomplete."""
        piece = 2**18
        while True:
            try:
                value, end = DECODER.raw_decode(self.buffer, self.at)
                if end < len(self.buffer) or self.ended:
                    return value, end
            except _Twice as error:
                raise self._broken(f"a row names “{error}” twice") from error
            except (ValueError, RecursionError) as error:
                if self.ended or len(self.buffer) - self.at > MAX_LINE:
                    raise self._broken(self._why(error)) from error
            self._more(piece)
            piece *= 2

    def _why(self, error: Exception) -> str:
        if isinstance(error, json.JSONDecodeError):
            self._skip_to(error.pos)
            at_end = not self.buffer[error.pos :].strip() or error.msg.startswith("Unterminated string")
            return "the file ends in the middle of a row" if at_end else error.msg[0].lower() + error.msg[1:]
        return "a row is nested too deeply" if isinstance(error, RecursionError) else str(error)

    def _broken(self, why: str) -> Unreadable:
        return Unreadable(f"{self.source.name} is broken JSON at line {self.line}: {why}.")

    def _more(self, piece: int = 2**18) -> None:
        text = self.text.read(piece)
        self.ended = not text
        self.buffer, self.at = self.buffer[self.at :] + text, 0

    def _peek(self) -> str:
        """The next character that is not white space; "" at the end."""
        while True:
            found = NOT_BLANK.search(self.buffer, self.at)
            self._skip_to(found.start() if found else len(self.buffer))
            if found or self.ended:
                return found.group() if found else ""
            self._more()

    def _skip_to(self, position: int) -> None:
        self.line += self.buffer.count("\n", self.at, position)
        self.at = position


def _inner_list(value: Any) -> list[Any] | None:
    """The rows of {"data": [...]}: the one list of objects in a lone object without texts of its own."""
    if not isinstance(value, dict) or "messages" in value or "conversations" in value:
        return None
    lists = [item for item in value.values() if isinstance(item, list) and item and isinstance(item[0], dict)]
    return lists[0] if len(lists) == 1 and not ({"output", "completion"} & set(value)) else None


# --- tables -------------------------------------------------------------------------------------
def _with_columns(source: Source) -> Source:
    """`source` with the header's names. Raises Unreadable for a header that names a column twice, or none."""
    heads = {"csv": _csv_header, "xlsx": _xlsx_header, "parquet": _parquet_header}
    if source.format not in heads:
        return source
    columns = tuple(name.strip().strip("\ufeff") for name in heads[source.format](source))
    if any(name != storable(name) for name in columns):
        raise Unreadable(f"The header of {source.name} is not valid UTF-8: {', '.join(columns)[:200]}.")
    lowered = [name.casefold() for name in columns if name]
    twice = [name for name in columns if lowered.count(name.casefold()) > 1]
    if twice:
        raise Unreadable(f"The header of {source.name} names the column “{twice[0]}” twice; rename one of them.")
    return Source(source.path, source.name, source.format, source.packed, source.encoding, source.delimiter, columns)


def _row(line: int, columns: tuple[str, ...], cells: list[Any]) -> Record | Problem | None:
    """A table's row as a record; None where every cell is empty."""
    if all(cell is None or cell == "" for cell in cells):
        return None
    extra = [cell for cell in cells[len(columns) :] if cell not in (None, "")]
    if extra or (len(cells) < len(columns) and len(cells) == 1):
        fields = "1 field" if len(cells) == 1 else f"{len(cells)} fields"
        reason = f"The row has {fields}; the header has {len(columns)}."
        return Problem(line, "", reason, str(cells)[:MAX_RAW])
    padded = cells[: len(columns)] + [None] * (len(columns) - len(cells))
    return Record(line, {name: cell for name, cell in zip(columns, padded, strict=True) if name})


def _csv_reader(source: Source, text: io.TextIOWrapper) -> Any:
    csv.field_size_limit(MAX_LINE)
    return csv.reader(text, delimiter=source.delimiter, strict=True)


def _csv_header(source: Source) -> list[str]:
    with _text(source) as text:
        try:
            return next((row for row in _csv_reader(source, text) if any(cell.strip() for cell in row)), [])
        except csv.Error as error:
            raise Unreadable(f"The header of {source.name} cannot be read: {error}.") from error


def _csv(source: Source) -> Iterator[Record | Problem]:
    with _text(source) as text:
        reader = _csv_reader(source, text)
        seen_header, line = False, 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield _csv_problem(source, line, error)
                line = reader.line_num + 1
                continue
            if cells is None:
                return
            if seen_header and (row := _row(line, source.columns, cells)):
                yield row
            seen_header = seen_header or any(cell.strip() for cell in cells)
            line = reader.line_num + 1


def _csv_problem(source: Source, line: int, error: csv.Error) -> Problem:
    if "unexpected end of data" in str(error):
        raise Unreadable(f"In {source.name} a quotation mark opens at line {line} and never closes.") from error
    if "field larger" in str(error):
        return Problem(line, "", f"A field is longer than {MAX_LINE // 10**6} MB.")
    return Problem(line, "", f"Not CSV: {error}.")


@contextmanager
def _sheet(source: Source) -> Iterator[Iterator[tuple[Any, ...]]]:
    """The rows of the first sheet, values instead of formulas. Raises Unreadable."""
    try:
        with zipfile.ZipFile(source.path) as packed:
            if sum(item.file_size for item in packed.infolist()) > MAX_BYTES:
                raise Unreadable(f"{source.name} is longer than {MAX_BYTES // 2**20} MB unpacked; split it into parts.")
        book = openpyxl.load_workbook(source.path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise Unreadable(f"{source.name} is packed like an XLSX file but is not one, or is broken.") from error
    try:
        yield book.worksheets[0].iter_rows(values_only=True)
    finally:
        book.close()


def _xlsx_header(source: Source) -> list[str]:
    with _sheet(source) as rows:
        first = next(rows, ())
    cells = ["" if cell is None else str(cell) for cell in first]
    while cells and not cells[-1]:
        cells.pop()
    if not cells:
        raise Unreadable(f"The first sheet of {source.name} has no header in its first row.")
    return cells


def _xlsx(source: Source) -> Iterator[Record | Problem]:
    with _sheet(source) as rows:
        for number, cells in enumerate(islice(rows, 1, None), start=2):
            if row := _row(number, source.columns, list(cells)):
                yield row


def _parquet_file(source: Source) -> Any:
    import pyarrow.parquet  # noqa: PLC0415  (45 MB in every web process, for a format that few bring)

    return pyarrow.parquet.ParquetFile(source.path)


def _parquet_header(source: Source) -> list[str]:
    try:
        table = _parquet_file(source)
        size = sum(table.metadata.row_group(index).total_byte_size for index in range(table.num_row_groups))
    except (ValueError, OSError) as error:
        raise Unreadable(f"{source.name} begins like a Parquet file but is broken.") from error
    if size > MAX_BYTES:
        raise Unreadable(f"{source.name} is longer than {MAX_BYTES // 2**20} MB unpacked; split it into parts.")
    return [str(name) for name in table.schema_arrow.names]


def _parquet(source: Source) -> Iterator[Record | Problem]:
    line = 0
    for batch in _parquet_file(source).iter_batches(batch_size=500):
        for values in batch.to_pylist():
            line += 1
            yield Record(line, {str(name): value for name, value in values.items()})
