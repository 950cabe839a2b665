"""Deleting: refused by name while anything rests on it, otherwise done whole, logged, with the files of imports."""

import json

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.urls import reverse

from evalhub.accounts.models import AuditEvent
from evalhub.datasets import actions
from evalhub.datasets.actions import deleting
from evalhub.datasets.models import Dataset, Example, ImportBatch, Revision, Version, VersionExample
from evalhub.datasets.resting import resting_on
from evalhub.datasets.views import deleting as pages
from evalhub.errors import Refused
from evalhub.jobs.models import Job
from evalhub.jobs.tasks import work
from evalhub.runs.actions import store_answers
from tests.conftest import logged_in
from tests.datasets.conftest import row

API = "/api/v1/projects/content-copy/datasets/content-copy/"
NAMED = {"project": "content-copy", "dataset": "content-copy"}


@pytest.fixture
def filled(dataset, admin, file) -> Dataset:
    path = file(*(row(n, split="train" if n else "test") for n in range(6)))
    actions.import_file(dataset, path=path, file_name=path.name, by=admin)
    return dataset


@pytest.fixture
def version(filled, admin) -> Version:
    return actions.freeze_version(filled, by=admin, leak_reason="known")


@pytest.fixture
def answered(version, admin) -> Version:
    """A run rests on it."""
    key = version.entries.filter(split="test").first().values["key"]
    store_answers(version, name="Old model", by=admin, answers={key: "An answer"})
    return version


def test_an_example_goes_with_its_revisions(filled, admin):
    example = filled.examples.earliest("pk")
    actions.edit_example(example, by=admin, values={"output": "Else"})
    actions.delete_example(example, by=admin)
    assert filled.examples.count() == 5
    assert not Revision.objects.filter(example_id=example.pk).exists()
    assert AuditEvent.objects.get(verb="delete_example").details == {"key": "r0"}


def test_a_frozen_example_stays_and_the_sentence_says_where_it_is(version, admin):
    example = version.dataset.examples.earliest("pk")
    with pytest.raises(Refused, match=r"1 version \(“Content copy v1”\) rests on it. Reject it instead"):
        actions.delete_example(example, by=admin)
    assert Example.objects.filter(pk=example.pk).exists()


def test_a_version_goes_and_its_examples_stay(version, admin):
    actions.delete_version(version, by=admin)
    assert not Version.objects.exists()
    assert not VersionExample.objects.exists()
    assert Example.objects.count() == 6
    assert AuditEvent.objects.get(verb="delete_version").details["data_hash"] == version.data_hash


def test_the_number_of_a_version_that_is_gone_is_not_given_again(version, admin, project):
    dataset = version.dataset
    actions.delete_version(version, by=admin)
    assert "Freeze version 2" in logged_in(admin).get(address("detail")).content.decode()
    assert actions.freeze_version(dataset, by=admin, leak_reason="known").number == 2
    actions.delete_version(dataset.versions.get(), by=admin)
    assert actions.freeze_version(dataset, by=admin, leak_reason="known").number == 3
    other = actions.create_dataset(project, name="Other", by=admin)
    actions.approve(
        actions.propose_example(other, by=admin, values={"instruction": "A", "output": "B"}, origin={}), by=admin
    )
    assert actions.freeze_version(other, by=admin).number == 1


def test_a_version_with_a_run_stays_and_the_run_is_named(answered, admin):
    with pytest.raises(Refused, match=r"1 run \(“Old model: test of Content copy v1”\) rests on it"):
        actions.delete_version(answered, by=admin)
    assert answered.entries.count() == 6
    assert not AuditEvent.objects.filter(verb="delete_version").exists()


def test_a_study_that_shows_its_texts_is_named(answered, admin, expert):
    from evalhub.runs.models import GenerationRun
    from evalhub.studies.actions import create_study
    from evalhub.studies.design import ArmDesign

    key = answered.entries.filter(split="test").first().values["key"]
    store_answers(answered, name="New model", by=admin, answers={key: "Another"})
    arms = [ArmDesign(str(run), run, baseline=at == 0) for at, run in enumerate(GenerationRun.objects.order_by("pk"))]
    create_study(answered.dataset.project, name="Round 1", by=admin, arms=arms, raters=[expert], overlap=1)
    runs, studies = sorted(map(str, resting_on(answered)), reverse=True)
    assert studies == "1 study (“Round 1”)"
    assert runs == "2 runs (“Old model: test of Content copy v1”, “New model: test of Content copy v1”)"


def test_a_dataset_goes_with_everything_and_its_files(filled, admin, django_capture_on_commit_callbacks, monkeypatch):
    monkeypatch.setattr(deleting, "CHUNK", 2)
    name = ImportBatch.objects.get().file.name
    heard: list[tuple[int, int]] = []
    with django_capture_on_commit_callbacks(execute=True):
        actions.delete_dataset(filled, by=admin, progress=lambda *told: heard.append(told))
        assert default_storage.exists(name)
    assert heard == [(2, 6), (4, 6), (6, 6)]
    assert not any(model.objects.exists() for model in (Dataset, Example, ImportBatch))
    assert not default_storage.exists(name)
    assert AuditEvent.objects.get(verb="delete_dataset").details == {"name": "Content copy", "examples": 6}


