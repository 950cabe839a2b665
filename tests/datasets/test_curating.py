"""Deciding and changing examples: two approvals, changes of all that match, undo, leases, comments, saved views."""

import threading
from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from evalhub.accounts.models import AuditEvent, Role, User
from evalhub.datasets import actions
from evalhub.datasets.actions.bulk import Order
from evalhub.datasets.history import history_of
from evalhub.datasets.models import Change, CheckRun, Dataset, Example, Flag, Lease
from evalhub.datasets.selection import ExampleFilter
from evalhub.datasets.standing import Standing, approved, rejected
from evalhub.errors import Refused
from tests.conftest import member
from tests.datasets.conftest import row

ALL = ExampleFilter()


@pytest.fixture
def uma(project) -> User:
    return member(project, "uma", Role.ADMIN)


@pytest.fixture
def filled(dataset: Dataset, admin: User, file) -> Dataset:
    """Twenty approved examples of two categories."""
    rows = [row(number, task=["deck", "meta"][number % 2]) for number in range(20)]
    actions.import_file(dataset, path=file(*rows), file_name="rows.jsonl", by=admin)
    return dataset


def proposal(dataset: Dataset, by: User, number: int = 1) -> Example:
    values = {"instruction": "Ask", "input": f"Text {number}", "output": f"Answer {number}"}
    return actions.propose_example(dataset, by=by, values=values, origin={})


def state_of(example: Example) -> str:
    return Example.objects.get(pk=example.pk).state


# --- what a decision makes of an example --------------------------------------------------------
@pytest.mark.parametrize(
    ("was", "two", "after"),
    [
        (Standing("proposed"), False, Standing("approved", 1)),
        (Standing("proposed"), True, Standing("proposed", 1)),
        (Standing("proposed", 1), True, Standing("proposed", 1)),
        (Standing("proposed", 2), True, Standing("approved", 2, 1)),
        (Standing("rejected"), True, Standing("proposed", 1)),
        (Standing("approved", 2, 3), True, Standing("approved", 2, 3)),
    ],
)
def test_it_approves_as_one_or_two_people_have_to(was: Standing, two: bool, after: Standing) -> None:
    assert approved(was, by=1, two=two) == after


def test_it_forgets_approvals_when_it_rejects() -> None:
    assert rejected(Standing("proposed", 2)) == Standing("rejected")


# --- a second approval --------------------------------------------------------------------------
def test_it_needs_two_different_people_where_that_was_asked(dataset, admin, uma) -> None:
    actions.ask_second_approval(dataset, wanted=True, by=admin)
    example = proposal(dataset, admin)
    assert actions.approve(example, by=admin).state == "proposed"
    with pytest.raises(Refused, match="a second person has to approve"):
        actions.approve(example, by=admin)
    assert actions.approve(example, by=uma).state == "approved"


def test_the_database_knows_that_two_people_are_two(dataset, admin) -> None:
    example = proposal(dataset, admin)
    with pytest.raises(IntegrityError), transaction.atomic():
        Example.objects.filter(pk=example.pk).update(state="approved", first_approver=admin, second_approver=admin)
    with pytest.raises(IntegrityError), transaction.atomic():
        Example.objects.filter(pk=example.pk).update(state="approved", second_approver=admin)


def test_an_edited_text_has_to_be_approved_again_by_two(dataset, admin, uma) -> None:
    actions.ask_second_approval(dataset, wanted=True, by=admin)
    example = proposal(dataset, admin)
    actions.approve(example, by=admin)
    actions.approve(example, by=uma)
    actions.edit_example(example, by=uma, values={"tags": ["seen"]})
    assert state_of(example) == "approved"
    actions.edit_example(example, by=uma, values={"output": "Other"})
    assert state_of(example) == "proposed"
    actions.undo_last(dataset, by=uma)
    assert state_of(example) == "approved"


# --- all that match -----------------------------------------------------------------------------
def test_it_rejects_all_that_match_and_says_how_many(filled, admin) -> None:
    wanted = ExampleFilter(category="deck")
    change = actions.bulk_examples(filled, wanted, Order("reject", reason="dull"), by=admin, expected=10)
    assert (change.count, change.query, change.reason) == (10, "category=deck", "dull")
    assert filled.examples.filter(state="rejected", category="deck").count() == 10
    assert AuditEvent.objects.get(verb="change_examples").target == "10 examples of dataset content-copy"


