"""The report of rows that were set aside: each as it stands in the file, all of them, or said that it is not so."""

import csv
import gzip
import io
import json
import zipfile
from pathlib import Path

import openpyxl
import pytest

from evalhub.datasets import actions, storing
from evalhub.datasets.importing import Problem, read_rows
from evalhub.datasets.models import ImportBatch
from tests.conftest import logged_in

PAGE = "/p/content-copy/data/content-copy/"
SOUND = '{"instruction": "Größe", "output": "c"}\n'.encode()  # some UTF-8, so that broken bytes are single lines
GOOD = b'{"instruction": "a", "output": "b"}\n'


@pytest.fixture
def bring(dataset, admin, tmp_path: Path):
    """bring(bytes, name) imports a file with these bytes."""

    def one(content: bytes, name: str = "rows.jsonl", **options) -> ImportBatch:
        path = tmp_path / name
        path.write_bytes(content)
        return actions.import_file(dataset, path=path, file_name=name, by=admin, **options)

    return one


@pytest.fixture
def saved(admin):
    """saved(import, ending) is the report as the browser saves it."""

    def one(batch: ImportBatch, ending: str = "jsonl") -> bytes:
        return logged_in(admin).get(f"{PAGE}imports/{batch.pk}/problems.{ending}").getvalue()

    return one


def rows_of(report: bytes) -> list[dict]:
    return [json.loads(line) for line in report.splitlines()]


def table_of(report: bytes) -> list[dict]:
    return list(csv.DictReader(io.StringIO(report.decode("utf-8-sig", "surrogateescape"), newline="")))


LINES = {
    "long": b'{"instruction":  "' + b"x" * 2000 + b'",\t"output": ""}',
    "spaced": b' {"output": "1",   "instruction": null} ',
    "broken": b'{"instruction": "half',
    "bytes": b'{"instruction": "caf\xe9", "output": "no UTF-8"}',
    "nul": b'{"instruction": "a\x00b", "output": "c"}',
    "escaped": b'{"instruction": "\\ud800", "output": "\\u00fc"}',
    "twice": b'{"instruction": "a", "instruction": "b", "output": "c"}',
    "no object": b'["a", 1.50]',
}


def test_a_line_of_jsonl_is_there_as_it_stands(bring, saved):
    batch = bring(SOUND + GOOD + b"".join(line + b"\n" for line in LINES.values()))
    assert (batch.imported, batch.set_aside) == (2, len(LINES))
    found = rows_of(saved(batch))
    assert [row["raw"].encode("utf-8", "surrogateescape") for row in found] == list(LINES.values())
    assert [row["line"] for row in found] == list(range(3, 3 + len(LINES)))
    assert all(row["whole"] for row in found)
    told = table_of(saved(batch, "csv"))
    assert [row["row"].encode("utf-8", "surrogateescape") for row in told] == list(LINES.values())
    assert all(len(kept["raw"]) <= 500 for kept in batch.problems)  # and what is kept with the import stays short


def test_a_row_of_csv_is_there_with_its_quotes_and_line_ends(bring, saved):
    rows = [b'"Say ""hi""","two\r\nlines", extra', b'"","with a, comma"', b"lonely"]
    batch = bring(b"instruction,output\r\nGood,one\r\n" + b"\r\n".join(rows) + b"\r\n", "rows.csv")
    assert [(row["line"], row["raw"].encode()) for row in rows_of(saved(batch))] == [
        (3, rows[0]), (5, rows[1]), (6, rows[2]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "line"),
    [(b"[\n%s,\n%s\n]", 3), (b'{"data": [\n%s,\n%s]}', 3), (b"%s %s", 2), (b'{"train": [%s, %s]}', 2)],
)
def test_an_object_of_json_is_there_as_it_stands(bring, saved, shape, line):
    row = b'{"instruction":"a" ,  "output": ["' + b"y" * 700 + b'"]}'
    batch = bring(shape % (GOOD.strip(), row), "rows.json")
    (found,) = rows_of(saved(batch))
    assert (found["raw"].encode(), found["line"]) == (row, line)


def test_a_row_of_a_sheet_is_there_cell_by_cell(bring, saved):
    book = openpyxl.Workbook()
    for cells in (["instruction", "output", "n"], ["a", "b", 1], [None, "z" * 900, 2.5], ["a", "b", 1, "beyond"]):
        book.active.append(cells)
    kept = io.BytesIO()
    book.save(kept)
    one, two = rows_of(saved(bring(kept.getvalue(), "rows.xlsx")))
    assert json.loads(one["raw"]) == {"instruction": None, "output": "z" * 900, "n": 2.5}
    assert json.loads(two["raw"]) == ["a", "b", 1, "beyond"]


def test_a_packed_folder_says_file_and_row(bring, saved):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("data/train.jsonl.gz", gzip.compress(GOOD + LINES["spaced"]))
    (found,) = rows_of(saved(bring(packed.getvalue(), "folder.zip")))
    assert (found["file"], found["line"], found["raw"]) == ("data/train.jsonl.gz", 2, LINES["spaced"].decode())


def test_all_problems_are_there_however_many_are_kept(bring, saved, admin, monkeypatch):
    monkeypatch.setattr(storing, "MOST_PROBLEMS", 3)
    batch = bring(GOOD + b"nonsense\n" * 8)
    assert (len(batch.problems), batch.set_aside) == (3, 8)
    assert [row["line"] for row in rows_of(saved(batch))] == list(range(2, 10))
    assert len(table_of(saved(batch, "csv"))) == 8
    page = logged_in(admin).get(f"{PAGE}imports/{batch.pk}/").content.decode()
    assert "Save the 8 as CSV" in page
    assert "each row as it stands in the file" in page


def test_a_mapping_counts_for_the_report_too(bring, saved):
    batch = bring(b'{"q": "a", "a": "b"}\n{"q": "a", "a": ""}\n', mapping={"instruction": "q", "output": "a"})
    assert [(row["line"], row["field"]) for row in rows_of(saved(batch))] == [(2, "output")]


def test_an_import_that_was_stopped_reports_what_it_had_gone_through(bring, saved):
    batch = bring(GOOD + b"nonsense\n" * 5)
    ImportBatch.objects.filter(pk=batch.pk).update(state="cancelled", done=3, set_aside=2)
    assert [row["line"] for row in rows_of(saved(batch))] == [2, 3]


def test_without_the_file_the_report_says_that_rows_are_beginnings(bring, saved, admin, monkeypatch):
    monkeypatch.setattr(storing, "MOST_PROBLEMS", 2)
    batch = bring(GOOD + (LINES["long"] + b"\n") * 3)
    batch.file.storage.delete(batch.file.name)
    found = rows_of(saved(batch))
    assert [(row["line"], row["whole"], len(row["raw"])) for row in found] == [(2, False, 500), (3, False, 500)]
    assert table_of(saved(batch, "csv"))[0]["begins"] == LINES["long"].decode()[:500]
    page = logged_in(admin).get(f"{PAGE}imports/{batch.pk}/").content.decode()
    assert "The file is no longer kept: what you save has the first 2, and of each row its beginning." in page
    assert "as it stands in the file" not in page
    assert "Save the file as uploaded" not in page


def test_the_preview_and_the_import_hold_beginnings_only(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"{}\n" + SOUND + LINES["long"] + b"\n" + LINES["bytes"])
    _, *problems = (item for item in read_rows(path) if isinstance(item, Problem))
    assert [len(item.raw) for item in problems] == [500, len(LINES["bytes"])]
    assert "?" in problems[1].raw  # no database holds a lone surrogate
