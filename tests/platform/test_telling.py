"""What commands tell while they work and at their end: places a person can go to, bars that close however it ends."""

import json
import tempfile
from contextlib import redirect_stderr, suppress
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from evalhub.errors import Refused
from evalhub.jobs.models import Job
from evalhub.reports import words
from evalhub.reports.aggregates import build_report
from evalhub.runs import actions as runs
from evalhub.studies import actions as studies
from tests.jobs.conftest import own_files, worked_off
from tests.reports.ground import rated_study
from tests.studies.ground import arms_of, frozen_version

__all__ = ["own_files"]  # a fixture

PROJECT = "--project=content-copy"
QUEUED = ["--queue", "--no-wait"]


def ended(*arguments: str) -> Job:
    """The job of a command, as a worker left it."""
    call_command(*arguments, PROJECT, *QUEUED, stdout=StringIO())
    return worked_off()[0]


# --- where it is --------------------------------------------------------------------------------
def test_a_job_names_no_folder_of_its_worker(project, admin, tmp_path):
    study = rated_study(project, admin, items=6)
    for words_of in (
        ["export_ratings", study.slug, f"--out={tmp_path}/out.csv"],
        ["export_examples", "--dataset=Pages", f"--out={tmp_path}/out.jsonl"],
        ["report", study.slug, f"--out={tmp_path}/report"],
    ):
        job = ended(*words_of)
        assert (job.state, bool(job.output)) == ("succeeded", True)
        assert tempfile.gettempdir() not in f"{job.message} {job.lines} {json.dumps(job.result)}"


def test_the_terminal_is_told_where_the_file_is(project, admin, tmp_path):
    study = rated_study(project, admin, items=6)
    out = StringIO()
    call_command("export_ratings", study.slug, PROJECT, f"--out={tmp_path}/out.csv", stdout=out)
    assert f"It is in {tmp_path}/out.csv." in out.getvalue()


def test_a_finished_job_tells_the_result_and_links_to_it(project, admin, tmp_path):
    study = rated_study(project, admin, items=6)
    report = ended("report", study.slug)
    verdict = words.lede(build_report(study))
    assert (report.message, report.link) == (f"{study}: {verdict}", f"/p/content-copy/reports/{study.slug}/")
    values = ended("export_ratings", study.slug, f"--out={tmp_path}/out.csv")
    assert values.link == f"/p/content-copy/studies/{study.slug}/"


# --- bars ---------------------------------------------------------------------------------------
class Screen(StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def drawn(*arguments: str) -> str:
    """What a person at a terminal sees of the command's bars, whatever comes of it."""
    with redirect_stderr(screen := Screen()), suppress(CommandError):
        call_command(*arguments, PROJECT, stdout=StringIO())
    return screen.getvalue()


def test_a_report_shows_a_bar_though_it_writes_nothing(project, admin):
    study = rated_study(project, admin, items=6)
    seen = drawn("report", study.slug)
    assert f"Working out {study} [{'=' * 30}]" in seen
    assert seen.endswith("\n")


def begun(*_: object, progress: Any, **__: object) -> None:
    """An action that declines in the middle."""
    progress(1, 2)
    raise Refused("This is as far as it goes.")


def refused_reveal(*_: object, **__: object) -> None:
    raise Refused("This is as far as it goes.")


@pytest.fixture
def half_way(project, admin, expert, tmp_path, monkeypatch) -> dict[str, list[str]]:
    """{command: what it is asked}, of commands that are refused after their bar has begun."""
    version = frozen_version(project, admin)
    arms = arms_of(version, admin, "A", "B")
    runs_of = [arm.generation.run_id for arm in arms]
    draft = studies.create_study(project, name="Old", by=admin, arms=arms, raters=[expert], overlap=1)
    studies.open_study(draft, by=admin)
    for room, name in ((studies, "prepared_ratings"), (studies, "looked_through"), (runs, "matched_answers")):
        monkeypatch.setattr(room, name, begun)
    monkeypatch.setattr(runs, "perform", begun)
    monkeypatch.setattr(studies, "reveal", refused_reveal)
    rows = tmp_path / "rows.csv"
    rows.write_text("item,arm,rater,criterion,value\nq,a,x,clear,7\n")
    return {
        "import_ratings": [str(rows), "--study=Elsewhere"],
        "import_answers": [str(rows), "--name=Editors"],
        "open_study": ["--name=New", f"--arm=One={runs_of[0]}", f"--arm=Two={runs_of[1]}", "--overlap=1"],
        "close_study": ["Old", "--reveal"],
        "score": [f"--run={runs_of[0]}"],
    }


@pytest.mark.parametrize("name", ["import_ratings", "import_answers", "open_study", "close_study", "score"])
def test_a_refusal_begins_on_a_line_of_its_own(half_way, name):
    seen = drawn(name, *half_way[name])
    assert "1 of 2" in seen
    assert seen.endswith("\n")
