"""Exports by page, API and command: small ones at once, the others by a worker; who may, and what is refused."""

import csv
import io
import json
import zipfile
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.urls import reverse

from evalhub.datasets import actions
from evalhub.datasets.exporting import extracts, formats
from evalhub.datasets.exporting.extracts import Wanted, extract
from evalhub.datasets.exporting.formats import FORMATS, write_export, writing
from evalhub.errors import Refused
from evalhub.jobs.models import Job
from evalhub.jobs.tasks import work
from tests.conftest import logged_in
from tests.datasets.conftest import row
from tests.datasets.exporting.conftest import ROWS

API = "/api/v1/projects/content-copy/datasets/content-copy/exports/"
NAMED = {"project": "content-copy", "dataset": "content-copy"}


def page(dataset) -> str:
    return reverse("datasets:export", args=[dataset.project.slug, dataset.slug])


def body(response) -> bytes:
    return b"".join(response.streaming_content)


def ask(client, **values):
    return client.post(API, json.dumps(values), content_type="application/json")


# --- page ---------------------------------------------------------------------------------------
def test_it_offers_every_format_and_says_how_many(version, pm):
    seen = logged_in(pm).get(page(version.dataset), {"version": 1}).content.decode()
    assert all(one.label in seen for one in FORMATS.values())
    assert f"Export {len(ROWS)} examples" in seen


def test_it_sends_small_text_at_once(version, pm):
    response = logged_in(pm).post(page(version.dataset), {"version": 1, "split": "test", "format": "jsonl"})
    assert response["Content-Disposition"] == 'attachment; filename="content-copy-v1-test.jsonl"'
    lines = [json.loads(line) for line in body(response).splitlines()]
    assert [line["split"] for line in lines] == ["test"] * version.counts["test"]


def test_it_takes_out_what_a_filter_leaves_or_what_is_ticked(version, admin):
    client, dataset = logged_in(admin), version.dataset
    filtered = client.post(page(dataset), {"query": "category=sums", "format": "csv"})
    assert [one["output"] for one in csv.DictReader(io.StringIO(body(filtered).decode()))] == ["-2"]
    first, _, third = dataset.examples.order_by("pk").values_list("pk", flat=True)[:3]
    ticks = {"example": [f"{first}.1.approved", third]}  # as the table says them, or the id alone
    assert "Export 2 examples" in client.get(page(dataset), ticks).content.decode()
    ticked = client.post(page(dataset), {"ids": f"{first},{third}", "format": "jsonl", "shape": "prompt"})
    assert [json.loads(line)["completion"] for line in body(ticked).splitlines()] == ["-2", "+49 30 123"]


@pytest.mark.django_db(transaction=True)  # a worker shows life through a connection of its own
def test_a_large_export_and_a_workbook_are_written_by_a_worker(version, pm, monkeypatch):
    client = logged_in(pm)
    monkeypatch.setattr(formats, "SMALL", 3)
    for name in ("jsonl", "xlsx", "folder"):
        response = client.post(page(version.dataset), {"version": 1, "format": name})
        job = Job.objects.latest("pk")
        assert response.url == reverse("jobs:detail", args=["content-copy", job.pk])
        work(job.pk)
        job.refresh_from_db()
        assert (job.state, job.message) == ("succeeded", f"7 examples of Content copy v1 as {FORMATS[name].label}.")
        saved = client.get(reverse("jobs:output", args=["content-copy", job.pk]))
        assert len(body(saved)) == job.output.size > 100
    assert job.output_name == "content-copy-v1.zip"


def test_it_lets_nobody_else_take_anything_out(version, expert, outsider, client):
    for person, status in ((expert, 403), (outsider, 404)):
        assert logged_in(person).get(page(version.dataset)).status_code == status
        assert logged_in(person).post(page(version.dataset), {"format": "jsonl"}).status_code == status
        assert ask(logged_in(person)).status_code == status
    assert client.post(page(version.dataset), {"format": "jsonl"}).status_code == 302
    assert ask(client).status_code in (401, 403)


@pytest.mark.parametrize("values", [
    {"format": "odt"}, {"version": "9"}, {"version": "x"}, {"ids": "1,x"}, {"format": "csv", "shape": "messages"},
    {"query": "q=nowhere-to-be-found"}, {"version": "1", "split": "upper"},
])  # fmt: skip
def test_it_says_on_the_dataset_s_page_why_it_did_not(values, version, admin):
    response = logged_in(admin).post(page(version.dataset), {"format": "jsonl", **values}, follow=True)
    assert response.redirect_chain
    assert response.context["messages"]


# --- API ----------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)  # a worker shows life through a connection of its own
def test_the_api_answers_with_the_file_or_with_the_job(version, pm):
    client = logged_in(pm)
    answered = ask(client, version=1, format="jsonl", shape="messages")
    assert answered.status_code == 200
    assert json.loads(body(answered).splitlines()[0])["messages"][0]["role"] == "user"
    queued = ask(client, filter={"category": "sums"}, format="parquet")
    assert (queued.status_code, queued.json()["state"]) == (202, "queued")
    assert client.get(queued["Location"]).json()["id"] == queued.json()["id"]
    work(queued.json()["id"])
    assert client.get(queued["Location"]).json()["result"]["examples"] == 1
    assert body(client.get(f"{queued['Location']}output/"))[:4] == b"PAR1"


