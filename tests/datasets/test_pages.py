"""The pages of the datasets room: who may enter, what they can do there, and what a newcomer walks through."""

import csv
import io
import json
import re

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from evalhub.datasets import actions
from evalhub.datasets.models import Change, Dataset, Example, ImportBatch, Version
from tests.conftest import logged_in
from tests.datasets.conftest import DEMO, row, worked_off

VALUES = {"instruction": "Ask", "input": "Secret text", "output": "Secret answer"}


def upload(*rows: dict | str, name: str = "rows.jsonl") -> SimpleUploadedFile:
    lines = [item if isinstance(item, str) else json.dumps(item) for item in rows]
    return SimpleUploadedFile(name, "\n".join(lines).encode())


def address(name: str, dataset: Dataset, *more: object) -> str:
    return reverse(f"datasets:{name}", args=[dataset.project.slug, dataset.slug, *more])


@pytest.fixture
def furnished(dataset, example, admin, file) -> Dataset:
    """A dataset with one approved example, one proposal, one import with a problem, one version."""
    path = file(row(1), row(2, output=""))
    actions.import_file(dataset, path=path, file_name="rows.jsonl", by=admin)
    actions.propose_example(dataset, by=admin, values=VALUES, origin={"study": "Round 2"})
    actions.freeze_version(dataset, by=admin)
    return dataset


def reading(dataset: Dataset) -> list[str]:
    """Every address that only shows."""
    batch, example = dataset.imports.get(), dataset.examples.get(state="proposed")
    return [
        reverse("datasets:list", args=[dataset.project.slug]),
        address("detail", dataset),
        address("batch", dataset, batch.pk),
        address("report", dataset, batch.pk, "csv"),
        address("report", dataset, batch.pk, "jsonl"),
        address("example", dataset, example.pk),
        address("examples", dataset),
        address("changes", dataset),
        address("examples_file", dataset),
        address("version", dataset, 1),
        address("version_file", dataset, 1, "all"),
    ]


def changing(dataset: Dataset) -> list[str]:
    """Every address that changes something."""
    pk = dataset.examples.get(state="proposed").pk
    return [
        reverse("datasets:create", args=[dataset.project.slug]),
        *(address(name, dataset) for name in ("describe", "freeze", "import", "store", "forget", "decide_many")),
        *(address(name, dataset) for name in ("do_bulk", "save_view", "review", "approvals")),
        *(address(name, dataset, pk) for name in ("edit", "decide", "act", "edit_reviewed", "hold", "comment")),
        address("undo", dataset, Change.objects.latest("pk").pk),
    ]


# --- doors --------------------------------------------------------------------------------------
def test_it_shows_everything_to_admin_and_pm(furnished, admin, pm):
    for person in (admin, pm):
        client = logged_in(person)
        assert {client.get(door).status_code for door in reading(furnished)} == {200}


def test_it_shows_experts_nothing_and_outsiders_not_even_that(furnished, expert, outsider, client):
    for door in reading(furnished):
        for person, status in ((expert, 403), (outsider, 404)):
            response = logged_in(person).get(door)
            assert response.status_code == status
            assert b"Secret" not in response.content
        assert client.get(door).status_code == 302


def test_it_lets_only_admins_change(furnished, pm, expert, outsider, client):
    before = (Dataset.objects.count(), Example.objects.count(), Version.objects.count())
    for door in changing(furnished):
        data = {"decision": "approve", "name": "New", "train": 80, "validation": 10, "test": 10, "seed": 8}
        assert logged_in(pm).post(door, data).status_code == 403
        assert logged_in(expert).post(door, data).status_code == 403
        assert logged_in(outsider).post(door, data).status_code == 404
        assert client.post(door, data).status_code == 302
    assert (Dataset.objects.count(), Example.objects.count(), Version.objects.count()) == before
    assert furnished.examples.filter(state="proposed").count() == 1


def test_it_offers_a_pm_no_buttons(furnished, pm):
    client = logged_in(pm)
    for door in [*reading(furnished)[:2], address("examples", furnished), address("changes", furnished)]:
        assert not re.search(r'<form[^>]*action="[^"]*(freeze|decide|edit|new)/', client.get(door).content.decode())
    assert client.get(address("file", furnished, furnished.imports.get().pk)).status_code == 403


@pytest.mark.parametrize("name", ["describe", "reject_leaks", "store", "forget", "decide_many"])
def test_it_changes_nothing_by_looking(furnished, admin, name):
    assert logged_in(admin).get(address(name, furnished)).status_code == 405


