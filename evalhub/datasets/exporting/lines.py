"""Rows as lines of text: JSONL in three shapes, CSV as it is, and CSV that spreadsheets may open."""

import csv
import json
from collections.abc import Iterator

from evalhub.datasets.cells import QUOTED, as_cell, quoted
from evalhub.datasets.exporting.extracts import Extract
from evalhub.datasets.shapes import shaped


def jsonl(extract: Extract, shape: str) -> Iterator[str]:
    """One object a line; of a version in shape alpaca what is frozen, texts and details."""
    for values in extract.rows():
        yield json.dumps(shaped(values, shape), ensure_ascii=False) + "\n"


class Echo:
    """A file for csv.writer that hands back what is written."""

    def write(self, text: str) -> str:
        return text


def plain_csv(extract: Extract, shape: str) -> Iterator[str]:
    """Every text exactly as it is: for programs, since a spreadsheet would run what looks like a formula."""
    table = csv.writer(Echo())
    yield table.writerow(extract.columns)
    for values in extract.rows():
        yield table.writerow([as_cell(values.get(name)) for name in extract.columns])


def spreadsheet_csv(extract: Extract, shape: str) -> Iterator[str]:
    """With a byte order mark, so that spreadsheets read it as UTF-8, and with no cell that is a formula."""
    table = csv.DictWriter(Echo(), [*extract.columns, QUOTED])
    yield "\ufeff" + csv.writer(Echo()).writerow(table.fieldnames)
    for values in extract.rows():
        yield table.writerow(quoted({name: as_cell(values.get(name)) for name in extract.columns}))


def in_blocks(lines: Iterator[str], size: int = 2**16) -> Iterator[bytes]:
    """The same text in UTF-8, in blocks of about `size` bytes."""
    block = bytearray()
    for line in lines:
        block += line.encode()
        if len(block) >= size:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)