def test_it_refuses_when_the_number_has_changed_meanwhile(filled, admin) -> None:
    proposal(filled, admin)
    with pytest.raises(Refused, match="leaves 21 examples now, not 20"):
        actions.bulk_examples(filled, ALL, Order("reject"), by=admin, expected=20)
    assert not Change.objects.exists()
    assert not filled.examples.filter(state="rejected").exists()


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        (Order("burn"), "cannot be done to examples"), (Order("tag", " "), "Say which tag"),
        (Order("split", "holdout"), "known are train"), (Order("approve"), "none would be different"),
        (Order("category", "x" * 121), "at most 120"),
    ],
)  # fmt: skip
def test_it_refuses_an_order_that_means_nothing(filled, admin, order: Order, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        actions.bulk_examples(filled, ALL, order, by=admin)
    assert not Change.objects.exists()


@pytest.mark.parametrize(
    ("order", "field", "value"),
    [
        (Order("tag", "seen"), "tags", ["seen"]), (Order("category", "faq"), "category", "faq"),
        (Order("split", "test"), "wanted_split", "test"),
    ],
)  # fmt: skip
def test_each_changed_example_has_a_revision_and_undo_gives_it_back(filled, admin, order, field, value) -> None:
    before = dict(filled.examples.values_list("pk", field))
    change = actions.bulk_examples(filled, ALL, order, by=admin)
    assert [getattr(example, field) for example in filled.examples.all()] == [value] * 20
    assert {example.revisions.count() for example in filled.examples.all()} == {2}
    undone = actions.undo(change, by=admin)
    assert (undone.restored, undone.left_alone) == (20, 0)
    assert dict(filled.examples.values_list("pk", field)) == before


def test_undo_leaves_alone_what_somebody_changed_since(filled, admin, uma) -> None:
    change = actions.bulk_examples(filled, ALL, Order("reject"), by=admin)
    saved = filled.examples.first()
    actions.approve(saved, by=uma)
    undone = actions.undo(change, by=admin)
    assert (undone.restored, undone.left_alone) == (19, 1)
    assert Example.objects.get(pk=saved.pk).first_approver == uma
    with pytest.raises(Refused, match="undone already"):
        actions.undo(change, by=uma)


def test_undo_takes_back_ones_own_last_change_only(dataset, admin, uma) -> None:
    mine, other = proposal(dataset, admin, 1), proposal(dataset, admin, 2)
    actions.approve(mine, by=admin)
    actions.approve(other, by=uma)
    actions.undo_last(dataset, by=admin)
    assert (state_of(mine), state_of(other)) == ("proposed", "approved")
    with pytest.raises(Refused, match="nothing of yours to undo"):
        actions.undo_last(dataset, by=admin)


def test_undo_of_an_edit_is_refused_where_another_has_the_text_by_now(dataset, admin) -> None:
    example = proposal(dataset, admin, 1)
    actions.edit_example(example, by=admin, values={"output": "New"})
    change = Change.objects.get()
    Example.objects.filter(pk=proposal(dataset, admin, 2).pk).update(
        fingerprint=example.fingerprint
    )  # as an import that came between would
    with pytest.raises(Refused, match="Another example has these texts"):
        actions.undo(change, by=admin)
    change.refresh_from_db()
    assert change.undone_at is None


# --- duplicates, history ------------------------------------------------------------------------
def test_keep_one_rejects_the_others_of_its_cluster(filled, admin) -> None:
    run = CheckRun.objects.create(dataset=filled, created_by=admin, read_at=timezone.now())
    twins, others = list(filled.examples.all()[:3]), list(filled.examples.all()[3:5])
    Flag.objects.bulk_create(Flag(run=run, example=twin, kind="near", group=1) for twin in twins)
    Flag.objects.bulk_create(Flag(run=run, example=other, kind="near", group=2) for other in others)
    assert actions.keep_one(twins[1], by=admin) == 2
    assert [state_of(each) for each in (*twins, *others)] == [
        "rejected",
        "approved",
        "rejected",
        "approved",
        "approved",
    ]
    with pytest.raises(Refused, match="no other example left"):
        actions.keep_one(twins[1], by=admin)


def test_the_history_tells_revisions_decisions_and_comments_in_one_line(dataset, admin, uma) -> None:
    example = proposal(dataset, admin)
    actions.comment(example, by=uma, text="Is this so?")
    actions.edit_example(example, by=uma, values={"output": "Better"}, reason="clearer")
    actions.reject(example, by=admin, reason="dull")
    actions.undo_last(dataset, by=admin)
    told = [(event.what, event.note, str(event.by), event.undone) for event in history_of(example)]
    assert told == [
        ("Rejected", "dull", "ines", True), ("Revision 2", "clearer", "uma", False),
        ("Comment", "Is this so?", "uma", False), ("Revision 1", "proposed", "ines", False),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "  ", "a\0b", "x" * 4001])
