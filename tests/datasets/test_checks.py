"""The checks as a run over a dataset: kept with thresholds and flags, asked for by page, API, command and import."""

import json

import pytest
from django.core.management import CommandError, call_command

from evalhub.accounts.models import AuditEvent
from evalhub.datasets import actions, checking
from evalhub.datasets.models import CheckRun, Dataset, Example, Flag
from evalhub.errors import Refused
from evalhub.jobs import tasks
from evalhub.jobs.models import Job
from evalhub.runs.actions import register_model
from tests.conftest import logged_in
from tests.datasets.conftest import row

PAGE = "/p/content-copy/data/content-copy/"
API = "/api/v1/projects/content-copy/datasets/content-copy/"
SENTENCES = (
    "The office opens at nine and closes at five on working days.",
    "A permit is needed for every stall that stands longer than a week.",
    "Write to the archive if you want to see a map from before the war.",
    "Our library lends tools, seeds and a small telescope to members.",
)


@pytest.fixture
def bring(dataset: Dataset, admin, file):
    """bring(rows…) imports these rows here and now."""

    def one(*rows: dict, into: Dataset = dataset) -> Dataset:
        path = file(*rows)
        actions.import_file(into, path=path, file_name=path.name, by=admin)
        return into

    return one


def task(number: int, **other: object) -> dict:
    text = SENTENCES[number % 4]
    usual = {
        "instruction": f"Summarise notice {number}.", "input": f"{text} Number {number}.",
        "output": f"Notice {number} in short: {text[:30]}", "source": f"s{number}",
    }  # fmt: skip
    return row(number, **{**usual, **other})


def kinds(run: CheckRun) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for key, kind in run.flags.values_list("example__key", "kind"):
        found.setdefault(kind, set()).add(key)
    return found


def worked_off() -> None:
    for job in Job.objects.filter(state="queued").order_by("pk"):
        tasks.work(job.pk)


# --- a run --------------------------------------------------------------------------------------
def test_it_flags_with_reasons_and_changes_no_example(bring, dataset, admin):
    bring(
        *(task(n) for n in range(6)),
        task(6, output="As an AI language model, I cannot help with that."),
        task(7, output="Write to anna.berg@nordwind-verlag.de about it."),
        row(8, instruction="Summarise notice 0.", input=task(0)["input"], output="Something else."),
    )
    before = list(Example.objects.values())
    run = actions.check_examples(dataset, by=admin)
    assert list(Example.objects.values()) == before
    found = kinds(run)
    assert found["refusals"] == {"r6"}
    assert found["personal"] == {"r7"}
    assert found["conflicts"] == {"r0", "r8"}
    reason = run.flags.get(kind="personal").reason
    assert "e-mail" in reason.lower()
    assert "anna.berg" not in reason
    assert (run.examples, run.report["total"], run.settings["too_few"]) == (9, 9, 500)
    assert AuditEvent.objects.get(verb="check_examples").details["examples"] == 9


def test_the_flags_of_the_run_before_go_and_its_report_stays(bring, dataset, admin):
    bring(task(0), task(1, output="As an AI language model, I cannot help with that."))
    first = actions.check_examples(dataset, by=admin)
    assert first.flags.exists()
    bad = dataset.examples.get(key="r1")
    actions.edit_example(bad, by=admin, values={"output": "Stalls need a permit after a week."})
    second = actions.check_examples(dataset, by=admin)
    assert not Flag.objects.filter(run=first).exists()
    assert not second.flags.filter(kind="refusals").exists()
    assert [run.pk for run in dataset.checks.all()] == [second.pk, first.pk]
    assert first.report["checks"]


def test_only_approved_examples_are_checked_or_those_of_a_filter(bring, dataset, admin):
    bring(*(task(n, category="a" if n < 4 else "b") for n in range(6)))
    actions.reject(dataset.examples.get(key="r0"), by=admin)
    assert actions.check_examples(dataset, by=admin).examples == 5
    part = actions.check_examples(dataset, by=admin, query="category=b")
    assert (part.examples, part.query) == (2, "category=b")
    known = checking.last_run(dataset)
    assert known
    assert known.examples == 5  # the panel speaks of all
    with pytest.raises(Refused, match="nothing to check"):
        actions.check_examples(dataset, by=admin, query="category=none")


def test_thresholds_are_kept_with_the_dataset_and_with_the_run(bring, dataset, admin):
    bring(*(task(n) for n in range(4)))
    actions.keep_thresholds(dataset, by=admin, thresholds={"too_few": 2, "enough": 4, "lopsided": 5})
    assert dataset.thresholds == {"too_few": 2, "enough": 4}  # the usual ones are not repeated
    run = actions.check_examples(dataset, by=admin)
    assert (run.settings["too_few"], run.settings["near_duplicate"]) == (2, 0.8)
    size = next(check for check in run.report["checks"] if check["key"] == "size")
    assert size["tone"] == "good"
    for wrong, sentence in (({"too_few": -1}, "must lie between"), ({"taste": 1}, "There is no threshold “taste”")):
        with pytest.raises(Refused, match=sentence):
            actions.keep_thresholds(dataset, by=admin, thresholds=wrong)


