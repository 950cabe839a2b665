"""Commands as jobs: handed over, carried out once, told, refused, stopped, lost and taken up again."""

import json
import zipfile
from datetime import timedelta
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from evalhub import upkeep
from evalhub.accounts.commands import Told
from evalhub.accounts.models import AuditEvent, Membership
from evalhub.errors import Refused
from evalhub.jobs import actions, delivering, lifecycle, performing, tasks
from evalhub.jobs.files import WORK
from evalhub.jobs.keeping import clear_nameless, clear_old
from evalhub.jobs.models import Job
from evalhub.studies.models import RatingScore, Study
from evalhub.upkeep import leaving
from tests.jobs.conftest import INTO, asked, worked_off
from tests.reports.ground import rated_study
from tests.runs.test_worker import until

DATASET_VERBS = [
    ["freeze_version"], ["check_examples"], ["delete_dataset"], ["data_card"], ["delete_version", "--version=1"],
    ["compare_versions", "--from=1", "--to=2"], ["undo_change", "--change=1"], ["export_examples", "--out=a.jsonl"],
    ["bulk_examples", "--verb=approve"],
]  # fmt: skip


@pytest.fixture
def a_worker(monkeypatch):
    """Whoever waits for a job finds that a worker has come by."""
    monkeypatch.setattr(actions.time, "sleep", lambda seconds: worked_off())


def told(*arguments: str) -> dict:
    out = StringIO()
    call_command(*arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def silent(job: Job) -> None:
    """As if nothing had been heard of its worker for long."""
    Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - timedelta(seconds=31))


# --- what it does -------------------------------------------------------------------------------
@pytest.mark.usefixtures("admin")
def test_a_worker_does_what_the_terminal_would_and_tells_the_same(ratings, a_worker):
    here = told("import_ratings", str(ratings()), "--project=content-copy", "--study=Here")
    there = told("import_ratings", str(ratings()), *INTO, "--queue")
    job = Job.objects.get()
    assert there == here | {"study": "elsewhere", "job": job.pk}
    assert (job.state, job.attempt, job.title) == (
        "succeeded", 1, "Import the ratings in ratings.csv as the study Elsewhere",
    )  # fmt: skip
    assert job.link == "/p/content-copy/studies/elsewhere/"
    assert RatingScore.objects.count() == 2 * 16
    assert Study.objects.get(name="Elsewhere").facts == {"file": "ratings.csv"}


@pytest.mark.usefixtures("admin")
def test_without_waiting_it_tells_the_job(ratings):
    out = StringIO()
    call_command("import_ratings", str(ratings()), *INTO, "--queue", "--no-wait", stdout=out)
    job = Job.objects.get()
    assert out.getvalue().startswith(f"Job {job.pk} (Import the ratings in ratings.csv")
    assert (job.state, Study.objects.count()) == ("queued", 0)
    assert default_storage.exists(job.file.name)


@pytest.mark.usefixtures("admin")
def test_a_refusal_names_the_rows_and_leaves_nothing(ratings, a_worker, capsys):
    out = StringIO()
    with pytest.raises(CommandError, match="16 of 16 rows cannot be used"):
        call_command("import_ratings", str(ratings(value="x")), *INTO, "--queue", "--json", stdout=out)
    answer = json.loads(out.getvalue())
    assert answer["problems"][0] == {"line": 2, "field": "value", "reason": "“x” is not a number"}
    assert answer["error"].startswith("16 of 16 rows cannot be used")
    assert (Job.objects.get().state, Study.objects.count()) == ("failed", 0)


def test_what_it_writes_comes_to_the_place_that_was_asked_for(project, admin, tmp_path, a_worker):
    study = rated_study(project, admin, items=6)
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    assert told("export_ratings", study.slug, "--project=content-copy", f"--out={here}")["values"]
    answer = told("export_ratings", study.slug, "--project=content-copy", f"--out={there}", "--queue")
    assert answer["file"] == str(there)
    assert there.read_bytes() == here.read_bytes()
    assert not list(tmp_path.glob("*.part"))


def test_a_folder_arrives_as_a_folder(project, admin, tmp_path, a_worker):
    study = rated_study(project, admin, items=6)
    told("report", study.slug, "--project=content-copy", f"--out={tmp_path / 'here'}")
    told("report", study.slug, "--project=content-copy", f"--out={tmp_path / 'there'}", "--queue")
    names = {path.name for path in (tmp_path / "here").iterdir()}
    assert {path.name for path in (tmp_path / "there").iterdir()} == names
    assert "report.json" in names
    assert (tmp_path / "there/ratings.csv").read_bytes() == (tmp_path / "here/ratings.csv").read_bytes()


