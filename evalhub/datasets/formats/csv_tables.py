"""CSV and TSV: the delimiter that the header uses, quoted line ends, cells kept as they are."""

import csv
import re
from collections.abc import Iterator
from typing import Any

from evalhub.datasets.formats.encodings import text_of
from evalhub.datasets.formats.limits import MAX_LINE
from evalhub.datasets.formats.records import DELIMITERS, Problem, Record, Source, Unreadable
from evalhub.datasets.formats.tables import table_row

NAMED = re.compile(r'\ufeff?"?sep=([;,\t|])"?\r*\n?', re.IGNORECASE)  # Excel's own first line: how cells are parted


def delimiter_of(start: str) -> str:
    """The separator that the first line names, or that stands most often in the header, outside quotation marks."""
    if named := NAMED.match(start):
        return named[1]
    bare = _outside_quotes(start)
    best = max(DELIMITERS, key=bare.count)
    return best if bare.count(best) else ","


def _outside_quotes(start: str) -> str:
    """What stands outside quotation marks, up to the first line end there."""
    lines = "".join(start.split('"')[0::2]).splitlines()
    return lines[0] if lines else ""


def csv_header(source: Source) -> list[str]:
    with text_of(source) as text:
        try:
            return next((row for row in _Rows(source, text) if any(cell.strip() for cell in row)), [])
        except csv.Error as error:
            raise Unreadable(f"The header of {source.name} cannot be read: {error}.") from error


def csv_rows(source: Source) -> Iterator[Record | Problem]:
    with text_of(source) as text:
        rows, seen_header = _Rows(source, text), False
        while True:
            try:
                cells = next(rows, None)
            except csv.Error as error:
                yield _problem(source, rows, error)
                continue
            if cells is None:
                return
            if seen_header and (row := table_row(rows.line, source.columns, cells, rows.raw)):
                yield row
            seen_header = seen_header or any(cell.strip() for cell in cells)


class _Rows:
    """The rows of a table; `line` and `raw` are where the last one begins, and its text. Raises csv.Error."""

    def __init__(self, source: Source, text: Any) -> None:
        csv.field_size_limit(MAX_LINE)
        self.line, self._next, self._taken = 1, 1, list[str]()
        self._reader = csv.reader(self._lines(text), delimiter=source.delimiter, strict=True)

    def __iter__(self) -> "_Rows":
        return self

    def __next__(self) -> list[str]:
        self.line = self._next
        self._taken.clear()
        return next(self._reader)

    @property
    def raw(self) -> str:
        return "".join(self._taken).rstrip("\r\n")

    def _lines(self, text: Any) -> Iterator[str]:
        """Line after line; not the one that only names the separator."""
        for number, line in enumerate(text, 1):
            self._next = number + 1
            if number == 1 and NAMED.fullmatch(line):
                self.line = 2
                continue
            self._taken.append(line)
            yield line


def _problem(source: Source, rows: _Rows, error: csv.Error) -> Problem:
    line = rows.line
    if "unexpected end of data" in str(error):
        raise Unreadable(f"In {source.name} a quotation mark opens at line {line} and never closes.") from error
    if "field larger" in str(error):
        return Problem(line, "", f"A field is longer than {MAX_LINE // 10**6} MB.", rows.raw)
    return Problem(line, "", f"Not CSV: {error}.", rows.raw)