# --- the way in ---------------------------------------------------------------------------------
def test_it_walks_from_a_file_to_a_frozen_version(project, admin):
    client = logged_in(admin)
    empty = client.get(reverse("datasets:list", args=[project.slug]))
    assert "No datasets yet" in empty.content.decode()
    shipped = SimpleUploadedFile("content_copy.jsonl", DEMO.read_bytes())
    made = client.post(reverse("datasets:create", args=[project.slug]), {"name": "Content copy", "file": shipped})
    seen = client.get(made["Location"])
    assert "1,540 rows read, <b>no problems</b>, nothing stored yet" in seen.content.decode()
    assert not Example.objects.exists()
    asked = client.post(address("store", Dataset.objects.get()), {"file": seen.context["token"]})
    assert "the next free worker" in client.get(asked["Location"]).content.decode()
    worked_off()
    assert "1,540 of 1,540 rows were stored." in client.get(asked["Location"]).content.decode()
    assert default_storage.listdir("incoming")[1] == []
    dataset = Dataset.objects.get()
    detail = client.get(address("detail", dataset)).content.decode()
    assert "1,540 examples" in detail
    assert "Freeze version 1" in detail
    freeze = {"train": 80, "validation": 10, "test": 10, "seed": 7, "note": "first"}
    leaking = client.post(address("freeze", dataset), freeze)
    assert "nearly repeats what is tested" in " ".join(leaking.content.decode().split())
    actions.reject(dataset.examples.get(pk=leaking.context["leaks"][0].train), by=admin)
    frozen = client.post(address("freeze", dataset), freeze, follow=True).content.decode()
    assert "1,250" in frozen
    assert Version.objects.get().data_hash in frozen
    again = client.post(address("freeze", dataset), freeze).content.decode()
    assert "Version 1 already holds exactly these" in again


def preview_of(client, dataset: Dataset, sent: SimpleUploadedFile):
    return client.get(client.post(address("import", dataset), {"file": sent})["Location"])


def test_it_previews_problems_and_stores_the_rest(dataset, admin):
    client = logged_in(admin)
    seen = preview_of(client, dataset, upload(row(1), row(2, output=None), "{"))
    page = seen.content.decode()
    assert "3 rows read, <b>2 with problems</b>" in page
    assert "The output is empty." in page
    asked = client.post(address("store", dataset), {"file": seen.context["token"], "policy": "set-aside"})
    worked_off()
    result = client.get(asked["Location"])
    assert "1 of 3 rows were stored." in result.content.decode()
    assert "2 rows set aside" in result.content.decode()
    assert client.get(address("file", dataset, ImportBatch.objects.get().pk)).status_code == 200


def test_it_stores_nothing_where_all_or_nothing_was_asked(dataset, admin):
    client = logged_in(admin)
    seen = preview_of(client, dataset, upload(row(1), "{"))
    data = {"file": seen.context["token"], "policy": "all-or-nothing"}
    asked = client.post(address("store", dataset), data)
    worked_off()
    assert "nothing was stored" in client.get(asked["Location"]).content.decode()
    assert not dataset.examples.exists()


@pytest.mark.parametrize("counted", [True, False])
def test_it_says_once_that_the_columns_are_missing(dataset, admin, monkeypatch, counted):
    monkeypatch.setattr("evalhub.datasets.views.bringing.COUNTED_BYTES", 10_000 if counted else 0)
    rows = [json.dumps({"question": f"Why {n}?", "answer": "Because."}) for n in range(9)]
    seen = preview_of(logged_in(admin), dataset, upload(*rows)).content.decode()
    assert seen.count("found the columns question, answer; wanted are instruction and output") == 1
    assert "No column" not in seen
    assert "Rows with problems" not in seen
    assert "Say below which column is which" in seen


def test_it_lets_people_say_which_column_is_which(dataset, admin):
    client = logged_in(admin)
    seen = preview_of(client, dataset, upload("question,answer", "Why?,Because.", name="faq.csv"))
    assert "found the columns question, answer" in seen.content.decode()
    mapping = {"map-instruction": "question", "map-output": "answer"}
    again = client.get(address("preview", dataset), {"file": seen.context["token"], **mapping})
    assert "1 row read, <b>no problems</b>" in again.content.decode()
    client.post(address("store", dataset), {"file": seen.context["token"], **mapping})
    worked_off()
    assert dataset.examples.get().output == "Because."


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.jsonl", b"", "This file is empty."),
        ("a.jsonl", b" \n ", "it holds only white space"),
        ("a.png", b"\x89PNG\r\n\x1a\n\x00\x01\x02\x03", "is not a text file"),
        ("a.json", b"[{", "is broken JSON at line 1"),
        ("\udcff.csv", b"a\xff,b\nc,d\n", "found the columns"),
    ],
)
def test_it_answers_a_bad_file_with_one_sentence_and_a_way_on(dataset, admin, name, content, sentence):
    client = logged_in(admin)
    sent = SimpleUploadedFile(name.encode("utf-8", "replace").decode(), content)
    page = client.post(address("import", dataset), {"file": sent}, follow=True).content.decode()
    assert sentence in page
    assert 'type="file"' in page or "Upload another file" in page
    assert not dataset.examples.exists()