def test_the_api_refuses_in_a_sentence(version, pm):
    client = logged_in(pm)
    assert ask(client, version=9).json() == {"detail": "Content copy has no version 9.", "field": "version"}
    assert ask(client, version=1, format="odt").status_code == 400
    refused = ask(client, version=1, format="csv", shape="prompt")
    assert (refused.status_code, "one shape" in refused.json()["detail"]) == (409, True)


# --- command ------------------------------------------------------------------------------------
def test_the_command_writes_each_format_and_tells_a_script(version, capsys, tmp_path):
    for name, one in FORMATS.items():
        out = tmp_path / f"export{one.ending}"
        call_command("export_examples", **NAMED, number=1, format=name, out=out, json=True)
        told = json.loads(capsys.readouterr().out)
        assert told == {"dataset": "content-copy", "version": 1, "examples": len(ROWS), "file": str(out)}
        assert out.exists()
        out.unlink() if out.is_file() else out.rename(tmp_path / "kept")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "rows.jsonl"]


@pytest.mark.django_db(transaction=True)  # a worker shows life through a connection of its own
def test_the_command_lets_a_worker_write_and_fetches_the_file(version, capsys, tmp_path, monkeypatch):
    from evalhub.jobs import actions as waiting

    monkeypatch.setattr(waiting.time, "sleep", lambda seconds: [work(job.pk) for job in Job.objects.all()])
    call_command("export_examples", **NAMED, number=1, split="test", out=tmp_path / "x.jsonl", queue=True, json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["examples"] == version.counts["test"] == len((tmp_path / "x.jsonl").read_text().strip().split("\n"))


def test_the_command_refuses_and_leaves_nothing_half_written(version, tmp_path):
    with pytest.raises(CommandError, match="has no version 3"):
        call_command("export_examples", **NAMED, number=3, out=tmp_path / "x.jsonl")
    with pytest.raises(CommandError, match="has no dataset “none”"):
        call_command("export_examples", **{**NAMED, "dataset": "none"}, out=tmp_path / "x.jsonl")
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("export_examples", **NAMED, out=tmp_path / "missing" / "x.jsonl")
    with pytest.raises(CommandError, match="is there already"):
        call_command("export_examples", **NAMED, format="folder", out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


# --- files --------------------------------------------------------------------------------------
def test_no_cell_of_a_workbook_is_a_formula_and_long_texts_are_refused(version, admin, tmp_path):
    chosen, found = writing("xlsx"), extract(version.dataset, Wanted(number=1))
    write_export(found, chosen, tmp_path / "x.xlsx")
    with zipfile.ZipFile(tmp_path / "x.xlsx") as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        assert "<f>" not in sheet
        assert 'quotePrefix="1"' in book.read("xl/styles.xml").decode()
    example = version.dataset.examples.earliest("pk")
    for text, reason in (("x" * 40_000, "40,000 characters"), ("a\x0bb", r"U\+000B")):
        actions.edit_example(example, by=admin, values={"output": text})
        with pytest.raises(Refused, match=reason):
            write_export(extract(version.dataset, Wanted()), chosen, tmp_path / "y.xlsx")
    assert [path.name for path in tmp_path.glob("*.xlsx*")] == ["x.xlsx"]


def test_the_folder_names_its_files_as_the_hub_wants_them(version, tmp_path):
    write_export(extract(version.dataset, Wanted(number=1)), writing("folder"), tmp_path / "out")
    _, head, text = (tmp_path / "out" / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(head)
    files = card["configs"][0]["data_files"]
    assert [one["split"] for one in files] == ["train", "validation", "test"]
    assert all((tmp_path / "out" / one["path"]).is_file() for one in files)
    assert card["size_categories"] == ["n<1K"]
    assert version.data_hash in text
    assert version.dataset.credit in text


def test_examples_of_no_side_go_to_train(dataset, admin, file, tmp_path):
    actions.import_file(dataset, path=file(row(1), row(2, split="test")), file_name="rows.jsonl", by=admin)
    write_export(extract(dataset, Wanted()), writing("folder"), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "data").iterdir()) == ["test.parquet", "train.parquet"]


def test_it_reads_a_page_at_a_time(version, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(extracts, "PAGE", 2)
    with django_assert_num_queries(6):  # the version, three pages of two, the last one, and the end
        assert len(list(extract(version.dataset, Wanted(number=1)).rows())) == len(ROWS)


def test_it_tells_how_far_it_is(version, tmp_path):
    heard: list[tuple[int, int]] = []
    for name in FORMATS:
        found = extract(version.dataset, Wanted(number=1))
        write_export(found, writing(name), tmp_path / name, heard=lambda *told: heard.append(told))
        assert heard.pop() == (len(ROWS), len(ROWS))


def test_a_stop_leaves_no_file(version, tmp_path):
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    for name, one in FORMATS.items():
        with pytest.raises(KeyboardInterrupt):
            write_export(
                extract(version.dataset, Wanted()), writing(name), Path(tmp_path / f"x{one.ending}"), heard=stop
            )
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