def test_a_dataset_with_a_version_stays_whole(version, admin):
    with pytest.raises(Refused, match=r"1 version \(“Content copy v1”\) rests on it. Delete what rests on it first"):
        actions.delete_dataset(version.dataset, by=admin)
    assert Example.objects.count() == 6


def test_a_dataset_stays_while_an_import_is_under_way(filled, admin, file):
    actions.request_import(filled, path=file(row(9)), file_name="more.jsonl", by=admin)
    with pytest.raises(Refused, match="an import into it is under way"):
        actions.delete_dataset(filled, by=admin)
    assert filled.examples.count() == 6


def test_the_database_keeps_what_a_run_rests_on_that_came_in_between(answered, admin, monkeypatch):
    """The keys hold it, whatever was looked at before; and what holds it is then named."""
    found = iter([[], resting_on(answered)])
    monkeypatch.setattr(deleting, "resting_on", lambda row: next(found))
    with pytest.raises(Refused, match="Old model"):
        actions.delete_version(answered, by=admin)
    assert answered.entries.count() == 6


# --- doors --------------------------------------------------------------------------------------
def address(name: str, *more: object) -> str:
    return reverse(f"datasets:{name}", args=["content-copy", "content-copy", *more])


def test_the_page_asks_first_and_then_does_it(version, admin):
    client = logged_in(admin)
    assert "Delete version 1 of Content copy?" in client.get(address("delete_version", 1)).content.decode()
    assert Version.objects.exists()
    assert client.post(address("delete_version", 1)).url == address("detail")
    assert not Version.objects.exists()
    pk = Example.objects.earliest("pk").pk
    assert client.post(address("delete_example", pk)).url == address("detail")
    assert client.post(address("delete")).url == reverse("datasets:list", args=["content-copy"])
    assert not Dataset.objects.exists()


def test_the_page_names_what_rests_and_has_no_button_then(answered, admin):
    client = logged_in(admin)
    seen = client.get(address("delete_version", 1)).content.decode()
    assert "1 run (“Old model: test of Content copy v1”)" in seen
    assert "Delete it" not in seen
    refused = client.post(address("delete_version", 1), follow=True)
    assert "Old model" in refused.content.decode()
    assert Version.objects.exists()


@pytest.mark.django_db(transaction=True)  # a worker shows life through a connection of its own
def test_a_large_dataset_is_deleted_by_a_worker(filled, admin, monkeypatch):
    monkeypatch.setattr(pages, "AT_ONCE", 5)
    response = logged_in(admin).post(address("delete"))
    job = Job.objects.get(command="delete_dataset")
    assert response.url == reverse("jobs:detail", args=["content-copy", job.pk])
    work(job.pk)
    job.refresh_from_db()
    assert (job.state, job.message) == ("succeeded", "Content copy is deleted, with 6 examples.")
    assert not Dataset.objects.exists()


def test_the_api_deletes_or_says_what_rests_on_it(answered, admin):
    client = logged_in(admin)
    refused = client.delete(f"{API}versions/1/")
    assert (refused.status_code, "Old model" in refused.json()["detail"]) == (409, True)
    pk = answered.dataset.examples.earliest("pk").pk
    assert client.delete(f"{API}examples/{pk}/").status_code == 409
    assert client.delete(API).status_code == 409
    answered.generation_runs.get().run.delete()
    assert client.delete(f"{API}versions/1/").status_code == 204
    assert client.delete(f"{API}examples/{pk}/").status_code == 204
    assert client.delete(API).status_code == 204
    assert not Dataset.objects.exists()


def test_only_admins_delete(version, pm, expert, outsider, client):
    pk = version.dataset.examples.earliest("pk").pk
    doors = [address("delete"), address("delete_version", 1), address("delete_example", pk)]
    for person, status in ((pm, 403), (expert, 403), (outsider, 404)):
        assert {logged_in(person).post(door).status_code for door in doors} == {status}
        api = (API, f"{API}versions/1/", f"{API}examples/{pk}/")
        assert {logged_in(person).delete(door).status_code for door in api} == {status}
    assert {client.post(door).status_code for door in doors} == {302}
    assert Version.objects.exists()


def test_the_commands_delete_and_refuse(answered, capsys):
    with pytest.raises(CommandError, match="Old model"):
        call_command("delete_version", **NAMED, number=1)
    with pytest.raises(CommandError, match="Content copy v1"):
        call_command("delete_dataset", **NAMED)
    answered.generation_runs.get().run.delete()
    call_command("delete_version", **NAMED, number=1, json=True)
    assert json.loads(capsys.readouterr().out)["deleted"] is True
    call_command("delete_dataset", **NAMED)
    assert "Content copy is deleted, with 6 examples." in capsys.readouterr().out
    assert not Dataset.objects.exists()


def test_every_key_from_above_protects(db):
    """A room above that points at frozen data holds it; nothing of a study or a run goes with a version."""
    held = {VersionExample, Version}
    fields = [field for model in held for field in model._meta.get_fields(include_hidden=True)]
    ways_back = [field for field in fields if field.auto_created and field.is_relation]
    keys = [key for key in ways_back if key.related_model._meta.app_label != "datasets"]
    assert len(keys) >= 4
    assert {key.on_delete.__name__ for key in keys} == {"PROTECT"}