def test_copies_of_what_is_tested_are_found_in_train_but_not_in_the_test_itself(bring, dataset, admin, project):
    bring(*(task(n, split="test" if n < 2 else "train") for n in range(6)))
    actions.freeze_version(dataset, by=admin)
    assert "contamination" not in kinds(actions.check_examples(dataset, by=admin))
    other = actions.create_dataset(project, name="Later", by=admin)
    bring(task(0, id="copy"), task(9), into=other)
    assert kinds(actions.check_examples(other, by=admin))["contamination"] == {"copy"}


def test_a_benchmark_is_guarded(bring, dataset, admin, project):
    benchmark = actions.create_dataset(project, name="Exam", by=admin)
    bring(task(3), into=benchmark)
    Dataset.objects.filter(pk=benchmark.pk).update(is_benchmark=True)
    bring(*(task(n) for n in range(6)))
    run = actions.check_examples(dataset, by=admin)
    assert kinds(run)["contamination"] == {"r3"}
    assert "benchmark “Exam”" in run.flags.get(kind="contamination").reason


def test_lengths_are_in_tokens_of_the_model_that_is_named(bring, dataset, project, admin, settings):
    pytest.importorskip("tokenizers")
    bring(*(task(n) for n in range(3)), task(3, output="word " * 400))
    register_model(project, name="Small", reference=str(settings.BASE_DIR / "demo" / "base_model"), by=admin)
    run = actions.check_examples(dataset, by=admin, model="Small", thresholds={"max_tokens": 200})
    assert run.settings["tokenizer"] == "Small"
    assert {found["unit"] for found in run.report["lengths"]} == {"characters", "tokens"}
    assert kinds(run)["truncated"] == {"r3"}
    for verb in (actions.check_examples, actions.request_check):
        with pytest.raises(Refused, match="“Large” has no tokenizer on this machine; there are Small"):
            verb(dataset, by=admin, model="Large")
    client = logged_in(admin)
    assert "tokens of Small" in client.get(PAGE).content.decode()
    client.post(f"{PAGE}checks/ask/", {"model": "Small"})
    worked_off()
    assert dataset.checks.first().settings["tokenizer"] == "Small"


