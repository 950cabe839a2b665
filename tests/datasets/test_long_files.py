"""Small files that unpack, or spread out, to something long: no page and no import in line waits for them."""

import gzip
import io
import json
import random
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from evalhub.datasets import actions, glancing, reading
from evalhub.datasets.formats.limits import MAX_BLANK
from evalhub.datasets.formats.unpacking import unpacks_within
from evalhub.datasets.importing import Problem, Row, Unreadable, preview, read_rows, survey
from evalhub.errors import Refused
from tests.conftest import logged_in
from tests.datasets.conftest import row
from tests.datasets.test_pages import preview_of

API = "/api/v1/projects/content-copy/datasets/content-copy/imports/"


@pytest.fixture
def sheet(tmp_path: Path) -> Callable[..., Path]:
    """sheet({cell: text}) writes a sheet with a header, one row and these cells; `said` is the size that it claims."""

    def write(cells: dict[str, str], *, said: str = "A1:B2", name: str = "b.xlsx") -> Path:
        book, packed = openpyxl.Workbook(), io.BytesIO()
        for line in (["instruction", "output"], ["a", "1"]):
            book.active.append(line)
        book.save(packed)
        added = "".join(_row(place, text) for place, text in cells.items())
        with zipfile.ZipFile(packed) as old, zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as new:
            for member in old.namelist():
                text = old.read(member).replace(b'ref="A1:B2"', f'ref="{said}"'.encode())
                new.writestr(member, text.replace(b"</sheetData>", f"{added}</sheetData>".encode()))
        return tmp_path / name

    return write


def _row(place: str, text: str) -> str:
    number = place.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    content = f' t="inlineStr"><is><t>{text}</t></is></c>' if text else ' s="0"/>'
    return f'<row r="{number}"><c r="{place}"{content}</row>'


# --- sheets -------------------------------------------------------------------------------------
def test_a_sheet_of_a_few_bytes_that_claims_to_be_endless_is_refused_at_once(sheet) -> None:
    path, began = sheet({"A1048576": "x"}, said="A1:XFD1048576"), time.monotonic()
    with pytest.raises(Unreadable, match="more than 10,000 blank rows follow row 2; delete them"):
        survey(path)
    assert time.monotonic() - began < 2


def test_the_size_that_a_sheet_claims_cuts_nothing_off_and_adds_nothing(sheet) -> None:
    path = sheet({"A3": "b"}, said="A1:A2")
    first, second = read_rows(path)
    assert isinstance(first, Row)
    assert (first.instruction, first.output) == ("a", "1")
    assert isinstance(second, Problem)
    assert second.line == 3


def test_as_many_blank_rows_as_a_sheet_may_have_are_passed_over(sheet) -> None:
    last = 2 + MAX_BLANK + 1
    heard: list[int] = []
    assert survey(sheet({f"A{last}": "x"}), heard=heard.append).total == 2
    assert heard == [2]  # a sign of life after the way past them
    with pytest.raises(Unreadable, match="blank rows"):
        survey(sheet({f"A{last + 1}": "x"}))


def test_a_cell_far_out_is_the_problem_of_its_row(sheet) -> None:
    _, problem = read_rows(sheet({"XFD3": "x"}))
    assert isinstance(problem, Problem)
    assert problem.reason == "The row has a cell beyond column 1,000; the header has 2."


def test_a_row_that_is_only_formatted_far_out_is_blank(sheet) -> None:
    assert survey(sheet({"XFD3": ""})).total == 1


def test_a_sheet_with_too_many_columns_is_refused(tmp_path) -> None:
    book = openpyxl.Workbook()
    book.active.append([f"c{number}" for number in range(1001)])
    book.save(tmp_path / "wide.xlsx")
    with pytest.raises(Unreadable, match=r"wide\.xlsx has more than 1,000 columns"):
        survey(tmp_path / "wide.xlsx")


# --- what a page waits for ----------------------------------------------------------------------
def packed(rows: int, name: str = "long.jsonl.gz") -> SimpleUploadedFile:
    """Rows that pack to almost nothing: 11 kB each unpacked."""
    lines = (json.dumps(row(number, system="s" * 11_000)) for number in range(rows))
    return SimpleUploadedFile(name, gzip.compress("\n".join(lines).encode()))


def test_the_preview_of_a_file_that_unpacks_to_much_leaves_the_count_to_the_worker(dataset, admin) -> None:
    sent = packed(2000)
    assert sent.size
    assert sent.size < 2**20
    seen = preview_of(logged_in(admin), dataset, sent).content.decode()
    assert "A long file: a worker counts the rows before it stores them." in seen
    assert "Headline 0" in seen
    assert "Store the rows" in seen


