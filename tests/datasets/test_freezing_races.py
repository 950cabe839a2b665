"""Freezing while others import, edit and freeze: real connections, each in a thread of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from django.db import connection

from evalhub.accounts.models import User
from evalhub.datasets import actions, freezing
from evalhub.datasets.leakage import Leaking
from evalhub.datasets.models import Dataset, Example, Version
from evalhub.errors import Refused
from tests.datasets.conftest import row
from tests.datasets.test_freezing import own_hash
from tests.datasets.test_leakage import filled, page

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE = 60


def apart(work: Callable[[], Any]) -> Callable[[], Any]:
    """`work` in a thread, with a connection of its own that is closed afterwards."""

    def done() -> Any:
        try:
            return work()
        finally:
            connection.close()

    return done


@pytest.fixture
def pausing(monkeypatch):
    """The first freeze waits, with everything compared and nothing stored, until `go` is set; `reached` says when."""
    reached, go, decide = Event(), Event(), freezing.decide

    def slow(*given: Any, **more: Any) -> freezing.Decided:
        decided = decide(*given, **more)
        if not reached.is_set():
            reached.set()
            assert go.wait(PATIENCE)
        return decided

    monkeypatch.setattr(freezing, "decide", slow)
    return reached, go


def frozen(pk: int, **wishes: Any) -> Callable[[], Version]:
    return apart(
        lambda: actions.freeze_version(Dataset.objects.get(pk=pk), by=User.objects.get(username="ines"), **wishes)
    )


def test_nobody_waits_while_it_compares_and_what_came_in_meanwhile_is_in_it(dataset, admin, file, pausing):
    filled(dataset, admin, file, *map(row, range(30)))
    reached, go = pausing
    with ThreadPoolExecutor(1) as pool:
        freeze = pool.submit(frozen(dataset.pk))
        assert reached.wait(PATIENCE)
        filled(dataset, admin, file, *map(row, range(30, 40)))  # on SQLite this would wait for a write transaction
        actions.edit_example(dataset.examples.get(key="r3"), by=admin, values={"output": "Newer"})
        go.set()
        version = freeze.result(PATIENCE)
    assert version.counts["total"] == 40
    assert version.entries.get(values__key="r3").values["output"] == "Newer"
    assert own_hash(version) == version.data_hash


def test_imports_go_on_during_a_freeze_and_the_version_is_one_moment(dataset, admin, file):
    filled(dataset, admin, file, *map(row, range(30)))
    paths = [file(*map(row, range(start, start + 25)), name=f"{start}.jsonl") for start in range(30, 180, 25)]

    def imports() -> int:
        target = Dataset.objects.get(pk=dataset.pk)
        return sum(actions.import_file(target, path=path, file_name=path.name, by=admin).imported for path in paths)

    def freezes() -> Version | str:
        try:
            return frozen(dataset.pk)()
        except Refused as refusal:
            return refusal.message

    with ThreadPoolExecutor(2) as pool:
        stored, version = pool.submit(apart(imports)), pool.submit(freezes)
        assert stored.result(PATIENCE) == 150
        found = version.result(PATIENCE)
    if isinstance(found, str):
        assert "changed 4 times" in found
        found = actions.freeze_version(dataset, by=admin)
    assert own_hash(found) == found.data_hash
    taken = set(found.entries.values_list("example_id", flat=True))
    assert taken == set(dataset.examples.order_by("id").values_list("id", flat=True)[: len(taken)])


@pytest.mark.parametrize("seed", range(3))
def test_edits_during_a_freeze_are_in_it_whole_or_not_at_all(dataset, admin, file, seed):
    filled(dataset, admin, file, *map(row, range(20)))

    def edits() -> None:
        for number in range(20):
            example = Example.objects.get(dataset=dataset.pk, key=f"r{number}")
            actions.edit_example(example, by=admin, values={"output": f"Newer {number}", "category": "newer"})

    with ThreadPoolExecutor(2) as pool:
        edited, freeze = pool.submit(apart(edits)), pool.submit(frozen(dataset.pk, seed=seed))
        edited.result(PATIENCE)
        try:
            version = freeze.result(PATIENCE)
        except Refused:
            version = actions.freeze_version(dataset, by=admin, seed=seed)
    assert own_hash(version) == version.data_hash
    for values, revision in version.entries.values_list("values", "revision_number"):
        newer = (values["output"].startswith("Newer"), values["category"] == "newer", revision == 2)
        assert len(set(newer)) == 1


def test_two_freezes_at_once_are_numbered_without_gaps(dataset, admin, file):
    filled(dataset, admin, file, *map(row, range(20)))
    with ThreadPoolExecutor(3) as pool:
        made = [pool.submit(frozen(dataset.pk, seed=seed)) for seed in (1, 2, 3)]
        assert sorted(item.result(PATIENCE).number for item in made) == [1, 2, 3]


def test_one_request_sent_twice_at_once_is_one_version(dataset, admin, file):
    filled(dataset, admin, file, *map(row, range(20)))
    with ThreadPoolExecutor(3) as pool:
        made = [pool.submit(frozen(dataset.pk, request_key="click")) for _ in range(3)]
        assert len({item.result(PATIENCE).pk for item in made}) == 1
    assert Version.objects.count() == 1


def test_what_one_dataset_comes_to_test_another_cannot_come_to_train_on(project, dataset, admin, file):
    other = actions.create_dataset(project, name="Other", by=admin)
    filled(dataset, admin, file, page(1, split="train"), page(2, split="train"))
    filled(other, admin, file, page(1, change="elsewhere", split="test"), page(9, split="train"))

    def outcome(pk: int) -> str:
        try:
            return str(frozen(pk)())
        except Leaking:
            return "leak"

    with ThreadPoolExecutor(2) as pool:
        trained, tested = (pool.submit(outcome, pk) for pk in (dataset.pk, other.pk))
        assert tested.result(PATIENCE) == "Other v1"
        first = trained.result(PATIENCE)
    if first == "leak":
        return
    earlier, later = Version.objects.get(dataset=dataset), Version.objects.get(dataset=other)
    assert earlier.frozen_at < later.frozen_at  # then the gate before training finds it