# --- asked for ----------------------------------------------------------------------------------
def test_an_import_asks_for_one_and_asking_again_is_the_same(bring, dataset, admin, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        bring(task(0), task(1))
    job = Job.objects.get()
    assert (job.command, job.options["dataset"], job.created_by) == ("check_examples", "content-copy", admin)
    assert actions.request_check(dataset, by=admin) == job
    worked_off()
    job.refresh_from_db()
    assert job.state == "succeeded"
    assert job.message.startswith("2 examples of Content copy checked")
    assert job.link == f"{PAGE}checks/{CheckRun.objects.get().pk}/"


def test_the_page_says_what_is_known_and_follows_a_run(bring, dataset, admin, pm, expert, outsider):
    bring(*(task(n) for n in range(3)))
    client = logged_in(admin)
    assert "have not been checked yet" in client.get(PAGE).content.decode()
    client.post(f"{PAGE}checks/ask/")
    page = client.get(PAGE).content.decode()
    assert f'hx-get="{PAGE}checks/panel/"' in page
    assert "Waiting for a worker" in client.get(f"{PAGE}checks/panel/").content.decode()
    worked_off()
    assert client.get(f"{PAGE}checks/panel/").headers["HX-Refresh"] == "true"
    page = client.get(PAGE).content.decode()
    assert "tuning is advised against" in page
    assert "3 approved examples, checked" in page
    run = CheckRun.objects.get()
    whole = client.get(f"{PAGE}checks/{run.pk}/").content.decode()
    assert "Usually 500." in whole
    figures = [part.split('"')[0] for part in whole.split('data-chart="')[1:] if part.startswith("/p/")]
    assert len(figures) >= 5
    for address in figures:
        assert client.get(address).json()["$schema"].endswith("v6.json")
    assert client.get(f"{PAGE}checks/{run.pk}/nothing.json").status_code == 404
    assert logged_in(pm).get(f"{PAGE}checks/{run.pk}/").status_code == 200
    assert logged_in(pm).post(f"{PAGE}checks/ask/").status_code == 403
    assert logged_in(expert).get(f"{PAGE}checks/{run.pk}/").status_code == 403
    assert logged_in(outsider).get(f"{PAGE}checks/{run.pk}/").status_code == 404


def test_the_page_tells_how_many_changed_since(bring, dataset, admin):
    bring(*(task(n) for n in range(3)))
    actions.check_examples(dataset, by=admin)
    actions.reject(dataset.examples.get(key="r1"), by=admin)
    assert "1 example changed since" in logged_in(admin).get(PAGE).content.decode()


def test_thresholds_by_page(bring, dataset, admin, pm):
    bring(*(task(n) for n in range(3)))
    client = logged_in(admin)
    client.post(f"{PAGE}checks/thresholds/", {"too_few": "2", "enough": "3"})
    dataset.refresh_from_db()
    assert dataset.thresholds == {"too_few": 2, "enough": 3}
    assert Job.objects.filter(command="check_examples").count() == 1
    client.post(f"{PAGE}checks/thresholds/", {"too_few": "9", "enough": "3"})
    dataset.refresh_from_db()
    assert dataset.thresholds == {"too_few": 2, "enough": 3}
    assert logged_in(pm).post(f"{PAGE}checks/thresholds/", {"too_few": "2"}).status_code == 403


def test_the_address_of_the_thresholds_leads_to_where_they_stand(bring, dataset, admin, outsider):
    client, door = logged_in(admin), f"{PAGE}checks/thresholds/"
    assert client.get(door)["Location"] == PAGE
    bring(*(task(n) for n in range(3)))
    run = actions.check_examples(dataset, by=admin)
    assert client.get(door)["Location"] == f"{PAGE}checks/{run.pk}/#thresholds"
    assert 'id="thresholds"' in client.get(door, follow=True).content.decode()
    assert logged_in(outsider).get(door).status_code == 404


def test_the_api_does_it_too(bring, dataset, admin, pm):
    bring(*(task(n) for n in range(3)), task(3, output="As an AI language model, I cannot help with that."))
    client = logged_in(admin)
    asked = client.post(f"{API}checks/", {}, content_type="application/json")
    assert asked.status_code == 202
    assert client.get(asked.headers["Location"]).json()["state"] == "queued"
    worked_off()
    (run,) = client.get(f"{API}checks/").json()["results"]
    assert client.get(f"{API}checks/{run['id']}/").json()["report"]["total"] == 4
    flags = client.get(f"{API}checks/{run['id']}/flags/?kind=refusals").json()["results"]
    assert [flag["example"] for flag in flags] == [dataset.examples.get(key="r3").pk]
    ready = client.get(f"{API}readiness/").json()
    assert (ready["total"], ready["check"], ready["changed"], ready["running"]) == (4, run["id"], 0, False)
    kept = client.put(f"{API}thresholds/", {"too_few": 2, "enough": 3}, content_type="application/json").json()
    assert (kept["too_few"], kept["near_duplicate"]) == (2, 0.8)
    assert client.put(f"{API}thresholds/", {"taste": 1}, content_type="application/json").status_code == 409
    assert logged_in(pm).post(f"{API}checks/", {}, content_type="application/json").status_code == 403


def test_the_command_tells_people_and_scripts(bring, dataset, admin, capsys):
    bring(*(task(n) for n in range(3)), task(3, output="As an AI language model, I cannot help with that."))
    ask = {"project": "content-copy", "dataset": "Content copy"}
    call_command("check_examples", **ask)
    told = capsys.readouterr()
    assert "4 examples of Content copy checked" in told.out
    assert "Refusals" in told.out
    assert "Checking Content copy [" in told.err
    call_command("check_examples", **ask, json=True, chosen=["too_few=1", "enough=2"])
    answer = json.loads(capsys.readouterr().out)
    assert answer["flags"]["refusals"] == 1
    assert answer["settings"]["too_few"] == 1
    assert answer["examples"] == 4
    for chosen, sentence in ((["too_few"], "has no equals sign"), (["taste=1"], "There is no threshold")):
        with pytest.raises(CommandError, match=sentence):
            call_command("check_examples", **ask, chosen=chosen)


def test_a_filter_is_checked_by_its_page_and_its_flags_stand_there(bring, dataset, admin):
    refusal = "As an AI language model, I cannot help with that."
    bring(*(task(n, category="a") for n in range(3)), task(3, category="b", output=refusal))
    client = logged_in(admin)
    assert "Check these" in client.get(f"{PAGE}examples/?category=b").content.decode()
    asked = client.post(f"{PAGE}checks/ask/", {"query": "category=b"})
    assert asked.headers["Location"].startswith("/p/content-copy/jobs/")
    worked_off()
    run = CheckRun.objects.get()
    page = client.get(f"{PAGE}checks/{run.pk}/").content.decode()
    assert "category=b" in page
    assert "<b>Refusals.</b>" in page
    assert "have not been checked yet" in client.get(PAGE).content.decode()


def test_a_run_whose_worker_dies_before_it_could_say_so_is_not_made_twice(bring, dataset, admin):
    bring(*(task(n) for n in range(3)))
    job = actions.request_check(dataset, by=admin)
    first = actions.check_examples(dataset, by=admin, request_key=f"job-{job.pk}")  # and then the worker was killed
    worked_off()
    job.refresh_from_db()
    assert job.state == "succeeded"
    assert job.link == f"{PAGE}checks/{first.pk}/"
    assert CheckRun.objects.count() == AuditEvent.objects.filter(verb="check_examples").count() == 1
