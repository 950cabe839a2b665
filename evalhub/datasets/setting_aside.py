"""The rows that an import set aside, as a report: read again from the file, so that each is there as it stands in it.

With the import itself only the first problems are kept, and of each row its beginning (storing.py): that is the report
where the file is gone, and it says so.
"""

import csv
import io
import json
from collections.abc import Iterator
from itertools import islice

from evalhub.datasets.cells import harmless_cell
from evalhub.datasets.formats.records import Problem
from evalhub.datasets.importing import whole_rows
from evalhub.datasets.models import ImportBatch
from evalhub.jobs.files import local_file


def file_is_kept(batch: ImportBatch) -> bool:
    return bool(batch.file.name) and batch.file.storage.exists(str(batch.file.name))


def rows_set_aside(batch: ImportBatch) -> Iterator[Problem]:
    """Every row that was set aside so far, in constant memory; without the file those kept with the import."""
    if not file_is_kept(batch):
        yield from (Problem(**kept) for kept in batch.problems)
        return
    with batch.file.storage.open(str(batch.file.name), "rb") as stored, local_file(stored) as path:
        gone_through = islice(whole_rows(path, name=batch.file_name, mapping=batch.mapping), batch.done)
        yield from islice((item for item in gone_through if isinstance(item, Problem)), batch.set_aside)


def as_csv(batch: ImportBatch) -> Iterator[bytes]:
    """For people: no cell is a formula. Bytes that are not UTF-8 come as they are in the file."""
    yield "\ufeff".encode() + _csv_line(["file", "line", "field", "reason", "row" if file_is_kept(batch) else "begins"])
    for item in rows_set_aside(batch):
        yield _csv_line([item.file, item.line, item.field, item.reason, item.raw])


def _csv_line(cells: list[str | int]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow([harmless_cell(cell) for cell in cells])
    return text.getvalue().encode("utf-8", "surrogateescape")


def as_jsonl(batch: ImportBatch) -> Iterator[bytes]:
    r"""For programs: `raw` is the row, or with `whole` false its beginning. A byte FF that is not UTF-8 is \udcff."""
    whole = file_is_kept(batch)
    for item in rows_set_aside(batch):
        line = json.dumps({**vars(item), "whole": whole}, ensure_ascii=False)
        yield f"{line}\n".encode("utf-8", "backslashreplace")