def test_the_preview_waits_for_the_count_no_longer_than_it_may(dataset, admin, monkeypatch) -> None:
    client, sent = logged_in(admin), packed(300)
    seen = preview_of(client, dataset, sent).content.decode()
    assert "300 rows read" in seen
    monkeypatch.setattr(glancing, "SECONDS", 0)
    assert "A long file" in preview_of(client, dataset, packed(300)).content.decode()


def test_the_api_leaves_a_file_that_unpacks_to_much_to_a_worker(dataset, admin) -> None:
    client = logged_in(admin)
    assert client.post(API, {"file": packed(1000)}).status_code == 202
    assert client.post(API, {"file": packed(10)}).status_code == 201


@pytest.mark.parametrize("form", ["plain", "gzip", "zip"])
def test_it_tells_whether_a_file_unpacks_within_a_limit(tmp_path, form) -> None:
    path = tmp_path / "file"
    if form == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.jsonl", b"x" * 5000)
    else:
        path.write_bytes(gzip.compress(b"x" * 5000) if form == "gzip" else b"x" * 5000)
    assert unpacks_within(path, 5000)
    assert not unpacks_within(path, 4999)


# --- what a preview unpacks ---------------------------------------------------------------------
GERMAN = "Über die Größe der Straßen und Plätze in Köln: früher waren sie schöner."


def noise(rows: int, last: bytes = b"") -> bytes:
    """Rows of a kilobyte that do not pack well, then one with `last` as its output."""
    chance = random.Random(7)
    lines = [json.dumps(row(number, output=chance.randbytes(500).hex())).encode() for number in range(rows)]
    return b"\n".join([*lines, b'{"instruction": "Ask", "output": "' + last + b'"}'])


def as_packed(content: bytes, form: str, path: Path) -> Path:
    if form == "gzip":
        path.write_bytes(gzip.compress(content))
        return path
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/train.jsonl", gzip.compress(content) if form == "gzip in zip" else content)
    return path


@pytest.mark.parametrize("form", ["gzip", "zip"])
def test_a_preview_reads_the_beginning_of_what_is_packed_and_the_import_all_of_it(tmp_path, form, dataset, admin):
    path = as_packed(noise(3000), form, tmp_path / "long.jsonl.gz")
    packed_bytes = bytearray(path.read_bytes())
    packed_bytes[-len(packed_bytes) // 4] ^= 0xFF  # broken far behind what a preview has to see
    path.write_bytes(packed_bytes)
    found = preview(path, name="long.jsonl.gz")
    assert [seen.key for seen in found.rows] == ["r0", "r1", "r2", "r3", "r4"]
    assert found.described.endswith("(as it begins; the import looks at all of it)")
    with pytest.raises(Refused, match="broken"):
        actions.import_file(dataset, path=path, file_name="long.jsonl.gz", by=admin)
    assert not dataset.examples.exists()


@pytest.mark.parametrize("form", ["gzip", "zip", "gzip in zip"])
def test_the_import_tells_the_encoding_from_what_stands_late(tmp_path, form, dataset, admin):
    path = as_packed(noise(1500, GERMAN.encode("latin-1")), form, tmp_path / "late.jsonl.gz")
    assert ", UTF-8" in preview(path, name="late.jsonl.gz").described
    actions.import_file(dataset, path=path, file_name="late.jsonl.gz", by=admin)
    assert dataset.examples.order_by("-id").values_list("output", flat=True).first() == GERMAN


@pytest.mark.parametrize("text", ["Größe ", "大きさ ", "😀 "])
@pytest.mark.parametrize("shift", range(4))
def test_a_character_that_the_beginning_cuts_in_two_breaks_nothing(tmp_path, monkeypatch, text, shift):
    path = tmp_path / "cut.jsonl"
    path.write_text("\n".join(json.dumps(row(n, output=text * 20), ensure_ascii=False) for n in range(50)))
    monkeypatch.setattr(reading, "BEGINNING", 2000 + shift)
    assert preview(path).described == "JSONL, UTF-8 (as it begins; the import looks at all of it)"
    monkeypatch.setattr(reading, "BEGINNING", path.stat().st_size)
    assert preview(path).described == "JSONL, UTF-8"


def test_a_preview_of_a_zip_that_breaks_at_once_says_so(tmp_path):
    path = as_packed(noise(50), "zip", tmp_path / "a.zip")
    broken = bytearray(path.read_bytes())
    broken[60:400] = b"\xff" * 340
    path.write_bytes(broken)
    with pytest.raises(Unreadable, match=r"train\.jsonl is broken: it cannot be unpacked to its end\."):
        preview(path)
