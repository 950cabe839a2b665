"""Two people who change the same examples at the same time: nobody's decision is overwritten, nobody waits forever."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import sleep
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from evalhub.accounts.models import Role, User
from evalhub.datasets import actions
from evalhub.datasets.actions import bulk, deciding
from evalhub.datasets.actions.bulk import Order
from evalhub.datasets.actions.deciding import Seen
from evalhub.datasets.models import CheckRun, Dataset, Example, Flag
from evalhub.datasets.selection import ExampleFilter
from evalhub.errors import Refused
from evalhub.progress import chunks
from tests.conftest import member
from tests.datasets.test_curating import at_once, proposal, state_of
from tests.datasets.test_freezing_races import apart

PROPOSALS = ExampleFilter(state="proposed")


@pytest.fixture
def uma(project) -> User:
    return member(project, "uma", Role.ADMIN)


@pytest.fixture
def twins(dataset: Dataset, admin: User) -> list[Example]:
    """Two approved examples that the last check found to be nearly the same."""
    run = CheckRun.objects.create(dataset=dataset, created_by=admin, read_at=timezone.now())
    found = [actions.approve(proposal(dataset, admin, number), by=admin) for number in (1, 2)]
    Flag.objects.bulk_create(Flag(run=run, example=twin, kind="near", group=1) for twin in found)
    return found


# --- all that match -----------------------------------------------------------------------------
@pytest.mark.django_db
def test_a_bulk_change_asks_the_filter_again_before_each_part(dataset, admin, uma, monkeypatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 2)
    examples = [proposal(dataset, admin, number) for number in range(5)]

    def meanwhile(done: int, total: int) -> None:
        if done == 2:
            actions.reject(examples[3], by=uma, reason="wrong")

    change = actions.bulk_examples(dataset, PROPOSALS, Order("approve"), by=admin, expected=5, progress=meanwhile)
    assert [state_of(each) for each in examples] == ["approved", "approved", "approved", "rejected", "approved"]
    assert (change.count, change.passed_over) == (4, 1)


@pytest.mark.rows_locked
@pytest.mark.django_db(transaction=True)
def test_a_rejection_outlives_a_bulk_approval_that_had_listed_it_before(dataset, admin, uma, monkeypatch) -> None:
    examples, reached, go = [proposal(dataset, admin, number) for number in range(3)], Event(), Event()

    def late(*given: Any) -> Iterator[Sequence[int]]:
        reached.set()
        assert go.wait(20)
        yield from chunks(*given)

    monkeypatch.setattr(bulk, "chunks", late)
    with ThreadPoolExecutor(1) as pool:
        approving = pool.submit(apart(lambda: actions.bulk_examples(dataset, PROPOSALS, Order("approve"), by=admin)))
        assert reached.wait(20)
        actions.reject(examples[1], by=uma, reason="wrong")
        go.set()
        assert (approving.result(20).count, approving.result().passed_over) == (2, 1)
    assert state_of(examples[1]) == "rejected"


@pytest.mark.rows_locked
@pytest.mark.django_db(transaction=True)
def test_approve_instead_and_a_bulk_change_do_not_lock_each_other_out(dataset, admin, monkeypatch) -> None:
    values = [{"instruction": "Ask", "output": output} for output in ("one", "two")]
    old, new = (actions.propose_example(dataset, by=admin, values=each, origin={}) for each in values)
    actions.approve(old, by=admin)
    reached, go, decide = Event(), Event(), deciding.decide_chunk

    def slow(*given: Any, **more: Any) -> int:
        reached.set()
        go.wait(20)
        return decide(*given, **more)

    monkeypatch.setattr(deciding, "decide_chunk", slow)
    with ThreadPoolExecutor(2) as pool:
        instead = pool.submit(apart(lambda: actions.approve_instead(new, by=admin)))
        assert reached.wait(20)
        tagging = pool.submit(
            apart(lambda: actions.bulk_examples(dataset, ExampleFilter(), Order("tag", "x"), by=admin))
        )
        sleep(1)  # until it waits for a row
        go.set()
        assert instead.result(20) == [old]
        assert tagging.result(20).count == 2


# --- what is ticked ----------------------------------------------------------------------------
def seen_now(*examples: Example) -> dict[int, Seen]:
    """As a page shows them now."""
    rows = Example.objects.filter(pk__in=[each.pk for each in examples])
    return {row.pk: (row.revision_number, row.state) for row in rows}


@pytest.mark.django_db
@pytest.mark.parametrize("approving", [True, False])
def test_what_is_ticked_is_decided_as_it_was_seen_or_not_at_all(dataset, admin, uma, approving: bool) -> None:
    examples = [proposal(dataset, admin, number) for number in range(4)]
    seen = seen_now(*examples)
    actions.edit_example(examples[0], by=uma, values={"output": "Not what was read"})
    (actions.reject if approving else actions.approve)(examples[1], by=uma)
    examples[2].delete()
    change = actions.decide_many(dataset, pks=list(seen), approving=approving, by=admin, seen=seen)
    assert (change.count, change.passed_over) == (1, 3)
    assert [state_of(examples[number]) for number in (0, 1, 3)] == (
        ["proposed", "rejected", "approved"] if approving else ["proposed", "approved", "rejected"]
    )
    again = actions.decide_many(dataset, pks=list(seen), approving=not approving, by=admin, seen=seen)
    assert (again.pk, again.count, again.passed_over) == (None, 0, 4)


@pytest.mark.rows_locked
@pytest.mark.django_db(transaction=True)
def test_an_edit_under_way_outlives_a_decision_about_the_former_text(dataset, admin, uma) -> None:
    examples, edited, go = [proposal(dataset, admin, number) for number in range(3)], Event(), Event()
    seen = seen_now(*examples)

    def edit() -> None:
        with transaction.atomic():
            actions.edit_example(examples[1], by=uma, values={"output": "Not what was read"})
            edited.set()
            assert go.wait(20)

    with ThreadPoolExecutor(2) as pool:
        editing = pool.submit(apart(edit))
        assert edited.wait(20)
        ticked = {"pks": list(seen), "approving": True, "by": admin, "seen": seen}
        late = pool.submit(apart(lambda: actions.decide_many(dataset, **ticked)))
        sleep(1)  # until it waits for the row
        assert not late.done()
        go.set()
        editing.result(20)
        assert (late.result(20).count, late.result().passed_over) == (2, 1)
    assert [state_of(each) for each in examples] == ["approved", "proposed", "approved"]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_tick_the_same_rows_at_once_one_decides(dataset, admin, uma) -> None:
    examples = [proposal(dataset, admin, number) for number in range(6)]
    seen = seen_now(*examples)
    made = at_once(*(
        lambda by=by, approving=approving: actions.decide_many(
            dataset, pks=list(seen), approving=approving, by=by, seen=seen
        )
        for by, approving in ((admin, True), (uma, False))
    ))  # fmt: skip
    assert sorted((change.count, change.passed_over) for change in made) == [(0, 6), (6, 0)]
    assert len({state_of(each) for each in examples}) == 1


# --- keep this one ------------------------------------------------------------------------------
@pytest.mark.django_db
def test_what_is_rejected_cannot_be_the_one_to_keep(twins, admin, uma) -> None:
    actions.keep_one(twins[0], by=admin)
    with pytest.raises(Refused, match="rejected itself"):
        actions.keep_one(twins[1], by=uma)  # her page is older
    assert [state_of(twin) for twin in twins] == ["approved", "rejected"]


@pytest.mark.django_db(transaction=True)
def test_two_who_keep_different_ones_at_once_leave_one(twins, admin, uma) -> None:
    made = at_once(lambda: actions.keep_one(twins[0], by=admin), lambda: actions.keep_one(twins[1], by=uma))
    assert sorted(isinstance(one, Refused) for one in made) == [False, True]
    assert sorted(state_of(twin) for twin in twins) == ["approved", "rejected"]


# --- a text that was edited meanwhile -----------------------------------------------------------
Decision = Callable[..., object]


@pytest.mark.django_db
@pytest.mark.parametrize("decide", [actions.approve, actions.reject, actions.approve_instead, actions.keep_one])
def test_nobody_decides_about_a_text_that_was_not_seen(twins, admin, uma, decide: Decision) -> None:
    actions.edit_example(twins[0], by=uma, values={"output": "Quite different"})
    with pytest.raises(Refused, match="Somebody else changed this example in the meantime"):
        decide(twins[0], by=admin, expected_revision=1)
    assert [state_of(twin) for twin in twins] == ["approved", "approved"]
