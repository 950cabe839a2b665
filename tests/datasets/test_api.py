"""Datasets over HTTP: the same doors, the same words."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from evalhub.datasets import actions
from evalhub.datasets.models import Dataset, Example, Version
from tests.conftest import logged_in
from tests.datasets.conftest import row

BASE = "/api/v1/projects/content-copy/datasets/"


def send(client, address: str, data: dict, method: str = "post"):
    return getattr(client, method)(address, json.dumps(data), content_type="application/json")


def upload(*rows: dict) -> SimpleUploadedFile:
    return SimpleUploadedFile("rows.jsonl", "\n".join(json.dumps(item) for item in rows).encode())


def test_it_walks_the_loop_of_data(project, admin):
    client = logged_in(admin)
    made = send(client, BASE, {"name": "Content copy", "credit": "CC0"})
    assert (made.status_code, made.json()["slug"], made.json()["approved"]) == (201, "content-copy", 0)
    one = f"{BASE}content-copy/"
    first = client.post(f"{one}imports/", {"file": upload(*map(row, range(9)), row(9, output=""))})
    assert first.status_code == 201
    assert {name: first.json()[name] for name in ("imported", "set_aside", "unchanged")} == {
        "imported": 9, "set_aside": 1, "unchanged": 0,
    }  # fmt: skip
    assert first.json()["problems"][0]["reason"] == "The output is empty."
    assert client.get(one).json()["approved"] == 9
    assert send(client, one, {"credit": "CC BY"}, "patch").json()["credit"] == "CC BY"
    found = client.get(f"{one}examples/", {"q": "headline 3"}).json()["results"]
    assert [item["key"] for item in found] == ["r3"]
    address = f"{one}examples/{found[0]['id']}/"
    assert send(client, address, {"output": "Better", "revision_number": 1}, "patch").json()["revision_number"] == 2
    assert send(client, f"{address}reject/", {"reason": "dull"}).json()["state"] == "rejected"
    frozen = send(client, f"{one}versions/", {"note": "first"})
    assert (frozen.status_code, frozen.json()["counts"]["total"]) == (201, 8)
    assert client.get(f"{one}versions/1/").json()["data_hash"] == Version.objects.get().data_hash
    lines = b"".join(client.get(f"{one}versions/1/download/", {"split": "train"}).streaming_content).splitlines()
    assert len(lines) == Version.objects.get().counts["train"]
    assert client.get(f"{one}versions/1/download/", {"split": "other"}).status_code == 400
    ready = client.get(f"{one}readiness/").json()
    assert (ready["check"], [line["key"] for line in ready["checks"]]) == (None, ["waiting", "credit"])


def test_it_proposes_and_approves(dataset, admin):
    client = logged_in(admin)
    address = f"{BASE}content-copy/examples/"
    made = send(client, address, {"values": {"instruction": "a", "output": "b"}, "origin": {"note": "typo"}})
    assert (made.status_code, made.json()["state"], made.json()["origin"]) == (201, "proposed", {"note": "typo"})
    approve = f"{address}{made.json()['id']}/approve/"
    assert send(client, approve, {}).json()["state"] == "approved"
    again = send(client, approve, {})
    assert (again.status_code, again.json()) == (409, {"detail": "This example is already approved."})


@pytest.mark.parametrize(
    ("path", "data", "status", "words"),
    [
        ("", {"name": "Content copy"}, 409, "already has a dataset"),
        ("", {"name": ""}, 400, "blank"),
        ("content-copy/versions/", {}, 409, "nothing to freeze"),
        ("content-copy/versions/", {"shares": [1, 1, 1]}, 409, "add up to 1"),
        ("content-copy/versions/", {"shares": "most"}, 400, "list"),
        ("content-copy/examples/", {"values": {"instruction": "a", "output": ["b"]}}, 409, "The output is a list"),
        ("content-copy/examples/", {"values": "a"}, 400, "dictionary"),
    ],
)
def test_it_refuses_in_one_sentence(dataset, admin, path, data, status, words):
    response = send(logged_in(admin), BASE + path, data)
    assert response.status_code == status
    assert words in response.content.decode()


def test_it_refuses_files_as_the_pages_do(dataset, admin):
    client = logged_in(admin)
    address = f"{BASE}content-copy/imports/"
    broken = client.post(address, {"file": SimpleUploadedFile("a.json", b"[{")})
    assert (broken.status_code, "broken JSON" in broken.json()["detail"]) == (409, True)
    partly = client.post(address, {"file": upload(row(1), row(2, output="")), "policy": "all-or-nothing"})
    assert (partly.status_code, partly.json()["set_aside"], len(partly.json()["problems"])) == (409, 1, 1)
    assert not dataset.examples.exists()
    assert client.post(address, {}).status_code == 400
    assert client.post(address, {"file": upload(row(1)), "mapping": '{"nonsense": "x"}'}).status_code == 400
    mapped = client.post(
        address, {"file": upload({"q": "a", "a": "b"}), "mapping": '{"instruction": "q", "output": "a"}'}
    )
    assert mapped.json()["imported"] == 1


def test_it_keeps_the_doors_of_the_pages(dataset, example, pm, expert, outsider, client):
    reading = ["", "content-copy/", "content-copy/imports/", "content-copy/examples/",
               f"content-copy/examples/{example.pk}/", "content-copy/versions/", "content-copy/readiness/"]  # fmt: skip
    changing = ["", "content-copy/imports/", "content-copy/examples/", "content-copy/versions/",
                f"content-copy/examples/{example.pk}/reject/"]  # fmt: skip
    for person, reads, changes in ((pm, 200, 403), (expert, 403, 403), (outsider, 404, 404)):
        visitor = logged_in(person)
        assert {visitor.get(BASE + path).status_code for path in reading} == {reads}
        assert {send(visitor, BASE + path, {}).status_code for path in changing} == {changes}
        patched = send(visitor, f"{BASE}content-copy/examples/{example.pk}/", {"output": "x"}, "patch")
        assert patched.status_code == changes
    assert client.get(BASE).status_code in (401, 403)
    example.refresh_from_db()
    assert (example.output, example.state) == ("Answer", "approved")


def test_it_finds_nothing_of_another_project(dataset, example, outsider):
    actions.create_dataset(outsider.memberships.get().project, name="Theirs", by=outsider)
    address = f"/api/v1/projects/elsewhere/datasets/theirs/examples/{example.pk}/"
    assert logged_in(outsider).get(address).status_code == 404
    assert logged_in(outsider).get("/api/v1/projects/elsewhere/datasets/content-copy/").status_code == 404


def test_it_lists_in_a_constant_number_of_queries(
    dataset, admin, file, django_assert_num_queries, django_assert_max_num_queries
):
    client = logged_in(admin)
    actions.import_file(dataset, path=file(row(0)), file_name="rows.jsonl", by=admin)
    address = f"{BASE}content-copy/examples/"
    with django_assert_max_num_queries(14) as before:
        client.get(address)
    actions.import_file(dataset, path=file(*map(row, range(40))), file_name="rows.jsonl", by=admin)
    with django_assert_num_queries(len(before)):
        client.get(address)
    assert (Dataset.objects.count(), Example.objects.count()) == (1, 40)
