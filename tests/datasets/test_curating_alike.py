"""What asks the same, and what the last check found alike: found by indexes, and decided about together."""

from typing import Any

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from evalhub.accounts.models import User
from evalhub.datasets import actions
from evalhub.datasets.actions import leasing
from evalhub.datasets.clusters import cluster_of, members_of
from evalhub.datasets.models import CARRIED, CheckRun, Dataset, Example, Flag, Lease
from evalhub.datasets.selection import ExampleFilter, same_prompt

pytestmark = pytest.mark.django_db


def proposed(dataset: Dataset, by: User, **values: Any) -> Example:
    return actions.propose_example(dataset, by=by, values={"instruction": "Continue."} | values, origin={})


def states(*examples: Example) -> list[str]:
    return [Example.objects.get(pk=example.pk).state for example in examples]


@pytest.mark.parametrize("order", ["id", "state", "category", "source", "length", "change"])
def test_an_index_carries_all_that_a_walk_along_it_may_be_filtered_by(order: str) -> None:
    index = next(index for index in Example._meta.indexes if index.name == f"example_by_{order}")
    assert {*index.fields, *index.include} >= {*CARRIED}


# --- the same prompt ----------------------------------------------------------------------------
def chat(dataset: Dataset, by: User, number: int, output: str) -> Example:
    history = [{"role": "user", "content": f"Topic {number}"}, {"role": "assistant", "content": "Yes?"}]
    return proposed(dataset, by, history=history, output=output)


def test_a_chat_that_only_ends_in_the_same_words_asks_something_else(dataset, admin) -> None:
    others = [actions.approve(chat(dataset, admin, number, f"Answer {number}"), by=admin) for number in range(3)]
    better = chat(dataset, admin, 1, "Better")
    assert list(same_prompt(better)) == [others[1]]
    assert actions.approve_instead(better, by=admin) == [others[1]]
    assert states(better, *others) == ["approved", "approved", "rejected", "approved"]


def test_texts_that_are_the_same_together_but_not_one_by_one_ask_something_else(dataset, admin) -> None:
    one = proposed(dataset, admin, instruction="ab", input="c", output="1")
    other = proposed(dataset, admin, instruction="a", input="bc", output="2")
    assert not same_prompt(one).exists()
    assert not same_prompt(other).exists()


def test_what_asks_the_same_is_found_by_an_index(dataset) -> None:
    Example.objects.bulk_create(
        Example(dataset=dataset, instruction=f"Ask {number}", output="x", fingerprint=str(number))
        for number in range(500)
    )
    one = Example.objects.all()[250]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE datasets_example")
    for asked in (same_prompt(one)[:3], same_prompt(one)):
        assert "example_by_prompt" in asked.explain()


# --- what the last check found alike --------------------------------------------------------------
@pytest.fixture
def crowd(dataset: Dataset, admin: User) -> list[Example]:
    """Thirty approved examples in one cluster of the last check."""
    found = [proposed(dataset, admin, input=str(number), output="Nearly this") for number in range(30)]
    actions.decide_many(dataset, pks=[each.pk for each in found], approving=True, by=admin)
    run = CheckRun.objects.create(dataset=dataset, created_by=admin, read_at=timezone.now())
    Flag.objects.bulk_create(Flag(run=run, example=each, kind="near", group=1) for each in found)
    return found


def test_an_example_stands_among_the_shown_of_a_large_cluster(crowd) -> None:
    shown = members_of(crowd[25])
    assert len(shown) == 12
    assert (crowd[25] in shown, crowd[0] in shown) == (True, True)


def test_keeping_one_rejects_all_others_of_a_large_cluster(crowd, admin) -> None:
    assert actions.keep_one(crowd[25], by=admin) == 29
    assert Example.objects.filter(state="approved").get() == crowd[25]


def test_the_page_says_how_many_are_rejected_unseen(crowd, admin, client) -> None:
    client.force_login(admin)
    dataset = crowd[25].dataset
    address = reverse("datasets:reviewed", args=[dataset.project.slug, dataset.slug, crowd[25].pk])
    text = client.get(address).content.decode()
    assert "30 alike" in text
    assert "also the 18 that are not shown" in text


def test_a_former_duplicate_with_other_texts_is_left_alone(crowd, admin) -> None:
    actions.edit_example(crowd[3], by=admin, values={"output": "Something else by now"})
    actions.edit_example(crowd[4], by=admin, values={"tags": ["seen"]})
    assert crowd[3] not in members_of(crowd[0])
    assert actions.keep_one(crowd[0], by=admin) == 28
    assert states(crowd[0], crowd[3], crowd[4]) == ["approved", "approved", "rejected"]


def test_an_undone_edit_is_alike_again(crowd, admin) -> None:
    actions.edit_example(crowd[3], by=admin, values={"output": "Something else by now"})
    actions.undo_last(crowd[3].dataset, by=admin)
    assert actions.keep_one(crowd[0], by=admin) == 29


def test_duplicates_are_found_without_reading_the_examples(crowd, django_assert_num_queries) -> None:
    with django_assert_num_queries(3):  # its groups, who is in them, and whether one was edited
        assert len(cluster_of(crowd[25])) == 30


def test_what_is_skipped_in_the_queue_is_held_for_nobody(dataset, admin, monkeypatch) -> None:
    first, second = (proposed(dataset, admin, input=str(number), output="x") for number in range(2))
    hold = leasing._held

    def slow(pk: int, by: User) -> bool:
        held = hold(pk, by)
        Example.objects.filter(pk=first.pk).update(state="rejected")  # somebody is quicker
        return held

    monkeypatch.setattr(leasing, "_held", slow)
    assert actions.next_to_review(dataset, ExampleFilter(state="proposed"), by=admin) == second
    assert list(Lease.objects.values_list("example", flat=True)) == [second.pk]
