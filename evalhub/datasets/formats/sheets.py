"""XLSX: the first sheet, values instead of formulas."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import openpyxl

from evalhub.datasets.formats.limits import MAX_BLANK, MAX_COLUMNS, MAX_SHEET, check_unpacked
from evalhub.datasets.formats.records import Problem, Record, Source, Unreadable, cells_as_json
from evalhub.datasets.formats.tables import table_row
from evalhub.datasets.formats.unpacking import plain_file

MARK = "[Content_Types].xml"  # which every office document has, and no folder of data


def is_sheet(path: Path) -> bool:
    """Whether a ZIP file is an office document."""
    try:
        with zipfile.ZipFile(path) as packed:
            return MARK in packed.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def sheet_header(source: Source) -> list[str]:
    with _sheet(source) as rows:
        first = next(rows, ())
    cells = ["" if cell is None else str(cell) for cell in first]
    while cells and not cells[-1]:
        cells.pop()
    if not cells:
        raise Unreadable(f"The first sheet of {source.name} has no header in its first row.")
    if len(cells) > MAX_COLUMNS:
        raise Unreadable(
            f"The first sheet of {source.name} has more than {MAX_COLUMNS:,} columns; delete some of them."
        )
    return cells


def sheet_rows(source: Source) -> Iterator[Record | Problem]:
    """The rows with content. Raises Unreadable for blank rows without end: nobody could stop what only passes over."""
    last = 1
    with _sheet(source) as rows:
        for number, cells in enumerate(islice(rows, 1, None), start=2):
            if row := _row(source, number, cells):
                last = number
                yield row
            elif number - last > MAX_BLANK:
                raise Unreadable(
                    f"In {source.name} more than {MAX_BLANK:,} blank rows follow row {last:,}; delete them, also where "
                    "they are only formatted, or save the sheet as CSV."
                )


def _row(source: Source, number: int, cells: tuple[Any, ...]) -> Record | Problem | None:
    """A row; None for one without content, of whatever width."""
    beyond = cells[MAX_COLUMNS:]
    if beyond.count(None) + beyond.count("") == len(beyond):
        return table_row(number, source.columns, list(cells[:MAX_COLUMNS]))
    reason = f"The row has a cell beyond column {MAX_COLUMNS:,}; the header has {len(source.columns)}."
    return Problem(number, "", reason, cells_as_json(_to_the_last(cells)))


def _to_the_last(cells: tuple[Any, ...]) -> list[Any]:
    """The cells up to the last one with content."""
    filled = [at for at, cell in enumerate(cells) if cell not in (None, "")]
    return list(cells[: filled[-1] + 1])


@contextmanager
def _sheet(source: Source) -> Iterator[Iterator[tuple[Any, ...]]]:
    """The rows of the first sheet. Raises Unreadable."""
    with plain_file(source) as path, path.open("rb") as file:  # the library looks at a path's ending, not at its bytes
        try:
            _check_size(source.name, path)
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
            raise Unreadable(f"{source.name} is packed like an XLSX file but is not one, or is broken.") from error
        try:
            if not book.worksheets:
                raise Unreadable(f"{source.name} has no sheet with cells.")
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # what a file says of its size pads every row up to it
            yield sheet.iter_rows(values_only=True)
        finally:
            book.close()


def _check_size(name: str, path: Path) -> None:
    """Raises Unreadable for a sheet that would fill the memory; no more is unpacked than its directory says."""
    with zipfile.ZipFile(path) as packed:
        size = sum(item.file_size for item in packed.infolist())
    check_unpacked(name, size, path.stat().st_size)
    if size > MAX_SHEET:
        raise Unreadable(f"{name} is longer than {MAX_SHEET // 2**20} MB unpacked; save it as CSV, or split it.")
