"""Rows as an XLSX workbook, written row by row: every cell is a text, and none can become a formula.

Excel's own mark for text that looks like a formula (quotePrefix) goes with such cells, so their text stays as it is.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from evalhub.datasets.cells import FORMULA, as_cell
from evalhub.datasets.exporting.extracts import Extract
from evalhub.errors import Refused

MOST_ROWS = 1_048_575  # of a sheet, without its header
MOST_CHARACTERS = 32_767  # of a cell
UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\r\x0e-\x1f\ufffe\uffff]")
OTHERS = "JSONL, CSV and Parquet can."


def write(extract: Extract, shape: str, path: Path) -> None:
    """Raises Refused, naming the row, for what no XLSX file can hold."""
    if extract.count > MOST_ROWS:
        raise Refused(f"A sheet holds {MOST_ROWS:,} rows at most, not {extract.count:,}. {OTHERS}")
    with _sheet(path) as sheet:
        sheet.append(list(extract.columns))
        for number, values in enumerate(extract.rows(), start=1):
            sheet.append(list(_cells(sheet, extract, values, number)))


@contextmanager
def _sheet(path: Path) -> Iterator[Any]:
    """The one sheet of the workbook that is saved at `path` when the block ends well."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Examples")
    sheet.freeze_panes = "A2"
    try:
        yield sheet
    except BaseException:
        sheet.close()
        sheet._writer.cleanup()  # else the half-written sheet stays until the process ends, and a worker goes on
        raise
    book.save(path)


def _cells(sheet: Any, extract: Extract, values: dict[str, Any], number: int) -> Iterator[Any]:
    for name in extract.columns:
        text = as_cell(values.get(name))
        _refuse_unwritable(text, name, number)
        cell = WriteOnlyCell(sheet, text)
        cell.data_type = "s"  # openpyxl would take "=1+1" for a formula and "#N/A" for an error
        if text.startswith(FORMULA):
            cell.quotePrefix = True
        yield cell


def _refuse_unwritable(text: str, name: str, number: int) -> None:
    if len(text) > MOST_CHARACTERS:
        raise Refused(
            f"The {name} of row {number:,} has {len(text):,} characters; a cell of an XLSX file holds "
            f"{MOST_CHARACTERS:,}. {OTHERS}"
        )
    if found := UNWRITABLE.search(text):
        code = f"U+{ord(found.group()):04X}"
        raise Refused(f"The {name} of row {number:,} holds the character {code}, which no XLSX file can hold. {OTHERS}")
