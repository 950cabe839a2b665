"""Curating over HTTP as on the pages: the review queue, approve instead, keep one of those alike, second approval."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from evalhub.accounts.models import AuditEvent, Role, User
from evalhub.datasets import actions
from evalhub.datasets.models import CheckRun, Dataset, Example, Flag, Lease
from tests.conftest import logged_in, member
from tests.datasets.test_curating import proposal, state_of

ONE = "/api/v1/projects/content-copy/datasets/content-copy/"


@pytest.fixture
def uma(project) -> User:
    return member(project, "uma", Role.ADMIN)


@pytest.fixture
def proposals(dataset: Dataset, admin: User) -> list[Example]:
    return [proposal(dataset, admin, number) for number in range(4)]


@pytest.fixture
def twins(dataset: Dataset, admin: User) -> list[Example]:
    """Three approved examples that the last check found to be nearly the same."""
    run = CheckRun.objects.create(dataset=dataset, created_by=admin, read_at=timezone.now())
    found = [actions.approve(proposal(dataset, admin, number), by=admin) for number in range(3)]
    Flag.objects.bulk_create(Flag(run=run, example=twin, kind="near", group=1) for twin in found)
    return found


def post(client: Client, path: str, **data: Any) -> Any:
    return client.post(ONE + path, json.dumps(data), content_type="application/json")


# --- the review queue ---------------------------------------------------------------------------
def test_two_programs_review_all_proposals_and_never_the_same(dataset, proposals, admin, uma) -> None:
    programs, seen = [logged_in(admin), logged_in(uma)], []
    for _ in range(2):
        held = [post(program, "review/next/").json()["example"] for program in programs]
        for program, example in zip(programs, held, strict=True):
            guards = {"expected_state": "proposed", "revision_number": example["revision_number"]}
            assert post(program, f"examples/{example['id']}/approve/", **guards).status_code == 200
        seen += [example["id"] for example in held]
    assert sorted(seen) == [example.pk for example in proposals]
    assert [post(program, "review/next/").json()["example"] for program in programs] == [None, None]
    assert not Lease.objects.exists()


def test_the_queue_goes_forth_and_back_from_place_to_place(dataset, proposals, admin) -> None:
    client = logged_in(admin)
    first = post(client, "review/next/").json()
    assert (first["place"], first["lease_seconds"]) == (f"{proposals[0].pk}", 90)
    assert (first["example"]["id"], first["example"]["metadata"]) == (proposals[0].pk, {})
    second = post(client, "review/next/", after=first["place"]).json()
    back = post(client, "review/next/", after=second["place"], back=True).json()
    assert [second["example"]["id"], back["example"]["id"]] == [proposals[1].pk, proposals[0].pk]
    last = post(client, "review/next/", filter="sort=-id").json()
    assert last["example"]["id"] == proposals[-1].pk
    end = post(client, "review/next/", filter="sort=-id", after=f"{proposals[0].pk}").json()
    assert end == {"example": None, "place": "", "lease_seconds": 0}
    assert not Lease.objects.exists()


def test_the_queue_is_of_proposals_unless_a_filter_says_otherwise(dataset, proposals, admin) -> None:
    client = logged_in(admin)
    actions.approve(proposals[0], by=admin)
    assert post(client, "review/next/").json()["example"]["id"] == proposals[1].pk
    assert post(client, "review/next/", filter="").json()["example"]["id"] == proposals[0].pk
    assert client.get(f"{ONE}review/").json()["count"] == {"number": 3, "exact": True, "floor": False}
    assert client.get(f"{ONE}review/?filter=").json()["count"]["number"] == 4


def test_a_lease_is_kept_seen_taken_over_and_let_go(dataset, proposals, admin, uma) -> None:
    ines, other = logged_in(admin), logged_in(uma)
    held = post(ines, "review/next/").json()["example"]["id"]
    Lease.objects.update(expires_at=timezone.now() + timedelta(seconds=3))
    assert post(ines, f"review/{held}/hold/").json() == {"mine": True, "holder": "", "lease_seconds": 90}
    assert Lease.objects.get().expires_at > timezone.now() + timedelta(seconds=60)
    assert post(other, f"review/{held}/hold/").json() == {"mine": False, "holder": "ines", "lease_seconds": 0}
    assert other.get(f"{ONE}review/").json()["busy"] == ["ines"]
    assert other.delete(f"{ONE}review/").status_code == 204  # hers, which are none
    assert Lease.objects.get().holder == admin
    assert ines.delete(f"{ONE}review/").status_code == 204
    assert post(other, f"review/{held}/hold/").json()["mine"]
    assert ines.get(f"{ONE}review/").json()["busy"] == ["uma"]


@pytest.mark.parametrize("after", ["nonsense", "1,", "9" * 30, "x,1"])
def test_a_place_that_is_none_is_refused_and_nothing_is_let_go(dataset, proposals, admin, after: str) -> None:
    client = logged_in(admin)
    post(client, "review/next/")
    refused = post(client, "review/next/", after=after)
    assert (refused.status_code, "no place in the order" in refused.json()["after"][0]) == (400, True)
    assert Lease.objects.get().example == proposals[0]


# --- approve instead ----------------------------------------------------------------------------
def test_one_is_approved_instead_of_those_that_ask_the_same(dataset, admin, uma) -> None:
    values = {"instruction": "Ask", "input": "Text"}
    old = actions.propose_example(dataset, by=admin, values={**values, "output": "Old"}, origin={})
    new = actions.propose_example(dataset, by=admin, values={**values, "output": "New"}, origin={})
    actions.approve(old, by=admin)
    actions.edit_example(new, by=uma, values={"output": "Newer"})
    stale = post(logged_in(admin), f"examples/{new.pk}/approve-instead/", revision_number=1)
    assert (stale.status_code, "Somebody else changed" in stale.json()["detail"]) == (409, True)
    assert (state_of(old), state_of(new)) == ("approved", "proposed")
    done = post(logged_in(admin), f"examples/{new.pk}/approve-instead/", revision_number=2).json()
    assert (done["rejected"], done["example"]["state"], done["example"]["output"]) == ([old.pk], "approved", "Newer")
    assert state_of(old) == "rejected"


# --- duplicates ---------------------------------------------------------------------------------
def test_of_the_duplicates_one_is_kept(twins, admin, uma) -> None:
    client = logged_in(admin)
    shown = client.get(f"{ONE}examples/{twins[0].pk}/duplicates/").json()
    assert [one["id"] for one in shown] == [twin.pk for twin in twins]
    actions.edit_example(twins[1], by=uma, values={"output": "Quite different"})
    stale = post(client, f"examples/{twins[1].pk}/keep/", revision_number=shown[1]["revision_number"])
    assert stale.status_code == 409
    assert {state_of(twin) for twin in twins} == {"approved"}
    kept = post(client, f"examples/{twins[1].pk}/keep/", revision_number=2).json()
    assert (kept["rejected"], kept["example"]["id"]) == (2, twins[1].pk)
    assert [state_of(twin) for twin in twins] == ["rejected", "approved", "rejected"]
    again = post(client, f"examples/{twins[0].pk}/keep/")
    assert (again.status_code, "rejected itself" in again.json()["detail"]) == (409, True)


def test_an_example_without_duplicates_stands_alone(example, admin) -> None:
    client = logged_in(admin)
    assert [one["id"] for one in client.get(f"{ONE}examples/{example.pk}/duplicates/").json()] == [example.pk]
    assert post(client, f"examples/{example.pk}/keep/").status_code == 409
    assert state_of(example) == "approved"


# --- a second approval --------------------------------------------------------------------------
def test_a_second_approval_is_asked_for_and_recorded_once(dataset, proposals, admin) -> None:
    client = logged_in(admin)
    assert client.get(ONE).json()["second_approval"] is False
    for _ in range(2):
        asked = client.patch(ONE, json.dumps({"second_approval": True}), content_type="application/json")
        assert (asked.status_code, asked.json()["second_approval"]) == (200, True)
    assert AuditEvent.objects.filter(verb="ask_second_approval").count() == 1
    assert not AuditEvent.objects.filter(verb="describe_dataset").exists()
    assert post(client, f"examples/{proposals[0].pk}/approve/").json()["state"] == "proposed"
    both = {"second_approval": False, "credit": "CC BY"}
    dropped = client.patch(ONE, json.dumps(both), content_type="application/json").json()
    assert (dropped["second_approval"], dropped["credit"]) == (False, "CC BY")
    assert AuditEvent.objects.filter(verb__in=["drop_second_approval", "describe_dataset"]).count() == 2


@pytest.mark.parametrize("value", ["maybe", None, 7])
def test_it_refuses_a_second_approval_that_means_nothing(dataset, admin, value) -> None:
    answer = logged_in(admin).patch(ONE, json.dumps({"second_approval": value}), content_type="application/json")
    assert (answer.status_code, list(answer.json())) == (400, ["second_approval"])


# --- who may ------------------------------------------------------------------------------------
def test_these_doors_open_for_admins_alone(dataset, twins, pm, expert, outsider) -> None:
    pk = twins[0].pk
    doors = ["review/next/", f"review/{pk}/hold/", f"examples/{pk}/approve-instead/", f"examples/{pk}/keep/"]
    for person, status in ((pm, 403), (expert, 403), (outsider, 404)):
        visitor = logged_in(person)
        assert {post(visitor, door).status_code for door in doors} == {status}
        assert {visitor.get(f"{ONE}review/").status_code, visitor.delete(f"{ONE}review/").status_code} == {status}
        patched = visitor.patch(ONE, json.dumps({"second_approval": True}), content_type="application/json")
        assert patched.status_code == status
        assert visitor.get(f"{ONE}examples/{pk}/duplicates/").status_code == (200 if person == pm else status)
    assert not Lease.objects.exists()
    assert {state_of(twin) for twin in twins} == {"approved"}


def test_these_doors_find_no_example_of_another_dataset(project, dataset, twins, admin) -> None:
    actions.create_dataset(project, name="Other", by=admin)
    client, pk = logged_in(admin), twins[0].pk
    other = ONE.replace("datasets/content-copy", "datasets/other")
    doors = [f"review/{pk}/hold/", f"examples/{pk}/approve-instead/", f"examples/{pk}/keep/"]
    assert {client.post(other + door).status_code for door in doors} == {404}
    assert client.get(f"{other}examples/{pk}/duplicates/").status_code == 404
    assert not Lease.objects.exists()