def test_it_refuses_a_comment_that_cannot_be_kept(dataset, admin, text: str) -> None:
    with pytest.raises(Refused, match="comment"):
        actions.comment(proposal(dataset, admin), by=admin, text=text)


def test_a_view_has_a_name_of_its_own(filled, admin, uma) -> None:
    wanted = ExampleFilter(category="deck")
    actions.save_view(filled, name="Decks", wanted=wanted, by=admin)
    with pytest.raises(Refused, match="is a view named “Decks” already"):
        actions.save_view(filled, name=" Decks ", wanted=wanted, by=uma)
    with pytest.raises(Refused, match="choose a filter first"):
        actions.save_view(filled, name="All", wanted=ALL, by=uma)


# --- leases -------------------------------------------------------------------------------------
def test_each_curator_gets_another_example_until_the_lease_runs_out(dataset, admin, uma) -> None:
    first, second = proposal(dataset, admin, 1), proposal(dataset, admin, 2)
    wanted = ExampleFilter(state="proposed")
    assert actions.next_to_review(dataset, wanted, by=admin) == first
    assert actions.next_to_review(dataset, wanted, by=uma) == second
    assert actions.holder_of(first, but=uma) == admin
    assert not actions.hold(first, by=uma)
    Lease.objects.update(expires_at=timezone.now())
    assert actions.next_to_review(dataset, wanted, by=uma) == first
    assert actions.next_to_review(dataset, wanted, by=uma, after=str(second.pk)) is None
    assert not Lease.objects.filter(holder=uma).exists()


def test_it_refuses_a_decision_about_what_was_decided_meanwhile(dataset, admin, uma) -> None:
    example = proposal(dataset, admin)
    actions.approve(example, by=uma, expected_state="proposed")
    with pytest.raises(Refused, match="Somebody else decided"):
        actions.reject(example, by=admin, expected_state="proposed")
    assert state_of(example) == "approved"


# --- at the same moment -------------------------------------------------------------------------
def at_once(*works: Callable[[], object]) -> list[object]:
    """What each made of it, or its refusal; all begin together, each with a connection of its own."""
    gate, made = threading.Barrier(len(works)), dict.fromkeys(range(len(works)), object())

    def run(number: int) -> None:
        gate.wait(10)
        try:
            made[number] = works[number]()
        except Refused as refusal:
            made[number] = refusal
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return list(made.values())


@pytest.mark.django_db(transaction=True)
def test_two_edits_at_once_are_one_edit_and_one_refusal(dataset, admin, uma) -> None:
    for number in range(5):
        example = proposal(dataset, admin, number)
        made = at_once(*(
            lambda by=by, example=example, number=number: actions.edit_example(
                example, by=by, values={"output": f"{by} {number}"}, expected_revision=1
            )
            for by in (admin, uma)
        ))  # fmt: skip
        assert sorted(isinstance(one, Refused) for one in made) == [False, True]
        kept = next(one for one in made if isinstance(one, Example))
        now = Example.objects.get(pk=example.pk)
        assert (now.output, now.revision_number, now.revisions.count()) == (kept.output, 2, 2)


@pytest.mark.django_db(transaction=True)
def test_curators_who_work_at_once_decide_about_each_example_once(dataset, admin, uma) -> None:
    for number in range(12):
        proposal(dataset, admin, number)
    wanted, seen = ExampleFilter(state="proposed"), {admin.pk: [], uma.pk: []}

    def review(by: User) -> None:
        while found := actions.next_to_review(dataset, wanted, by=by):
            actions.approve(found, by=by, expected_state="proposed")
            seen[by.pk].append(found.pk)

    made = at_once(lambda: review(admin), lambda: review(uma))
    assert not [one for one in made if isinstance(one, Refused)]
    assert sorted(seen[admin.pk] + seen[uma.pk]) == sorted(dataset.examples.values_list("pk", flat=True))
    assert Change.objects.count() == 12


@pytest.mark.django_db(transaction=True)
def test_undo_twice_at_once_happens_once(filled, admin, uma) -> None:
    change = actions.bulk_examples(filled, ALL, Order("reject"), by=admin)
    made = at_once(lambda: actions.undo(change, by=admin), lambda: actions.undo(change, by=uma))
    assert sorted(isinstance(one, Refused) for one in made) == [False, True]
    assert filled.examples.filter(state="approved").count() == 20
