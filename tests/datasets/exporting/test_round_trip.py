"""What is exported imports again to the same content: every format, every shape, and whatever rows there are."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalhub.datasets import actions
from evalhub.datasets.exporting.extracts import Extract, Wanted, extract
from evalhub.datasets.exporting.formats import FORMATS, write_export, writing
from evalhub.datasets.importing import Row, fingerprint, read_rows
from evalhub.datasets.models import Dataset, Example
from evalhub.datasets.shapes import SHAPES
from evalhub.errors import Refused

EVERY = [(name, shape) for name, one in FORMATS.items() for shape in (SHAPES if one.shaped else ["alpaca"])]
KEPT = ("instruction", "input", "output", "system", "history", "category", "source", "language", "tags",
        "wanted_split", "key", "metadata")  # fmt: skip


def files_of(path: Path) -> list[Path]:
    return sorted(path.glob("data/*.parquet")) if path.is_dir() else [path]


def written(found: Extract, name: str, shape: str, folder: Path) -> list[Path]:
    chosen = writing(name, shape)
    path = folder / chosen.file_name(found)
    write_export(found, chosen, path)
    return files_of(path)


@pytest.mark.parametrize(("name", "shape"), EVERY)
def test_it_imports_an_exported_version_to_the_same_hash(name, shape, version, imported, hash_of, tmp_path):
    found = extract(version.dataset, Wanted(number=version.number))
    copy = imported(*written(found, name, shape, tmp_path))
    assert hash_of(copy) == version.data_hash
    assert copy.versions.get().settings["details_hash"] == version.settings["details_hash"]
    assert contents(copy) == contents(version.dataset)


def test_it_exports_a_version_as_it_was_frozen_whatever_was_edited_since(version, admin):
    before = list(extract(version.dataset, Wanted(number=1)).rows())
    assert {name: before[3][name] for name in ("language", "tags", "metadata")} == {
        "language": "ar", "tags": [], "metadata": {"difficulty": 3, "nested": {"a": [1, None, "=x"]}},
    }  # fmt: skip
    for example in version.dataset.examples.all():
        actions.edit_example(example, by=admin, values={"language": "fr", "tags": ["new"]})
    version.dataset.examples.update(metadata={"other": 1})
    assert list(extract(version.dataset, Wanted(number=1)).rows()) == before


@pytest.mark.parametrize(("name", "shape"), EVERY)
def test_it_exports_a_version_of_before_details_were_frozen(name, shape, older, imported, hash_of, tmp_path):
    found = extract(older.dataset, Wanted(number=older.number))
    assert "language" not in {*found.columns, *next(found.rows())}
    assert hash_of(imported(*written(found, name, shape, tmp_path))) == older.data_hash


@pytest.mark.parametrize("shape", SHAPES)
def test_it_imports_the_zip_of_a_folder_as_a_whole(shape, version, imported, hash_of, tmp_path):
    write_export(extract(version.dataset, Wanted(number=1)), writing("folder", shape), tmp_path / "hub")
    packed = Path(shutil.make_archive(str(tmp_path / "hub"), "zip", tmp_path / "hub"))
    assert hash_of(imported(packed)) == version.data_hash


@pytest.mark.parametrize(("name", "shape"), EVERY)
def test_it_imports_exported_examples_with_all_that_is_not_frozen(name, shape, version, imported, tmp_path):
    copy = imported(*written(extract(version.dataset, Wanted()), name, shape, tmp_path))
    assert contents(copy, without="state") == contents(version.dataset)


def contents(dataset: Dataset, without: str = "") -> list[dict[str, Any]]:
    found = []
    for example in Example.objects.filter(dataset=dataset).values(*KEPT):
        example["metadata"] = {name: value for name, value in example["metadata"].items() if name != without}
        found.append(example)
    return sorted(found, key=fingerprint)


def test_it_gives_back_a_text_that_a_spreadsheet_got_with_a_quote(version, imported, tmp_path):
    (path,) = written(extract(version.dataset, Wanted(number=1)), "spreadsheet", "alpaca", tmp_path)
    text = path.read_text(encoding="utf-8-sig")
    assert "'=1+1" in text
    assert "'-2" in text
    outputs = set(imported(path).examples.values_list("output", flat=True))
    assert {"-2", "'=quoted already", "+49 30 123", "\tTab first"} <= outputs


# --- any rows -----------------------------------------------------------------------------------
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
PRINTED = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=30)
SIDES = ["train", "validation", "test"]
FORMULAS = st.sampled_from(
    ["=1+1", "-1", "+2", "@a", "\tx", "\nx", "'=a", "''", '"a"', "a,b;c|d\te", "[1]", "{}", "null"]
)


def filled(text: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return (text | FORMULAS).filter(lambda one: bool(one.replace("\r", "\n").strip()))


def rows(text: st.SearchStrategy[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    pair = st.tuples(text, text).map(
        lambda pair: [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    )
    row = st.fixed_dictionaries(
        {"instruction": filled(text), "output": filled(text), "split": st.sampled_from(SIDES)},
        optional={
            "input": text | FORMULAS, "system": text | FORMULAS, "category": text, "source": text, "id": text,
            "language": st.sampled_from(["de", "zh"]), "tags": st.lists(filled(text), max_size=3),
            "history": st.lists(pair, max_size=2).map(lambda pairs: [turn for pair in pairs for turn in pair]),
            "difficulty": st.integers() | st.booleans() | text | st.lists(text, max_size=2),
        },
    )  # fmt: skip
    return st.lists(row, min_size=1, max_size=6)


def as_extract(dataset: list[Row]) -> Extract:
    """Rows as they come from the database."""
    columns = tuple("split" if name == "wanted_split" else name for name in KEPT)

    def again() -> Iterator[dict[str, Any]]:
        for row in dataset:
            yield dict(zip(columns, (getattr(row, name) for name in KEPT), strict=True))

    return Extract("rows", "rows", len(dataset), columns, again, lambda: "")


@pytest.mark.parametrize(("name", "shape"), EVERY)
@settings(max_examples=25)
@given(data=st.data())
def test_it_loses_doubles_and_changes_nothing_between_two_imports(name, shape, data):
    """Whatever a file holds: what came in, went out and came in again is the same, row by row."""
    given_rows = data.draw(rows(PRINTED if name == "xlsx" else TEXT))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "first.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in given_rows))
        first = [row for row in read_rows(path) if isinstance(row, Row)]
        if not first:
            return
        again = [row for one in written(as_extract(first), name, shape, Path(folder)) for row in read_rows(one)]
    assert sorted(map(essence, again), key=str) == sorted(map(essence, first), key=str)


def essence(row: Any) -> dict[str, Any]:
    assert isinstance(row, Row), row
    return {name: getattr(row, name) for name in KEPT}


@pytest.mark.django_db(transaction=True)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_rows=rows(TEXT))
def test_it_keeps_every_row_once_between_import_freeze_and_export(project, admin, tmp_path, given_rows):
    """Rows with equal texts are one row; each other is frozen and exported exactly once, as it came in."""
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in given_rows))
    came = {row.fingerprint: row for row in reversed(list(read_rows(path))) if isinstance(row, Row)}
    dataset = actions.create_dataset(project, name=f"D{Dataset.objects.count()}", by=admin)
    actions.import_file(dataset, path=path, file_name=path.name, by=admin)
    assert dataset.examples.count() == len(came)
    try:
        version = actions.freeze_version(dataset, by=admin, leak_reason="as given")
    except Refused:  # one prompt on two sides
        return
    exported = list(extract(dataset, Wanted(number=version.number)).rows())
    assert len(exported) == len(came)
    for values in exported:
        assert {*values} == {*KEPT, "split"} - {"wanted_split"}
        row = came[fingerprint(values)]
        assert {**values, "wanted_split": values["split"]} | {"split": ""} == {
            name: getattr(row, name) for name in (*values, "wanted_split") if name != "split"
        } | {"split": ""}
