"""What asks the same, and what the last check found alike: found by indexes, and decided about together."""

from typing import Any

import pytest
from django.db import connection

from evalhub.accounts.models import User
from evalhub.datasets import actions
from evalhub.datasets.models import Dataset, Example
from evalhub.datasets.selection import same_prompt

pytestmark = pytest.mark.django_db


def proposed(dataset: Dataset, by: User, **values: Any) -> Example:
    return actions.propose_example(dataset, by=by, values={"instruction": "Continue."} | values, origin={})


def states(*examples: Example) -> list[str]:
    return [Example.objects.get(pk=example.pk).state for example in examples]


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
    for asked in (same_prompt(one)[:3], same_prompt(one).filter(state="approved")):
        assert "example_by_prompt" in asked.explain()