def test_it_survives_a_second_click_on_store(dataset, admin):
    client = logged_in(admin)
    token = preview_of(client, dataset, upload(row(1))).context["token"]
    first = client.post(address("store", dataset), {"file": token})
    second = client.post(address("store", dataset), {"file": token})
    assert first["Location"] == second["Location"]
    worked_off()
    again = client.post(address("store", dataset), {"file": token}, follow=True)
    assert "1 of 1 rows were stored." in again.content.decode()
    assert (ImportBatch.objects.count(), dataset.examples.count()) == (1, 1)


def test_it_keeps_an_upload_to_the_person_and_the_dataset(project, dataset, admin, file):
    token = preview_of(logged_in(admin), dataset, upload(row(1))).context["token"]
    other = actions.create_dataset(project, name="Other", by=admin)
    client = logged_in(admin)
    assert "no longer here" in client.post(address("store", other), {"file": token}, follow=True).content.decode()
    tampered = client.post(address("store", dataset), {"file": f"x{token}"}, follow=True)
    assert "no longer here" in tampered.content.decode()
    client.post(address("forget", dataset), {"file": token})
    assert default_storage.listdir("incoming")[1] == []


def test_it_says_which_name_is_taken_and_keeps_what_was_typed(dataset, admin):
    data = {"name": dataset.name, "description": "Kept words"}
    response = logged_in(admin).post(reverse("datasets:create", args=[dataset.project.slug]), data)
    assert response.status_code == 409
    assert "already has a dataset named" in response.content.decode()
    assert "Kept words" in response.content.decode()


def test_it_lets_people_note_source_and_licence(dataset, example, admin):
    client = logged_in(admin)
    page = client.post(address("describe", dataset), {"description": "Lines", "credit": "CC BY 4.0"}, follow=True)
    assert "CC BY 4.0" in page.content.decode()
    refused = client.post(address("describe", dataset), {"credit": "a\0"}, follow=True).content.decode()
    assert "characters that cannot be kept" in refused
    dataset.refresh_from_db()
    assert (dataset.description, dataset.credit) == ("Lines", "CC BY 4.0")


# --- finding ------------------------------------------------------------------------------------
@pytest.fixture
def mixed(dataset, admin, file) -> Dataset:
    rows = [row(n, task=["deck", "meta"][n % 2], split=["train", ""][n % 2]) for n in range(40)]
    actions.import_file(dataset, path=file(*rows), file_name="rows.jsonl", by=admin)
    actions.reject(dataset.examples.get(key="r3"), by=admin)
    return dataset


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 40), ({"q": "headline 3"}, 11), ({"q": "r39"}, 1), ({"category": "deck"}, 20), ({"state": "rejected"}, 1),
        ({"split": "train"}, 20), ({"split": "none"}, 20), ({"category": "meta", "state": "approved"}, 19),
        ({"state": "nonsense"}, 40), ({"q": "\0"}, 40), ({"flag": "conflicts"}, 0),
    ],
)  # fmt: skip
def test_it_filters_by_the_address(mixed, admin, query, count):
    page = logged_in(admin).get(address("examples", mixed), query).context
    assert (page["count"].number, len(page["lines"])) == (count, count)


def test_it_says_what_to_do_when_nothing_matches(mixed, admin):
    page = logged_in(admin).get(address("examples", mixed), {"q": "zebra"}).content.decode()
    assert "No example matches" in page
    assert "40 examples are here without the filters" in page


def test_it_swaps_only_the_table_for_a_filter(mixed, admin):
    headers = {"HX-Request": "true", "HX-Target": "examples"}
    page = logged_in(admin).get(address("examples", mixed), {"category": "deck"}, headers=headers).content.decode()
    assert "<b>20</b> of 40 match." in page
    assert "<html" not in page


def test_it_keeps_the_filter_while_paging(mixed, admin, monkeypatch):
    monkeypatch.setattr("evalhub.datasets.views.table.PER_PAGE", 10)
    page = logged_in(admin).get(address("examples", mixed), {"state": "approved"}).content.decode()
    assert "?state=approved&amp;after=" in page


