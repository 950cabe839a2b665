"""Undo step by step, in few statements, by a worker where it is large; the pages and the API that decide and undo."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from evalhub.accounts.models import Role, User
from evalhub.datasets import actions
from evalhub.datasets.actions import undoing
from evalhub.datasets.actions.bulk import Order
from evalhub.datasets.history import history_of
from evalhub.datasets.models import Change, Dataset, Example
from evalhub.datasets.paging import place_from
from evalhub.datasets.selection import ExampleFilter, moment
from evalhub.errors import Refused
from evalhub.jobs.models import Job
from tests.conftest import logged_in, member
from tests.datasets.conftest import row
from tests.datasets.test_curating import proposal, state_of

pytestmark = pytest.mark.django_db
ALL = ExampleFilter()


@pytest.fixture
def uma(project) -> User:
    return member(project, "uma", Role.ADMIN)


@pytest.fixture
def waiting(dataset: Dataset, admin: User) -> Example:
    return proposal(dataset, admin)


def address(name: str, example: Example) -> str:
    return reverse(f"datasets:{name}", args=[example.dataset.project.slug, example.dataset.slug, example.pk])


# --- step by step -------------------------------------------------------------------------------
def test_undo_goes_back_one_change_after_the_other(waiting, admin) -> None:
    actions.approve(waiting, by=admin)
    actions.edit_example(waiting, by=admin, values={"output": "Other", "tags": ["x"]})
    actions.reject(waiting, by=admin)
    seen = []
    for _ in range(3):
        actions.undo_last(waiting.dataset, by=admin)
        now = Example.objects.get(pk=waiting.pk)
        seen.append((now.state, now.output, now.tags))
    assert seen == [("approved", "Other", ["x"]), ("approved", waiting.output, []), ("proposed", waiting.output, [])]


def test_a_change_that_others_build_on_stays_until_theirs_is_undone(waiting, admin, uma) -> None:
    actions.approve(waiting, by=admin)
    actions.edit_example(waiting, by=uma, values={"tags": ["x"]})
    with pytest.raises(Refused, match="changed all of these examples since"):
        actions.undo_last(waiting.dataset, by=admin)
    actions.undo_last(waiting.dataset, by=uma)
    actions.undo_last(waiting.dataset, by=admin)
    assert state_of(waiting) == "proposed"


def test_what_an_undo_left_alone_still_counts(dataset, admin, uma) -> None:
    first, second = proposal(dataset, admin, 1), proposal(dataset, admin, 2)
    approval = actions.bulk_examples(dataset, ALL, Order("approve"), by=admin)
    rejection = actions.bulk_examples(dataset, ALL, Order("reject"), by=uma)
    again = Change.objects.get(pk=actions.approve(first, by=admin).changes.latest("pk").change_id)
    assert actions.undo(rejection, by=uma).left_alone == 1
    told = [[event.undone for event in history_of(each) if event.by == uma] for each in (first, second)]
    assert told == [[False], [True]]
    actions.undo(again, by=admin)
    assert actions.undo(approval, by=admin).restored == 1  # the first is as the rejection left it
    assert (state_of(first), state_of(second)) == ("rejected", "proposed")


# --- many ---------------------------------------------------------------------------------------
def undo_statements(change: Change, by: User) -> int:
    with CaptureQueriesContext(connection) as queries:
        actions.undo(change, by=by)
    return len(queries)


def test_undo_takes_as_many_statements_for_ten_as_for_a_hundred(dataset, admin, file) -> None:
    actions.import_file(dataset, path=file(*map(row, range(10))), file_name="a.jsonl", by=admin)
    few = undo_statements(actions.bulk_examples(dataset, ALL, Order("tag", "x"), by=admin), admin)
    actions.import_file(dataset, path=file(*map(row, range(10, 100)), name="b.jsonl"), file_name="b.jsonl", by=admin)
    many = undo_statements(actions.bulk_examples(dataset, ALL, Order("tag", "x"), by=admin), admin)
    assert many <= few + 2  # SQLite takes fewer values per statement
    assert {(example.revision_number, example.revisions.count()) for example in dataset.examples.all()} == {
        (5, 5),
        (3, 3),
    }


def test_the_key_and_the_api_leave_a_large_undo_to_a_worker(waiting, admin, monkeypatch) -> None:
    monkeypatch.setattr(undoing, "HERE_AND_NOW", 0)
    actions.approve(waiting, by=admin)
    change, client = Change.objects.get(), logged_in(admin)
    answer = client.post(address("act", waiting), {"decision": "undo"})
    job = Job.objects.get(command="undo_change")
    assert answer["Location"] == reverse("jobs:detail", args=[waiting.dataset.project.slug, job.pk])
    slugs = [waiting.dataset.project.slug, waiting.dataset.slug]
    answer = client.post(f"/api/v1/projects/{slugs[0]}/datasets/{slugs[1]}/changes/{change.pk}/undo/")
    assert (answer.status_code, answer.json()) == (202, {"job": job.pk, "state": "queued"})
    assert state_of(waiting) == "approved"


# --- the doors to a decision --------------------------------------------------------------------
@pytest.mark.parametrize(("page", "door"), [("reviewed", "act"), ("example", "decide")])
@pytest.mark.parametrize("decision", ["approve", "reject", "replace"])
def test_a_page_decides_about_the_revision_that_it_shows(waiting, admin, uma, page, door, decision) -> None:
    client = logged_in(admin)
    shown = client.get(address(page, waiting)).content.decode()
    assert '<input type="hidden" name="revision" value="1">' in shown
    actions.edit_example(waiting, by=uma, values={"output": "Quite different"})
    given = {"decision": decision, "state": "proposed", "revision": "1", "query": "state=proposed"}
    answer = client.post(address(door, waiting), given, follow=True).content.decode()
    assert "Somebody else changed this example in the meantime" in answer
    assert state_of(waiting) == "proposed"


def test_the_api_decides_about_the_revision_that_was_read(waiting, admin, uma) -> None:
    actions.edit_example(waiting, by=uma, values={"output": "Quite different"})
    slugs, client = [waiting.dataset.project.slug, waiting.dataset.slug], logged_in(admin)
    door = f"/api/v1/projects/{slugs[0]}/datasets/{slugs[1]}/examples/{waiting.pk}/approve/"
    answer = client.post(door, {"revision_number": 1}, content_type="application/json")
    assert (answer.status_code, state_of(waiting)) == (409, "proposed")
    answer = client.post(door, {"revision_number": 2}, content_type="application/json")
    assert (answer.status_code, state_of(waiting)) == (200, "approved")


# --- addresses ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "query",
    [
        {"sort": "changed", "after": "0001-01-01T00:00:00+14:00,5"}, {"since": "0001-01-01T00:00:00+14:00"},
        {"since": "9999-12-31T23:59:59-12:00"}, {"sort": "length", "after": "99999999999999999999999,5"},
        {"sort": "changed", "after": "2020-01-01,5"}, {"sort": "category", "after": ",0"},
    ],
)  # fmt: skip
def test_an_address_beyond_all_bounds_still_shows_the_examples(waiting, admin, query) -> None:
    slugs, client = [waiting.dataset.project.slug, waiting.dataset.slug], logged_in(admin)
    answer = client.get(reverse("datasets:examples", args=slugs), query)
    assert [line.example.pk for line in answer.context["lines"]] == [waiting.pk]
    api = client.get(f"/api/v1/projects/{slugs[0]}/datasets/{slugs[1]}/examples/", query)
    lost = "after" in query and place_from(query["after"], query["sort"]) is None
    lost = lost or ("since" in query and moment(query["since"]) is None)
    assert api.status_code == (400 if lost else 200)
