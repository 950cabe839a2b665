"""Freezing by page, API, command and worker: the same version, once."""

import json

import pytest
from django.core.management import CommandError, call_command

from evalhub.datasets import actions
from evalhub.datasets.actions import versions
from evalhub.datasets.models import Version
from evalhub.jobs import lifecycle, performing, tasks
from evalhub.jobs.models import Job
from tests.conftest import logged_in
from tests.datasets.test_leakage import HOME, filled, leaking, page
from tests.jobs.conftest import worked_off

FORM = {"train": 90, "validation": 10, "test": 0, "seed": 7, "keep_test": "on", "note": "first"}
API = "/api/v1/projects/content-copy/datasets/content-copy/versions/"


@pytest.fixture(autouse=True)
def no_beats(monkeypatch):
    """No signs of life from a thread: within a test's transaction they would wait for its end."""
    monkeypatch.setattr(performing, "BEAT_SECONDS", 60)


@pytest.fixture
def large(monkeypatch):
    """Every dataset is one that a page does not wait for."""
    monkeypatch.setattr(versions, "AT_ONCE", 3)


# --- the page -----------------------------------------------------------------------------------
def test_a_double_click_freezes_once(dataset, admin, file):
    filled(dataset, admin, file, *map(page, range(20)))
    client = logged_in(admin)
    key = client.get(f"{HOME}freeze/").context["form"]["request_key"].value()
    places = {client.post(f"{HOME}freeze/", {**FORM, "request_key": key})["Location"] for _ in range(2)}
    assert places == {f"{HOME}versions/1/"}
    assert Version.objects.get().settings["min_test"] == 0


def test_the_same_form_filled_in_otherwise_is_another_request(dataset, admin, file):
    filled(dataset, admin, file, *map(page, range(20)))
    client = logged_in(admin)
    for seed in (1, 2):
        client.post(f"{HOME}freeze/", {**FORM, "seed": seed, "request_key": "k"})
    assert Version.objects.count() == 2


@pytest.mark.parametrize(
    ("change", "sentence", "status"),
    [
        ({"train": 80}, "add up to 100 per cent", 400),
        ({"seed": -1}, "greater than or equal to 0", 400),
        ({"min_test": 30}, "and 20 can be tested", 409),
        ({"replay": "nowhere@1"}, "nowhere@1", 400),
    ],
)
def test_what_is_wrong_stands_in_the_form_with_what_was_filled_in(dataset, admin, file, change, sentence, status):
    filled(dataset, admin, file, *map(page, range(20)))
    seen = logged_in(admin).post(f"{HOME}freeze/", {**FORM, **change})
    assert seen.status_code == status
    assert sentence in seen.content.decode()
    assert 'value="first"' in seen.content.decode()
    assert not Version.objects.exists()


def test_the_form_offers_the_versions_to_replay_from(project, dataset, admin, file):
    other = actions.create_dataset(project, name="General", by=admin)
    actions.freeze_version(filled(other, admin, file, *(page(100 + n, split="train") for n in range(20))), by=admin)
    filled(dataset, admin, file, *map(page, range(20)))
    client = logged_in(admin)
    assert '<option value="general@1">General v1</option>' in client.get(f"{HOME}freeze/").content.decode()
    sent = {**FORM, "replay": "general@1", "replay_percent": 25}
    made = client.post(f"{HOME}freeze/", sent)["Location"]
    seen = client.get(f"{made}?split=train").content.decode()
    assert "6 of train, from" in seen
    assert seen.count(">replayed</span>") == 6
    replayed = Version.objects.get(dataset=dataset).entries.filter(example__dataset=other).first()
    assert f"/p/content-copy/data/general/examples/{replayed.example_id}/" in seen


def test_a_benchmark_has_nothing_to_split(dataset, admin, file):
    filled(dataset, admin, file, *map(page, range(4)))
    actions.describe_dataset(dataset, by=admin, description="", credit="", is_benchmark=True)
    client = logged_in(admin)
    assert "all of it becomes a test set" in client.get(f"{HOME}freeze/").content.decode()
    assert client.post(f"{HOME}freeze/", {"note": "exam"}).status_code == 302
    assert Version.objects.get().counts["test"] == 4