def test_it_sends_a_filter_of_the_dataset_s_page_on_to_the_table(mixed, admin):
    response = logged_in(admin).get(address("detail", mixed), {"flag": "copies"})
    assert response["Location"] == address("examples", mixed) + "?flag=copies"


def test_it_lists_in_as_many_queries_for_three_datasets_as_for_one(
    project, furnished, admin, django_assert_num_queries, django_assert_max_num_queries
):
    client = logged_in(admin)
    door = reverse("datasets:list", args=[project.slug])
    client.get(door)
    with django_assert_max_num_queries(13) as one:
        client.get(door)
    for number in range(3):
        actions.create_dataset(project, name=f"Other {number}", by=admin)
    with django_assert_num_queries(len(one)):
        client.get(door)


def test_it_shows_a_dataset_in_few_queries_whatever_its_size(
    mixed, admin, file, django_assert_num_queries, django_assert_max_num_queries
):
    client = logged_in(admin)
    client.get(address("detail", mixed))
    with django_assert_max_num_queries(32) as before:
        client.get(address("detail", mixed))
    queries = len(before)
    actions.import_file(mixed, path=file(*(row(n) for n in range(100, 160))), file_name="more.jsonl", by=admin)
    client.get(address("detail", mixed))
    with django_assert_num_queries(queries):
        client.get(address("detail", mixed))


# --- review -------------------------------------------------------------------------------------
def test_it_shows_a_proposal_as_a_change_and_where_it_comes_from(dataset, example, admin):
    proposal = actions.propose_example(
        dataset,
        by=admin,
        values={"instruction": "Ask", "input": "Text", "output": "Better answer"},
        origin={"study": "R 2"},
    )
    page = logged_in(admin).get(address("example", dataset, proposal.pk)).content.decode()
    assert "<del>Answer</del>" in page
    assert "<ins>Better answer</ins>" in page
    assert "R 2" in page
    assert "Approve instead" in page


def test_it_decides_on_the_example_s_own_page_and_stays_there(dataset, admin):
    first, second = (
        actions.propose_example(dataset, by=admin, values={**VALUES, "output": f"A {n}"}, origin={}) for n in range(2)
    )
    client = logged_in(admin)
    response = client.post(address("decide", dataset, first.pk), {"decision": "approve"})
    assert response["Location"] == address("example", dataset, first.pk)
    again = client.post(address("decide", dataset, first.pk), {"decision": "approve"}, follow=True)
    assert "already approved" in again.content.decode()
    assert client.post(address("decide", dataset, second.pk), {"decision": "shrug"}, follow=True).status_code == 200
    assert dataset.examples.get(pk=second.pk).state == "proposed"
    client.post(address("decide", dataset, second.pk), {"decision": "replace"})
    assert dict(dataset.examples.values_list("pk", "state")) == {first.pk: "rejected", second.pk: "approved"}


def test_it_keeps_an_edit_and_what_was_typed_when_it_refuses(dataset, example, admin):
    client = logged_in(admin)
    data = {"instruction": "Ask", "input": "Text", "output": "New words", "revision": 1, "reason": "clearer"}
    page = client.post(address("edit", dataset, example.pk), data, follow=True).content.decode()
    assert "Kept as revision 2." in page
    assert "<ins>New words</ins>" in page
    stale = client.post(address("edit", dataset, example.pk), {**data, "output": "Lost?"})
    assert stale.status_code == 409
    assert "Somebody else changed" in stale.content.decode()
    assert "Lost?" in stale.content.decode()
    empty = client.post(address("edit", dataset, example.pk), {**data, "output": ""})
    assert empty.status_code == 400


def tick(example: Example) -> str:
    """What the table's box of an example says."""
    return f"{example.pk}.{example.revision_number}.{example.state}"


def test_it_decides_what_is_ticked_and_keeps_the_filter(mixed, admin):
    client, chosen = logged_in(admin), list(mixed.examples.all()[:3])
    shown = client.get(address("examples", mixed)).content.decode()
    assert all(f'name="example" value="{tick(each)}"' in shown for each in chosen)
    data = {"example": [*map(tick, chosen), "nonsense", "1.x.approved", f"{'9' * 30}.1.approved", str(chosen[0].pk)],
            "decision": "reject", "query": "state=approved"}  # fmt: skip
    response = client.post(address("decide_many", mixed), data)
    assert response["Location"].endswith("?state=approved")
    assert mixed.examples.filter(state="rejected").count() == 4 - (mixed.examples.get(key="r3") in chosen)
    none = client.post(address("decide_many", mixed), {"decision": "reject"}, follow=True)
    assert "Nothing was ticked" in none.content.decode()


