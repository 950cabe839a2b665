"""CSV and TSV: the delimiter that the header uses, quoted line ends, cells kept as they are."""

import csv
from collections.abc import Iterator
from typing import Any

from evalhub.datasets.formats.encodings import text_of
from evalhub.datasets.formats.limits import MAX_LINE
from evalhub.datasets.formats.records import DELIMITERS, Problem, Record, Source, Unreadable
from evalhub.datasets.formats.tables import table_row


def delimiter_of(header: str) -> str:
    """The separator that stands most often in the header, outside quotation marks."""
    bare = "".join(header.split('"')[0::2])
    best = max(DELIMITERS, key=bare.count)
    return best if bare.count(best) else ","


def csv_header(source: Source) -> list[str]:
    with text_of(source) as text:
        try:
            return next((row for row in _reader(source, text) if any(cell.strip() for cell in row)), [])
        except csv.Error as error:
            raise Unreadable(f"The header of {source.name} cannot be read: {error}.") from error


def csv_rows(source: Source) -> Iterator[Record | Problem]:
    with text_of(source) as text:
        reader = _reader(source, text)
        seen_header, line = False, 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield _problem(source, line, error)
                line = reader.line_num + 1
                continue
            if cells is None:
                return
            if seen_header and (row := table_row(line, source.columns, cells)):
                yield row
            seen_header = seen_header or any(cell.strip() for cell in cells)
            line = reader.line_num + 1


def _reader(source: Source, text: Any) -> Any:
    csv.field_size_limit(MAX_LINE)
    return csv.reader(text, delimiter=source.delimiter, strict=True)


def _problem(source: Source, line: int, error: csv.Error) -> Problem:
    if "unexpected end of data" in str(error):
        raise Unreadable(f"In {source.name} a quotation mark opens at line {line} and never closes.") from error
    if "field larger" in str(error):
        return Problem(line, "", f"A field is longer than {MAX_LINE // 10**6} MB.")
    return Problem(line, "", f"Not CSV: {error}.")