# --- a worker -----------------------------------------------------------------------------------
def test_a_large_dataset_is_frozen_by_a_worker_as_the_form_says(large, dataset, admin, file):
    filled(dataset, admin, file, *map(page, range(40)))
    client = logged_in(admin)
    sent = {**FORM, "min_test": 8, "seed": 3, "request_key": "k"}
    places = {client.post(f"{HOME}freeze/", sent)["Location"] for _ in range(2)}
    job = Job.objects.get()
    assert places == {f"/p/content-copy/jobs/{job.pk}/"}
    assert not Version.objects.exists()
    [done] = worked_off()
    version = Version.objects.get()
    assert (done.state, done.result["version"], done.link) == ("succeeded", 1, f"{HOME}versions/1/")
    assert (version.note, version.counts["test"], version.settings["seed"]) == ("first", 8, 3)
    assert version.request_key == f"job-{job.pk}"


def test_a_worker_that_dies_after_storing_has_frozen_once(large, dataset, admin, file, monkeypatch):
    filled(dataset, admin, file, *map(page, range(10)))
    job = actions.request_freeze(dataset, by=admin, plan=versions.Plan())
    monkeypatch.setattr(performing, "_keep", lambda *_: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):
        tasks.work(job.pk)
    assert Version.objects.count() == 1
    monkeypatch.undo()
    [done] = worked_off()
    assert (done.state, done.result["version"]) == ("succeeded", 1)
    assert Version.objects.count() == 1


def test_a_job_that_is_stopped_while_it_stores_keeps_nothing(large, dataset, admin, file, monkeypatch):
    filled(dataset, admin, file, *map(page, range(10)))
    job = actions.request_freeze(dataset, by=admin, plan=versions.Plan())

    def stopped(signs, done, total):
        if done > total // 2:
            raise lifecycle.Stopped

    monkeypatch.setattr(performing.Signs, "__call__", stopped)
    tasks.work(job.pk)
    assert not Version.objects.exists()


def test_the_leaks_that_a_worker_found_are_shown_and_mended(large, dataset, admin, file):
    leaking(dataset, admin, file)
    filled(dataset, admin, file, page(9, split="train"))
    client = logged_in(admin)
    client.post(f"{HOME}freeze/", {**FORM, "seed": 21})
    [job] = worked_off()
    assert job.state == "failed"
    assert "nearly repeats" in job.message
    seen = client.get(job.link)
    text = seen.content.decode()
    assert '<mark class="only">elsewhere</mark>' in text
    sent = dict(seen.context["settings"])
    assert (sent["seed"], sent["note"], sent["keep_test"]) == (21, "first", "on")
    client.post(f"{HOME}freeze/", {**sent, "leak_reason": "Two agencies"})
    [done] = worked_off()
    assert done.state == "succeeded"
    assert Version.objects.get().settings["leaks"]["reason"] == "Two agencies"


def test_there_is_no_page_of_leaks_where_no_job_found_any(dataset, admin):
    assert logged_in(admin).get(f"{HOME}freeze/leaks/").status_code == 404


# --- API and command ----------------------------------------------------------------------------
def test_the_api_takes_every_setting(project, dataset, admin, file):
    other = actions.create_dataset(project, name="General", by=admin)
    actions.freeze_version(filled(other, admin, file, *(page(100 + n, split="train") for n in range(20))), by=admin)
    filled(dataset, admin, file, *map(page, range(40)))
    asked = {"min_test": 10, "replay": {"dataset": "general", "share": 0.2}, "seed": 5, "request_key": "k"}
    client = logged_in(admin)
    made = [client.post(API, json.dumps(asked), content_type="application/json") for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201]
    assert len({answer.json()["id"] for answer in made}) == 1
    told = made[0].json()
    assert (told["counts"]["test"], told["settings"]["replay"]["count"]) == (10, 7)


def test_the_api_lets_a_worker_freeze_a_large_dataset(large, dataset, admin, file):
    filled(dataset, admin, file, *map(page, range(10)))
    client = logged_in(admin)
    asked = client.post(API, "{}", content_type="application/json")
    assert asked.status_code == 202
    worked_off()
    assert client.get(asked["Location"]).json()["result"]["version"] == 1


def test_the_command_takes_every_setting(project, dataset, admin, file, capsys):
    other = actions.create_dataset(project, name="General", by=admin)
    actions.freeze_version(filled(other, admin, file, *(page(100 + n, split="train") for n in range(20))), by=admin)
    filled(dataset, admin, file, *map(page, range(40)))
    into = {"project": "content-copy", "dataset": "Content copy"}
    call_command("freeze_version", **into, min_test=10, replay="General@1", replay_share=0.2)
    assert "7 of train are replayed from General v1." in capsys.readouterr().out
    assert Version.objects.get(dataset=dataset).counts["test"] == 10
    with pytest.raises(CommandError, match="General has no version 4"):
        call_command("freeze_version", **into, replay="General@4")