def test_it_says_how_many_of_the_ticked_somebody_changed_meanwhile(mixed, admin):
    client, (read, edited) = logged_in(admin), list(mixed.examples.filter(state="approved")[:2])
    data = {"example": [tick(read), tick(edited)], "decision": "reject"}
    actions.edit_example(edited, by=admin, values={"output": "Quite different"})
    told = client.post(address("decide_many", mixed), data, follow=True).content.decode()
    assert "1 of 2 rejected. 1 left alone, because somebody changed them in the meantime." in told
    assert dict(mixed.examples.filter(pk__in=[read.pk, edited.pk]).values_list("pk", "state")) == {
        read.pk: "rejected", edited.pk: "approved",
    }  # fmt: skip
    assert "1 left alone: changed meanwhile" in client.get(address("changes", mixed)).content.decode()


def test_it_finds_no_example_of_another_dataset(project, dataset, example, admin):
    other = actions.create_dataset(project, name="Other", by=admin)
    client = logged_in(admin)
    assert client.get(address("example", other, example.pk)).status_code == 404
    client.post(address("decide_many", other), {"example": [tick(example)], "decision": "reject"})
    assert dataset.examples.get().state == "approved"


def test_it_escapes_what_examples_hold(dataset, admin, file):
    script = "<script>alert(1)</script>"
    path = file(row(1, input=f"Title: {script}", output=script, task=script, path=script))
    actions.import_file(dataset, path=path, file_name=f"{script}.jsonl", by=admin)
    client = logged_in(admin)
    found = dataset.examples.get()
    for door in (
        address("detail", dataset),
        address("example", dataset, found.pk),
        address("batch", dataset, 1 * found.batch_id),
    ):
        assert script not in client.get(door).content.decode()


# --- downloads ----------------------------------------------------------------------------------
def body(response) -> str:
    return b"".join(response.streaming_content).decode("utf-8-sig")


def test_it_saves_a_version_per_side(furnished, admin):
    lines = body(logged_in(admin).get(address("version_file", furnished, 1, "train"))).splitlines()
    assert {json.loads(line)["split"] for line in lines} == {"train"}
    every = body(logged_in(admin).get(address("version_file", furnished, 1, "all"))).splitlines()
    assert len(every) == Version.objects.get().counts["total"]


def test_it_saves_examples_as_csv_without_formulas(dataset, admin, file):
    path = file(row(1, output="=HYPERLINK(1)"), row(2, split="test"))
    actions.import_file(dataset, path=path, file_name="rows.jsonl", by=admin)
    text = body(logged_in(admin).get(address("examples_file", dataset)))
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["output"], second["split"]) == ("'=HYPERLINK(1)", "test")
    only = body(logged_in(admin).get(address("examples_file", dataset), {"split": "test"}))
    assert len(list(csv.DictReader(io.StringIO(only)))) == 1


def test_it_saves_problems_as_csv_without_formulas_and_as_jsonl(dataset, admin, file):
    actions.import_file(dataset, path=file(row(1), "=1+1"), file_name="rows.jsonl", by=admin)
    batch = dataset.imports.get()
    client = logged_in(admin)
    (line,) = csv.DictReader(io.StringIO(body(client.get(address("report", dataset, batch.pk, "csv")))))
    assert (line["line"], line["row"]) == ("2", "'=1+1")
    assert json.loads(body(client.get(address("report", dataset, batch.pk, "jsonl"))))["line"] == 2


def test_it_says_that_an_edit_proposes_again_what_was_decided(dataset, example, admin):
    actions.ask_second_approval(dataset, wanted=True, by=admin)
    actions.reject(example, by=admin)
    client, values = logged_in(admin), {"instruction": "Ask", "input": "Text", "output": "Better", "revision": 1}
    form = client.get(address("example", dataset, example.pk), {"edit": ""}).content.decode()
    assert "It is rejected; with other texts it is proposed again." in form
    page = client.post(address("edit", dataset, example.pk), values, follow=True).content.decode()
    assert "Kept as revision 2. It was rejected, and is proposed again." in page
    again = {**values, "output": "Best", "revision": 2}
    page = client.post(address("edit", dataset, example.pk), again, follow=True).content.decode()
    assert "Kept as revision 3." in page
    assert "proposed again" not in page
    path = f"/api/v1{address('detail', dataset).replace('/p/', '/projects/').replace('/data/', '/datasets/')}examples/"
    actions.reject(example, by=admin)
    answer = client.patch(f"{path}{example.pk}/", {"output": "Last"}, content_type="application/json").json()
    assert answer["state"] == "proposed"