def test_missing_folders_are_made_for_what_a_worker_wrote(project, admin, tmp_path, a_worker):
    study = rated_study(project, admin, items=6)
    told("report", study.slug, "--project=content-copy", f"--out={tmp_path}/a/report", "--queue")
    told("export_ratings", study.slug, "--project=content-copy", f"--out={tmp_path}/b/ratings.csv", "--queue")
    assert (tmp_path / "a/report/ratings.csv").read_bytes() == (tmp_path / "b/ratings.csv").read_bytes()
    assert not [*tmp_path.rglob("*.part"), *tmp_path.rglob("*.zip")]


@pytest.mark.parametrize("name", [".", "", "b/.."])
def test_the_folder_where_one_stands_is_a_place_too(project, admin, tmp_path, a_worker, monkeypatch, name):
    study, here = rated_study(project, admin, items=6), tmp_path / "here"
    (here / "b").mkdir(parents=True)
    monkeypatch.chdir(here)
    told("report", study.slug, "--project=content-copy", f"--out={name}", "--queue")
    assert {"ratings.csv", "report.json"} <= {path.name for path in here.iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    assert Job.objects.get().options["out"] == "here"


def test_a_place_where_nothing_can_be_written_is_refused_before_anything_is_done(project, admin, tmp_path, monkeypatch):
    study = rated_study(project, admin, items=6)
    (tmp_path / "file").write_text("")
    verb = ["report", study.slug, "--project=content-copy", "--queue", "--no-wait"]
    for place, why in (("/", "names no file or folder"), (f"{tmp_path}/file/out/a", "file is no folder")):
        with pytest.raises(CommandError, match=why):
            told(*verb, f"--out={place}")
    monkeypatch.setattr(delivering.os, "access", lambda path, mode: mode == delivering.os.F_OK and path.exists())
    with pytest.raises(CommandError, match="you may not write into"):
        told(*verb, f"--out={tmp_path}/out/a")
    assert not Job.objects.exists()


@pytest.mark.usefixtures("admin")
def test_nothing_is_handed_over_that_must_fail(ratings):
    names = ["--project=content-copy", "--queue", "--no-wait"]
    for verb in (["close_study", "nope"], ["report", "nope"], ["export_ratings", "nope", "--out=a.csv"]):
        with pytest.raises(CommandError, match="There is no study “nope”"):
            told(*verb, *names)
    for verb in DATASET_VERBS:
        with pytest.raises(CommandError, match="has no dataset “Nope”"):
            told(*verb, "--dataset=Nope", *names)
    with pytest.raises(CommandError, match="is not a scale"):
        told("import_ratings", str(ratings()), "--study=S", "--scale=many", *names)
    with pytest.raises(CommandError, match="There is no such version"):
        told("import_answers", str(ratings()), "--name=Editors", *names)
    with pytest.raises(CommandError, match="compares 2 to 4 arms"):
        told("open_study", "--name=S", *names)
    assert not Job.objects.exists()


@pytest.mark.parametrize("name", ["..", ".", "/", "a/.."])
def test_a_job_writes_into_its_own_folder_or_not_at_all(project, admin, settings, tmp_path, name):
    settings.VAR = tmp_path  # others leave working copies of killed workers
    study = rated_study(project, admin, items=6)
    options = {"study": study.slug, "out": name}
    job = actions.request_job(project, command="report", title="Report", options=options, by=admin)
    worked_off()
    job.refresh_from_db()
    assert (job.state, job.output.name) == ("failed", "")
    assert "names no file or folder to write" in job.message
    assert not list((settings.VAR / WORK).iterdir())


def test_the_zip_file_of_a_folder_holds_that_folder_alone(project, admin):
    study = rated_study(project, admin, items=6)
    options = {"study": study.slug, "out": "../out"}
    job = actions.request_job(project, command="report", title="Report", options=options, by=admin)
    worked_off()
    job.refresh_from_db()
    with zipfile.ZipFile(job.output) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    assert (job.state, job.output_name) == ("succeeded", "out.zip")
    assert {"ratings.csv", "report.json"} <= names
    assert all(name.endswith((".csv", ".json", ".svg")) for name in names)


def test_a_right_that_was_taken_away_meanwhile_is_gone(ratings, admin):
    job = asked(ratings())
    Membership.objects.filter(user=admin).update(role="pm")
    worked_off()
    job.refresh_from_db()
    assert (job.state, Study.objects.count()) == ("failed", 0)
    assert "does not have the right to design studies any more" in job.message


def test_only_commands_of_the_loop_are_carried_out(project, admin):
    for verb in ("flush", "make_demo", "no_such_command"):
        job = actions.request_job(project, command=verb, title=verb, options={}, by=admin)
        tasks.work(job.pk)
        job.refresh_from_db()
        assert (job.state, job.message) == ("failed", f"There is no command “{verb}” that a worker could do.")


def test_the_same_request_twice_is_one_job(project, admin):
    ask = {"command": "freeze_version", "title": "Freeze", "options": {"dataset": "x"}, "by": admin}
    first = actions.request_job(project, **ask, request_key="k")
    assert actions.request_job(project, **ask, request_key="k") == first
    assert actions.request_job(project, **ask) != first


# --- its life -----------------------------------------------------------------------------------
@pytest.mark.usefixtures("admin")
def test_a_message_that_comes_twice_does_nothing_the_second_time(ratings):
    job = asked(ratings())
    tasks.perform(job.pk)
    tasks.perform(job.pk)
    job.refresh_from_db()
    assert (job.state, job.attempt, Study.objects.count()) == ("succeeded", 1, 1)


@pytest.mark.usefixtures("admin")
def test_a_worker_that_was_given_up_leaves_nothing_and_the_next_one_does_it(ratings, monkeypatch):
    job, first = asked(ratings()), []

    def overtaken(claim, told, command, options) -> None:
        monkeypatch.undo()
        first.append(Study.objects.count())
        Job.objects.filter(pk=job.pk).update(attempt=2)  # another worker has it
        keep(claim, told, command, options)

    keep = performing._keep
    monkeypatch.setattr(performing, "_keep", overtaken)
    tasks.work(job.pk)
    assert (first, Study.objects.count()) == ([1], 0)
    Job.objects.filter(pk=job.pk).update(state="queued")
    worked_off()
    job.refresh_from_db()
    assert (job.state, job.attempt, Study.objects.count()) == ("succeeded", 2, 1)


@pytest.mark.usefixtures("admin")
def test_it_waits_again_when_its_worker_is_lost_and_fails_at_the_third_time(ratings):
    job = asked(ratings())
    for state, losses in (("queued", 1), ("queued", 2), ("failed", 2)):
        assert lifecycle.claim(Job, job.pk)
        silent(job)
        tasks.sweep()
        job.refresh_from_db()
        assert (job.state, job.losses) == (state, losses)
    assert job.message.startswith("Its worker was lost 3 times")
    assert job.message.endswith("Nothing half-done was kept; try it again.")


def test_its_worker_looks_after_the_others_also_within_one_step(
    transactional_db, project, admin, settings, monkeypatch
):
    """A run whose worker is killed must not wait until the only other worker has ended its transaction."""
    done: list[str] = []

    def act(command, project, by, options):
        assert connection.in_atomic_block
        done.clear()
        until(lambda: len(done) >= len(settings.CELERY_BEAT_SCHEDULE), seconds=10)
        return Told({})

    settings.SWEEP_SECONDS = 0
    monkeypatch.setattr(performing, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(upkeep, "import_string", lambda name: lambda: done.append(name))
    monkeypatch.setattr("evalhub.datasets.management.commands.delete_dataset.Command.act", act)
    actions.request_job(project, command="delete_dataset", title="Delete", options={"dataset": "Copy"}, by=admin)
    assert worked_off()[0].state == "succeeded"
    assert {f"evalhub.{room}.tasks.sweep" for room in ("datasets", "jobs", "runs")} <= set(done)


def test_a_sweep_that_fails_is_no_fault_of_the_job_beside_it(settings, monkeypatch):
    settings.SWEEP_SECONDS = 0
    monkeypatch.setattr(upkeep, "import_string", lambda name: lambda: 1 / 0)
    upkeep.Upkeep()._do("evalhub.jobs.tasks.sweep")


@pytest.mark.usefixtures("admin")
def test_a_worker_that_is_to_stop_gives_it_back(ratings, monkeypatch):
    job = asked(ratings())
    monkeypatch.setattr(tasks, "stay", lambda: (_ for _ in ()).throw(tasks.Left))
    tasks.work(job.pk)
    job.refresh_from_db()
    assert (job.state, job.losses, Study.objects.count()) == ("queued", 0, 0)
    leaving.set()
    try:
        tasks.perform(job.pk)
    finally:
        leaving.clear()
    job.refresh_from_db()
    assert job.attempt == 1


def test_who_stops_it_leaves_nothing_and_it_can_be_tried_again(ratings, admin):
    job = actions.cancel_job(asked(ratings()), by=admin)
    assert (job.state, job.message) == ("cancelled", "Stopped by ines. Nothing of it was kept.")
    tasks.perform(job.pk)
    assert Study.objects.count() == 0
    assert actions.cancel_job(job, by=admin).state == "cancelled"
    assert actions.retry_job(job, by=admin).state == "queued"
    assert actions.retry_job(job, by=admin).state == "queued"
    worked_off()
    job.refresh_from_db()
    assert (job.state, Study.objects.count()) == ("succeeded", 1)
    with pytest.raises(Refused, match="already succeeded"):
        actions.cancel_job(job, by=admin)
    with pytest.raises(Refused, match="already succeeded"):
        actions.retry_job(job, by=admin)
    verbs = list(AuditEvent.objects.filter(target=f"job {job.pk}").order_by("pk").values_list("verb", flat=True))
    assert verbs == ["request_job", "cancel_job", "retry_job"]


def test_a_job_without_its_file_says_so(ratings, admin):
    job = asked(ratings())
    default_storage.delete(job.file.name)
    worked_off()
    job.refresh_from_db()
    assert (job.state, job.message) == ("failed", performing.GONE)
    with pytest.raises(Refused, match="no longer kept"):
        actions.retry_job(job, by=admin)


@pytest.mark.usefixtures("admin")
def test_who_stops_waiting_stops_no_job(ratings, monkeypatch):
    def interrupted(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(actions.time, "sleep", interrupted)
    with pytest.raises(CommandError, match="goes on without you"):
        call_command("import_ratings", str(ratings()), *INTO, "--queue")
    assert worked_off()[0].state == "succeeded"


@pytest.mark.usefixtures("admin")
def test_who_waits_hears_that_no_worker_takes_it(ratings, monkeypatch, capsys):
    naps, monotonic = iter(range(0, 1000, 5)), [0.0]

    def sleep(seconds):
        monotonic[0] = next(naps)
        if monotonic[0] > 100:
            raise KeyboardInterrupt

    monkeypatch.setattr(actions, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: monotonic[0]))
    with pytest.raises(CommandError, match="goes on without you"):
        call_command("import_ratings", str(ratings()), *INTO, "--queue")
    heard = [line[:42] for line in capsys.readouterr().err.splitlines() if "No worker" in line]
    assert heard == [f"No worker has taken it for {n} s: none runs" for n in (20, 40, 80)]


@pytest.mark.usefixtures("admin")
def test_not_to_wait_without_a_worker_is_refused(ratings):
    with pytest.raises(CommandError, match="--no-wait goes with --queue"):
        told("import_ratings", str(ratings()), *INTO, "--no-wait")
    assert not Study.objects.exists()


def test_a_command_knows_its_job_by_a_key(ratings, admin, monkeypatch):
    keys: list[str | None] = []

    def prepared(command, project, by, options):
        keys.append(command.request_key)
        return lambda: Told({})

    monkeypatch.setattr("evalhub.studies.management.commands.import_ratings.Command.prepared", prepared)
    job = asked(ratings())
    worked_off()
    assert keys == [f"job-{job.pk}"]


def test_a_command_that_declines_tells_its_facts_and_its_page_all_the_same(ratings, admin, monkeypatch):
    told = Told({"leaks": [1]}, error="It would leak.", link="/somewhere/")
    monkeypatch.setattr("evalhub.studies.management.commands.import_ratings.Command.prepared", lambda *_: lambda: told)
    job = asked(ratings())
    worked_off()
    job.refresh_from_db()
    assert (job.state, job.message, job.link) == ("failed", "It would leak.", "/somewhere/")
    assert job.result == {"leaks": [1], "error": "It would leak."}


def test_files_go_a_week_after_the_end_and_what_was_told_stays(ratings, admin):
    job = asked(ratings())
    worked_off()
    job.refresh_from_db()
    name, now = job.file.name, timezone.now()
    clear_old(now + timedelta(days=6))
    assert default_storage.exists(name)
    clear_old(now + timedelta(days=8))
    assert not default_storage.exists(name)
    job.refresh_from_db()
    assert (job.file.name, job.state, job.result["imported"]) == ("", "succeeded", 16)


def test_a_file_that_no_job_came_to_name_goes_after_a_day(project, admin, ratings, monkeypatch):
    study = rated_study(project, admin, items=6)
    with monkeypatch.context() as lost:
        lost.setattr(lifecycle, "finish", superseded)
        call_command("export_ratings", study.slug, "--project=content-copy", "--queue", "--no-wait", "--out=a.csv")
        worked_off()
    kept = asked(ratings())
    (nameless,), now = default_storage.listdir("jobs/out")[1], timezone.now()
    for hours, there in ((23, True), (25, False)):
        cache.clear()
        clear_nameless(now + timedelta(hours=hours))
        assert default_storage.exists(f"jobs/out/{nameless}") is there
        assert default_storage.exists(kept.file.name)


def superseded(*_: object, **__: object) -> None:
    """Its row was taken away just when it was to say how it ended."""
    raise lifecycle.Superseded


@pytest.mark.usefixtures("admin")
def test_folders_are_looked_through_once_an_hour_by_the_sweep(monkeypatch):
    looked = []
    monkeypatch.setattr(default_storage, "listdir", lambda folder: looked.append(folder) or ([], []))
    cache.clear()
    tasks.sweep()
    tasks.sweep()
    assert looked == ["jobs/in", "jobs/out"]
