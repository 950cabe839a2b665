"""A slip in a filter is refused with what is known, and never means all: commands, API, forms, checks, exports."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from evalhub.accounts.models import User
from evalhub.datasets import actions
from evalhub.datasets.actions import bulk
from evalhub.datasets.actions.bulk import Order
from evalhub.datasets.filters import filter_of
from evalhub.datasets.models import Change, Dataset, Example
from evalhub.datasets.selection import ADDRESSED, ORDERS, ExampleFilter
from evalhub.errors import Refused
from evalhub.jobs.models import Job
from tests.conftest import logged_in
from tests.datasets.conftest import row

ONE = "/api/v1/projects/content-copy/datasets/content-copy/"
NAMED = {"project": "content-copy", "dataset": "content-copy"}
SLIPS = [
    ("stat=proposed", "no filter “stat”; there are q, category, state"),
    ("proposed", "no filter “proposed”"),
    ("state=propsed", "“state” is “propsed”; there are proposed, approved, rejected, once"),
    ("flags=near", "no filter “flags”"),
    ("flag=nera", "“flag” is “nera”; there are leaks"),
    ("split=tests", "there are train, validation, test, none"),
    ("from=studies", "there are file, hand, study"),
    ("min=1e3", "“min” is “1e3”; a whole number of characters is needed"),
    ("max=-3", "whole number"),
    ("since=yesterday", "a date such as"),
    ("sort=newest", "there are id, -id"),
    ("state=proposed&state=approved", "“state” twice"),
    ("after=17", "no filter “after”"),
    ("q=%00", "NUL"),
    ("category=" + "x" * 121, "more than 120 characters"),
]


@pytest.fixture
def filled(dataset: Dataset, admin: User, file) -> Dataset:
    """Twelve examples in two categories."""
    rows = [row(n, task=["deck", "meta"][n % 2]) for n in range(12)]
    actions.import_file(dataset, path=file(*rows), file_name="rows.jsonl", by=admin)
    return dataset


def ask(client: Client, path: str, **data: Any) -> Any:
    return client.post(ONE + path, json.dumps(data), content_type="application/json")


def states(dataset: Dataset) -> set[str]:
    return set(dataset.examples.values_list("state", flat=True))


# --- what is understood -------------------------------------------------------------------------
@pytest.mark.parametrize(("query", "words"), SLIPS)
def test_it_refuses_what_means_nothing_in_one_sentence(query: str, words: str) -> None:
    with pytest.raises(Refused) as refused:
        filter_of(query)
    assert words in refused.value.message
    assert refused.value.field == "filter"


def test_it_takes_every_address_of_the_table() -> None:
    whole = (
        "q=memo&category=Deck&state=once&split=none&flag=near&source=a.pdf&language=de&tag=seen&from=study&min=5&max=500"
        "&since=2026-11-23T10%3A00&sort=-changed"
    )
    assert set(filter_of(whole).pairs) == set(ADDRESSED)
    assert filter_of(whole) == ExampleFilter.from_query(filter_of(whole).pairs)
    assert filter_of(filter_of(whole).query) == filter_of(whole)
    assert all(filter_of(f"sort={order}").order == order for order in ORDERS)
    assert filter_of("q=&category=&state=&sort=") == filter_of("") == ExampleFilter()


# --- the command --------------------------------------------------------------------------------
@pytest.mark.parametrize("query", ["state=propsed", "stat=proposed", "flags=near", "min=1e3"])
def test_the_command_rejects_nothing_by_a_slip(filled, query: str) -> None:
    with pytest.raises(CommandError, match=r"The filter|no filter"):
        call_command("bulk_examples", **NAMED, verb="reject", filter=query, yes=True)
    assert states(filled) == {"approved"}


def test_the_command_counts_first_and_waits_for_the_number_or_a_yes(filled, capsys) -> None:
    asked = {**NAMED, "verb": "reject", "filter": "category=deck"}
    with pytest.raises(CommandError, match=r"6 examples match, 6 would change. .*--expect 6, or --yes"):
        call_command("bulk_examples", **asked)
    assert states(filled) == {"approved"}
    call_command("bulk_examples", **asked, dry_run=True, json=True)
    told = json.loads(capsys.readouterr().out)
    assert told == {"dataset": "content-copy", "matching": 6, "different": 6}
    with pytest.raises(CommandError, match="6 examples now, not 5"):
        call_command("bulk_examples", **asked, expect=5)
    call_command("bulk_examples", **asked, expect=6)
    assert "6 examples match, 6 would change." in capsys.readouterr().err
    call_command("bulk_examples", **NAMED, verb="reject", yes=True)
    assert "12 examples match, 6 would change." in capsys.readouterr().err
    assert [change.count for change in Change.objects.order_by("id")] == [6, 6]


def test_what_must_fail_is_not_handed_to_a_worker(filled) -> None:
    asked = {**NAMED, "verb": "reject", "queue": True, "no_wait": True}
    for more, words in (({"filter": "stat=x", "yes": True}, "no filter"), ({}, "12 examples match, 12 would change")):
        with pytest.raises(CommandError, match=words):
            call_command("bulk_examples", **asked, **more)
    assert not Job.objects.filter(command=bulk.BULK).exists()
    call_command("bulk_examples", **asked, expect=12)
    assert Job.objects.get(command=bulk.BULK).options["expect"] == 12


def test_checks_and_exports_by_command_refuse_a_slip(filled, tmp_path) -> None:
    for name, more in (("check_examples", {}), ("export_examples", {"out": tmp_path / "out.jsonl"})):
        option = "query" if name == "export_examples" else "filter"
        with pytest.raises(CommandError, match="no filter “categry”"):
            call_command(name, **NAMED, **{option: "categry=x"}, **more)
    assert not (tmp_path / "out.jsonl").exists()
    assert not filled.checks.exists()


# --- the API ------------------------------------------------------------------------------------
@pytest.mark.parametrize(("path", "data"), [
    ("changes/", {"filter": "stat=proposed", "verb": "tag", "value": "x", "expect": 12}),
    ("changes/", {"filter": "q=\ud800", "verb": "tag", "value": "x", "expect": 12}),
    ("checks/", {"filter": "categry=x"}),
    ("exports/", {"filter": {"stat": "x"}}),
    ("exports/", {"filter": {"q": "\0"}}),
    ("exports/", {"filter": {"\ud800": "x"}}),
    ("views/", {"name": "Slip", "query": "stat=x"}),
    ("review/next/", {"filter": "stat=x"}),
])  # fmt: skip
def test_the_api_refuses_a_slip_and_does_nothing(filled, admin, path: str, data: dict[str, Any]) -> None:
    response = ask(logged_in(admin), path, **data)
    assert response.status_code == 400, response.content
    assert set(response.json()) & {"filter", "query"} or "surrogate" in response.json()["detail"]
    assert not Change.objects.exists()
    assert not Job.objects.exclude(command="check_examples", options__filter="").exists()
    assert not filled.saved_views.exists()


@pytest.mark.parametrize(("path", "data"), [
    ("changes/", {"filtr": "state=proposed", "verb": "reject", "dry_run": True}),
    ("exports/", {"filters": {"state": "proposed"}}),
    ("checks/", {"filtr": "state=proposed"}),
    ("review/next/", {"fliter": "state=proposed"}),
])  # fmt: skip
def test_a_slip_in_the_name_of_the_filter_is_no_missing_filter(filled, admin, path: str, data: dict[str, Any]) -> None:
    refused = ask(logged_in(admin), path, **data)
    assert refused.status_code == 400
    assert "There is no such field; there are " in next(iter(refused.json().values()))[0]
    assert "filter" in next(iter(refused.json().values()))[0]


@pytest.mark.parametrize("query", ["stat=proposed", "state=propsed", "category=%00", "state=approved&state=rejected"])
def test_lists_over_http_refuse_a_slip(filled, admin, query: str) -> None:
    client = logged_in(admin)
    refused = client.get(f"{ONE}examples/?{query}")
    assert (refused.status_code, list(refused.json())) == (400, ["filter"])
    assert client.get(f"{ONE}review/", {"filter": query}).status_code == 400
    assert client.get(f"{ONE}examples/?category=deck&page_size=2&format=json").json()["count"]["number"] == 6


def test_a_program_is_told_the_exact_number_before_it_changes_many(filled, admin, monkeypatch) -> None:
    monkeypatch.setattr("evalhub.datasets.counting.COUNTED", 5)
    client = logged_in(admin)
    actions.bulk_examples(filled, filter_of("category=deck"), Order("tag", "x"), by=admin)
    order = {"filter": "", "verb": "tag", "value": "x"}
    told = ask(client, "changes/", **order, dry_run=True)
    assert (told.status_code, told.json()) == (200, {"matching": 12, "different": 6})
    assert Change.objects.count() == 1
    assert "dry_run counts" in ask(client, "changes/", **order).json()["expect"][0]
    assert ask(client, "changes/", **order, expect=told.json()["matching"]).json()["count"] == 6


def test_a_worker_s_change_is_titled_by_what_it_changes_and_found_over_http(filled, admin, monkeypatch) -> None:
    for place in ("evalhub.datasets.views.table", "evalhub.datasets.api.curation"):
        monkeypatch.setattr(f"{place}.HERE_AND_NOW", 5)
    actions.bulk_examples(filled, filter_of("category=deck"), Order("tag", "x"), by=admin)
    client = logged_in(admin)
    order = {"filter": "", "verb": "tag", "value": "x"}
    stale = ask(client, "changes/", **order, expect=11)
    assert (stale.status_code, "12 examples now, not 11" in stale.json()["detail"]) == (409, True)
    asked = ask(client, "changes/", **order, expect=12)
    job = Job.objects.get(command=bulk.BULK)
    assert (asked.status_code, asked.json(), job.title) == (
        202, {"job": job.pk, "state": "queued"}, "Tag 6 examples “x”",
    )  # fmt: skip
    assert client.get(asked["Location"]).json()["id"] == job.pk
    job.delete()
    form = {"query": "", "verb": "tag", "value": "x", "expected": "12", "key": "k"}
    for _ in range(2):
        client.post(reverse("datasets:do_bulk", args=["content-copy", "content-copy"]), form)
    assert [one.title for one in Job.objects.filter(command=bulk.BULK)] == ["Tag 6 examples “x”"]


# --- the page -----------------------------------------------------------------------------------
def test_the_page_s_own_address_stays_lenient_and_its_forms_do_not(filled, admin) -> None:
    client = logged_in(admin)
    address = reverse("datasets:examples", args=["content-copy", "content-copy"])
    assert client.get(f"{address}?stat=x&min=1e3").status_code == 200
    form = {"query": "stat=proposed&category=deck", "verb": "reject", "expected": "12"}
    for name, method in (("bulk", client.get), ("do_bulk", client.post)):
        answer = method(reverse(f"datasets:{name}", args=["content-copy", "content-copy"]), form, follow=True)
        assert answer.redirect_chain[-1][0] == f"{address}?category=deck"
        assert "no filter “stat”" in str(next(iter(answer.context["messages"])))
    assert states(filled) == {"approved"}
    assert Example.objects.filter(state="rejected").count() == 0
