"""What programs may see over HTTP: a file before it is stored, former revisions, one run's thresholds."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from evalhub.accounts.models import User
from evalhub.datasets import actions, incoming
from evalhub.datasets.actions.bulk import Order
from evalhub.datasets.models import Dataset, Example, ImportBatch, Revision
from evalhub.datasets.selection import ExampleFilter
from evalhub.errors import Refused
from evalhub.jobs.models import Job
from tests.conftest import logged_in
from tests.datasets.conftest import row
from tests.jobs.conftest import worked_off

ONE = "/api/v1/projects/content-copy/datasets/content-copy/"


def ask(client: Client, path: str, **data: Any) -> Any:
    return client.post(ONE + path, json.dumps(data), content_type="application/json")


def upload(*rows: dict[str, Any], name: str = "rows.jsonl") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, "\n".join(json.dumps(each) for each in rows).encode())


# --- a file before it is stored -----------------------------------------------------------------
def test_it_shows_a_file_and_keeps_nothing_of_it(dataset: Dataset, admin: User) -> None:
    client = logged_in(admin)
    file = upload(row(1, mood="glad"), row(2, output=""), row(3))
    seen = client.post(f"{ONE}imports/preview/", {"file": file}).json()
    assert (seen["described"], seen["lacking"], seen["counts"]) == ("JSONL, UTF-8", "", {"rows": 2, "problems": 1})
    assert (seen["mapping"]["output"], "mood" in seen["columns"]) == ("output", True)
    assert [(each["line"], each["output"], each["metadata"]) for each in seen["rows"]] == [
        (1, "Headline 1", {"mood": "glad"}), (3, "Headline 3", {}),
    ]  # fmt: skip
    assert [(each["line"], each["reason"]) for each in seen["problems"]] == [(2, "The output is empty.")]
    assert not ImportBatch.objects.exists()
    assert not Example.objects.exists()
    assert not incoming.default_storage.exists(incoming.FOLDER)


def test_a_preview_says_which_columns_are_missing_until_they_are_named(dataset: Dataset, admin: User) -> None:
    client, rows = logged_in(admin), [{"q": "a", "a": "b"}]
    lost = client.post(f"{ONE}imports/preview/", {"file": upload(*rows)}).json()
    assert ("instruction" in lost["lacking"], lost["rows"], lost["counts"]) == (True, [], None)
    mapping = json.dumps({"instruction": "q", "output": "a"})
    seen = client.post(f"{ONE}imports/preview/", {"file": upload(*rows), "mapping": mapping}).json()
    assert (seen["rows"][0]["output"], seen["counts"]) == ("b", {"rows": 1, "problems": 0})


def test_a_preview_of_what_cannot_be_read_says_why(dataset: Dataset, admin: User, pm: User, outsider: User) -> None:
    broken = {"file": SimpleUploadedFile("a.json", b"[{")}
    refused = logged_in(admin).post(f"{ONE}imports/preview/", broken)
    assert (refused.status_code, refused.json()["field"], "JSON" in refused.json()["detail"]) == (409, "file", True)
    for person, status in ((pm, 403), (outsider, 404)):
        assert logged_in(person).post(f"{ONE}imports/preview/", {"file": upload(row(1))}).status_code == status
    assert (
        logged_in(admin)
        .post(ONE.replace("datasets/content", "datasets/no") + "imports/preview/", {"file": upload(row(1))})
        .status_code
        == 404
    )


@pytest.mark.parametrize("mapping", [
    {"category": "a\0"}, {"category": "\ud800"}, {"category": "x" * 201}, {"\ud800": "a"}, {"\0": "a"}, ["a"],
    {"key": 1},
])  # fmt: skip
def test_a_mapping_that_cannot_be_kept_is_refused(dataset: Dataset, admin: User, file, mapping: Any) -> None:
    client = logged_in(admin)
    for path in ("imports/", "imports/preview/"):
        refused = client.post(ONE + path, {"file": upload(row(1)), "mapping": json.dumps(mapping)})
        assert (refused.status_code, list(refused.json())) == (400, ["mapping"]), refused.content
    assert not ImportBatch.objects.exists()
    assert client.get(f"{ONE}imports/").status_code == 200


def test_nor_does_a_command_s_mapping_break_an_import(dataset: Dataset, admin: User, file) -> None:
    for bring_in in (actions.import_file, actions.request_import):
        with pytest.raises(Refused) as refused:
            bring_in(dataset, path=file(row(1)), file_name="a.jsonl", by=admin, mapping={"category": "\udce9"})
        assert refused.value.field == "mapping"


def test_the_list_of_imports_leaves_the_problems_to_each_one(dataset: Dataset, admin: User, file) -> None:
    actions.import_file(dataset, path=file(row(1), row(2, output="")), file_name="rows.jsonl", by=admin)
    client = logged_in(admin)
    (listed,) = client.get(f"{ONE}imports/").json()["results"]
    assert (listed["set_aside"], "problems" in listed) == (1, False)
    assert len(client.get(f"{ONE}imports/{listed['id']}/").json()["problems"]) == 1


# --- an example's revisions ---------------------------------------------------------------------
def test_it_lists_an_example_s_revisions_with_their_texts(dataset: Dataset, admin: User, file) -> None:
    actions.import_file(dataset, path=file(row(1, tags=["a"])), file_name="rows.jsonl", by=admin)
    example, client = dataset.examples.get(), logged_in(admin)
    address = f"{ONE}examples/{example.pk}/revisions/"
    assert Revision.objects.get().values is None  # the example itself has them
    (first,) = client.get(address).json()["results"]
    assert (first["number"], first["author"], first["reason"]) == (1, str(admin), "imported")
    assert first["created_at"]
    assert (first["values"]["output"], first["values"]["tags"], first["values"]["key"]) == ("Headline 1", ["a"], "r1")
    actions.edit_example(example, by=admin, values={"output": "Better"}, reason="typo")
    actions.bulk_examples(dataset, ExampleFilter(), Order("tag", "b"), by=admin)
    listed = client.get(address).json()["results"]
    assert [(each["number"], each["reason"], each["values"]["output"], each["values"]["tags"]) for each in listed] == [
        (1, "imported", "Headline 1", ["a"]), (2, "typo", "Better", ["a"]), (3, "tagged b", "Better", ["a", "b"]),
    ]  # fmt: skip
    assert {tuple(each["values"]) for each in listed} == {tuple(first["values"])}


def test_the_revisions_are_as_private_as_the_example(example: Example, expert: User, outsider: User, pm: User) -> None:
    address = f"{ONE}examples/{example.pk}/revisions/"
    assert [logged_in(person).get(address).status_code for person in (pm, expert, outsider)] == [200, 403, 404]


# --- checks -------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)  # a worker shows life through a connection of its own
def test_one_run_has_thresholds_of_its_own(dataset: Dataset, example: Example, admin: User) -> None:
    client = logged_in(admin)
    asked = ask(client, "checks/", thresholds={"too_few": 3, "near_duplicate": 0.9})
    assert asked.status_code == 202
    assert Job.objects.get().options["chosen"] == ["too_few=3", "near_duplicate=0.9"]
    worked_off()
    run = dataset.checks.get()
    assert (run.settings["too_few"], run.settings["near_duplicate"]) == (3, 0.9)
    assert client.get(f"{ONE}thresholds/").json()["near_duplicate"] != 0.9
    assert ask(client, "checks/").status_code == 202
    assert "chosen" not in Job.objects.latest("pk").options


@pytest.mark.parametrize(("thresholds", "status", "words"), [
    ({"nonsense": 1}, 409, "no threshold “nonsense”"), ({"near_duplicate": 7}, 409, "must lie between"),
    ({"near_duplicate": "much"}, 400, "number"), ({"\ud800": 1}, 400, "surrogate"), ([1], 400, "dictionary"),
])  # fmt: skip
def test_a_threshold_that_means_nothing_is_refused_before_a_worker_is_asked(
    dataset: Dataset, example: Example, admin: User, thresholds: Any, status: int, words: str
) -> None:
    refused = ask(logged_in(admin), "checks/", thresholds=thresholds)
    assert (refused.status_code, words in refused.content.decode()) == (status, True), refused.content
    assert not Job.objects.exists()


def test_odd_names_and_kinds_are_refused(dataset: Dataset, example: Example, admin: User) -> None:
    client = logged_in(admin)
    kept = client.put(f"{ONE}thresholds/", json.dumps({"\ud800": 1}), content_type="application/json")
    assert kept.status_code == 400
    run = actions.check_examples(dataset, by=admin)
    for kind in ("nera", "%00"):
        assert client.get(f"{ONE}checks/{run.pk}/flags/?kind={kind}").status_code == 400
    assert client.get(f"{ONE}checks/{run.pk}/flags/?kind=near").status_code == 200


# --- versions -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "query", ["show=changed&page=99999999999999999999", "page=2147483648", "from=99999999999999999999"]
)
def test_a_page_beyond_all_bounds_is_refused(dataset: Dataset, example: Example, admin: User, query: str) -> None:
    actions.freeze_version(dataset, by=admin, shares=(1, 0, 0))
    actions.edit_example(example, by=admin, values={"output": "Other"})
    actions.freeze_version(dataset, by=admin, shares=(1, 0, 0))
    numbers = "to=2" if query.startswith("from") else "from=1&to=2"
    client = logged_in(admin)
    assert client.get(f"{ONE}versions/compare/?{numbers}&{query}").status_code == 400
    assert client.get(f"{ONE}versions/compare/?from=1&to=2&show=changed&page=2147483647").status_code == 200
