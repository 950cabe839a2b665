"""A text is written once: the first revision has the row as imported as soon as its example goes on to another."""

import pytest
from django.db import connection

from evalhub.datasets import actions, storing
from evalhub.datasets.actions.bulk import Order
from evalhub.datasets.models import Dataset, Example, Revision
from evalhub.datasets.selection import ExampleFilter
from tests.datasets.test_immutable import TRIGGERS

ROW = {
    "instruction": "Write a title.", "input": "A \"quoted\" text\nof two lines \\ and ünïcode", "output": "The title",
    "history": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day"}],
    "tags": ["a", "b"], "category": "titles", "id": "r1",
}  # fmt: skip


@pytest.fixture
def brought(dataset: Dataset, admin, file) -> Example:
    path = file(ROW)
    actions.import_file(dataset, path=path, file_name=path.name, by=admin)
    return dataset.examples.get()


def texts(example: Example) -> dict[str, object]:
    return {name: getattr(example, name) for name in storing.REVISED}


def first(example: Example) -> Revision:
    return example.revisions.get(number=1)


def test_an_import_writes_no_text_twice(brought) -> None:
    assert (first(brought).values, first(brought).fingerprint, first(brought).reason) == (None, "", "imported")


def test_an_edit_keeps_the_row_as_it_was_imported(brought, admin) -> None:
    before = texts(brought)
    actions.edit_example(brought, by=admin, values={"output": "Better", "tags": []})
    assert first(brought).values == before
    assert first(brought).fingerprint == brought.fingerprint
    assert brought.revisions.get(number=2).values["output"] == "Better"


def test_a_change_of_many_and_its_undo_keep_it_too(dataset, brought, admin) -> None:
    before = texts(brought)
    change = actions.bulk_examples(dataset, ExampleFilter(), Order("tag", "c"), by=admin, expected=1)
    assert first(brought).values == before
    actions.undo(change, by=admin)
    tags = [revision.values["tags"] for revision in brought.revisions.all()]
    assert tags == [["a", "b"], ["a", "b", "c"], ["a", "b"]]


def test_a_decision_writes_no_text(brought, admin) -> None:
    actions.reject(brought, by=admin)
    assert first(brought).values is None


def test_a_row_that_was_edited_since_is_not_brought_in_again(dataset, brought, admin, file) -> None:
    actions.edit_example(brought, by=admin, values={"output": "Better"})
    path = file(ROW)
    batch = actions.import_file(dataset, path=path, file_name=path.name, by=admin)
    assert (batch.imported, batch.unchanged, dataset.examples.count()) == (0, 1, 1)


def test_a_row_that_is_proposed_in_the_same_moment_is_stored_once(dataset, brought, admin, file, monkeypatch) -> None:
    """The first look does not see it yet; the constraint does, and the rows are looked up again."""
    looks: list[int] = []

    def late(dataset: Dataset, prints: list[str]) -> dict[str, int]:
        looks.append(len(prints))
        return {} if len(looks) == 1 else known(dataset, prints)

    known = storing.known_prints
    monkeypatch.setattr(storing, "known_prints", late)
    path = file(ROW, {**ROW, "id": "r2", "output": "Another title"})
    batch = actions.import_file(dataset, path=path, file_name=path.name, by=admin)
    assert (batch.imported, batch.unchanged, looks) == (1, 1, [2, 2])
    assert sorted(dataset.examples.values_list("output", flat=True)) == ["Another title", "The title"]


def test_a_later_migration_has_not_dropped_the_trigger(db) -> None:
    with connection.cursor() as cursor:
        cursor.execute(TRIGGERS[connection.vendor])
        assert ("example_leaves_texts",) in cursor.fetchall()
