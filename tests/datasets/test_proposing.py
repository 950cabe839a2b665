"""Proposals: what a person may say of where they come from, the same text proposed again, and what cannot be kept."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.test import Client

from evalhub.accounts.models import AuditEvent, User
from evalhub.datasets import actions
from evalhub.datasets.actions import curation
from evalhub.datasets.history import origin_of
from evalhub.datasets.models import Dataset, Example, Revision
from evalhub.errors import Refused
from tests.conftest import logged_in
from tests.datasets.test_freezing_races import apart

ONE = "/api/v1/projects/content-copy/datasets/content-copy/"
VALUES = {"instruction": "Ask", "input": "Text", "output": "New"}
STUDY = {"study": "round-2", "item": "q1", "arm": "adapter", "score": 2.5, "answer": "Old"}


def propose(client: Client, **data: Any) -> Any:
    return client.post(f"{ONE}examples/", json.dumps({"values": VALUES, **data}), content_type="application/json")


# --- where it comes from ------------------------------------------------------------------------
def test_a_person_says_in_own_words_where_it_comes_from(dataset: Dataset, admin: User) -> None:
    origin = {"tool": "spellcheck 3", "author": "Ines", "reference": "ticket 7", "note": "两个字"}
    made = propose(logged_in(admin), origin=origin)
    assert (made.status_code, made.json()["origin"]) == (201, origin)
    assert ("Reference", "ticket 7") in origin_of(Example.objects.get())


@pytest.mark.parametrize("name", [*STUDY, "rater", "version", "again", "from the study", "nonsense", "\0", "\ud800"])
def test_nobody_claims_a_study_over_http(dataset: Dataset, admin: User, name: str) -> None:
    refused = propose(logged_in(admin), origin={name: "round-2"})
    assert (refused.status_code, refused.json().get("field")) in ((409, "origin"), (400, None))
    assert "may say tool, author, reference and note" in refused.json()["detail"] or name == "\ud800"
    assert not Example.objects.exists()


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x" * 501, ["a"], {"a": 1}])
def test_an_origin_that_cannot_be_kept_is_refused(dataset: Dataset, admin: User, value: object) -> None:
    client = logged_in(admin)
    refused = propose(client, origin={"note": value})
    assert (refused.status_code, set(refused.json()) <= {"origin", "detail"}) == (400, True)
    with pytest.raises(Refused):
        actions.propose_by_hand(dataset, by=admin, values=VALUES, origin={"note": value})
    assert not Example.objects.exists()
    assert client.get(f"{ONE}examples/").status_code == 200


@pytest.mark.parametrize("origin", [{"study": "a\0"}, {"study": {"\ud800": 1}}, {"score": float("nan")}])
def test_no_origin_breaks_the_row_or_the_lists_that_show_it(dataset: Dataset, admin: User, origin: Any) -> None:
    with pytest.raises(Refused) as refused:
        actions.propose_example(dataset, by=admin, values=VALUES, origin=origin)
    assert refused.value.field == "origin"
    assert not Example.objects.exists()


@pytest.mark.parametrize("values", [{"\ud800": "x"}, {"output": "\ud800"}, {"output": "\0"}, {"tags": ["\ud800"]}])
def test_values_that_cannot_be_kept_are_refused_with_a_sentence(dataset: Dataset, admin: User, values: Any) -> None:
    refused = propose(logged_in(admin), values={**VALUES, **values})
    assert refused.status_code in (400, 409), refused.content
    assert not Example.objects.exists()
    with pytest.raises(Refused) as sentence:
        actions.propose_by_hand(dataset, by=admin, values={**VALUES, **values}, origin={})
    sentence.value.message.encode()


# --- the same text again ------------------------------------------------------------------------
def test_a_second_study_s_proposal_of_a_text_keeps_where_it_comes_from(dataset: Dataset, admin: User) -> None:
    other = {**STUDY, "study": "round-3", "arm": "base"}
    first = actions.propose_example(dataset, by=admin, values=VALUES, origin=STUDY)
    actions.reject(first, by=admin, reason="wrong")
    changed = Example.objects.get().updated_at
    for origin in (STUDY, other, other, {}):
        again = actions.propose_example(dataset, by=admin, values=VALUES, origin=origin)
    assert (again.pk, again.state, again.origin) == (first.pk, "rejected", {**STUDY, "again": [other]})
    assert Example.objects.get().updated_at == changed
    assert origin_of(again)[-1] == (
        "Proposed again", "From the study: round-3, Item: q1, Arm: base, Mean score there: 2.5",
    )  # fmt: skip
    assert [event.details["origin"]["study"] for event in AuditEvent.objects.filter(verb="propose_again")] == [
        "round-3"
    ]


def test_over_http_a_text_that_is_there_is_no_new_one(dataset: Dataset, example: Example, admin: User) -> None:
    client = logged_in(admin)
    assert propose(client).status_code == 201
    again = propose(client, origin={"note": "once more"})
    assert (again.status_code, again.json()["origin"]) == (200, {"again": [{"note": "once more"}]})
    assert Example.objects.count() == 2


def test_the_later_proposals_of_a_text_are_bounded(dataset: Dataset, admin: User, monkeypatch) -> None:
    monkeypatch.setattr(curation, "MOST_AGAIN", 3)
    for number in range(9):
        found = actions.propose_example(dataset, by=admin, values=VALUES, origin={"study": f"s{number}"})
    assert [one["study"] for one in found.origin["again"]] == ["s1", "s2", "s3"]


# --- an edit that makes two the same ------------------------------------------------------------
@pytest.fixture
def two(dataset: Dataset, admin: User) -> list[Example]:
    values = [{**VALUES, "output": output} for output in ("One", "Two")]
    return [actions.propose_example(dataset, by=admin, values=each, origin={}) for each in values]


def test_an_edit_to_a_text_that_is_there_is_refused_and_loses_nothing(two: list[Example], admin: User) -> None:
    with pytest.raises(Refused, match="already has exactly these texts"):
        actions.edit_example(two[0], by=admin, values={"output": "Two"})
    assert list(Example.objects.values_list("output", "revision_number")) == [("One", 1), ("Two", 1)]
    assert Revision.objects.count() == 2


@pytest.mark.rows_locked
@pytest.mark.django_db(transaction=True)
def test_of_two_edits_to_one_text_at_once_one_is_refused(two: list[Example], admin: User, monkeypatch) -> None:
    both, mark = Barrier(2), curation.fingerprint

    def meet(values: Any) -> str:
        both.wait(20)
        return mark(values)

    def edit(example: Example) -> object:
        try:
            return actions.edit_example(example, by=admin, values={"output": "Three"})
        except Refused as refusal:
            return refusal.message

    monkeypatch.setattr(curation, "fingerprint", meet)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda each: apart(lambda: edit(each))(), two))
    assert sorted(isinstance(one, str) for one in made) == [False, True]
    assert next(one for one in made if isinstance(one, str)).endswith("an example stands in a dataset once.")
    assert Example.objects.filter(output="Three").count() == 1


def test_an_edit_that_comes_second_is_no_fault_of_ours(two: list[Example], admin: User, monkeypatch) -> None:
    """As the race above, on a database that locks everything."""
    monkeypatch.setattr(Example, "save", overtaken(Example.save, by=two[1]))
    with pytest.raises(Refused, match="already has exactly these texts"):
        actions.edit_example(two[0], by=admin, values={"output": "Three"})
    assert Example.objects.get(pk=two[0].pk).output == "One"


def overtaken(save: Any, *, by: Example) -> Any:
    """An example's save, before which another example gets its texts."""

    def late(self: Example, **given: Any) -> None:
        Example.objects.filter(pk=by.pk).update(fingerprint=self.fingerprint)
        save(self, **given)

    return late
