"""A command in one step: it reads and compares first, seen by all, and its transaction only writes."""

import time
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evalhub.errors import Refused
from evalhub.jobs import performing
from evalhub.jobs.models import Job
from evalhub.runs import answerfiles
from evalhub.runs.models import Answer
from evalhub.studies import actions, intake
from evalhub.studies.models import RatingScore, Study
from tests.jobs.conftest import asked, worked_off
from tests.studies.ground import arms_of, frozen_version

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_worker_reads_outside_of_its_transaction_and_its_row_tells_how_far_it_is(ratings, admin, monkeypatch):
    seen, make = [], intake._made

    def watched(*arguments):
        until = time.monotonic() + 10
        while not (far := Job.objects.values_list("done", "total", "message").get())[0] and time.monotonic() < until:
            time.sleep(0.02)
        seen.append((connection.in_atomic_block, *far))
        return make(*arguments)

    monkeypatch.setattr(intake, "_made", watched)
    monkeypatch.setattr(performing, "BEAT_SECONDS", 0.05)
    asked(ratings(300))
    assert worked_off()[0].state == "succeeded"
    assert seen == [(False, 1200, 2400, "Reading ratings.csv")]
    assert RatingScore.objects.count() == 1200


def prepared(project, by, path: Path, name: str) -> intake.Intake:
    return actions.prepared_ratings(project, name=name, path=path, file_name=path.name, by=by)


def test_what_is_prepared_is_nowhere_yet_and_is_written_in_bulk(ratings, project, admin):
    few, many = (prepared(project, admin, ratings(size), f"Of {size}") for size in (2, 20))
    assert not Study.objects.exists()
    with CaptureQueriesContext(connection) as of_few:
        actions.store_ratings(few)
    with CaptureQueriesContext(connection) as of_many:
        actions.store_ratings(many)
    assert len(of_many) == len(of_few) < 25


def test_a_name_that_was_taken_meanwhile_is_refused(ratings, project, admin):
    first, second = (prepared(project, admin, ratings(), "Elsewhere") for _ in range(2))
    actions.store_ratings(first)
    with pytest.raises(Refused, match="already has a study named"):
        actions.store_ratings(second)
    assert RatingScore.objects.count() == 16


def test_a_worker_finds_the_examples_of_answers_outside_of_its_transaction(project, admin, tmp_path, monkeypatch):
    version, seen, match = frozen_version(project, admin), [], answerfiles.matched
    path = tmp_path / "answers.csv"
    path.write_text("key,output\n" + "\n".join(f"page-{n},Answer {n}" for n in range(6)))

    def watched(*arguments):
        seen.append((connection.in_atomic_block, Job.objects.get().message))
        return match(*arguments)

    monkeypatch.setattr(answerfiles, "matched", watched)
    call_command("import_answers", str(path), "--project=content-copy", "--name=Editors", "--queue", "--no-wait")
    job = worked_off()[0]
    assert (job.state, job.result["answers"]) == ("succeeded", 6)
    assert seen == [(False, "Matching the answers of Editors")]
    assert Answer.objects.filter(generation__version=version).count() == 6


def test_a_worker_looks_through_a_draft_outside_of_its_transaction(project, admin, expert, monkeypatch):
    arms = arms_of(frozen_version(project, admin), admin, "A", "B")
    draft = actions.create_study(project, name="Drawn up", by=admin, arms=arms, raters=[expert], overlap=1)
    seen, scan = [], actions.identity_warnings

    def watched(study, **options):
        seen.append(connection.in_atomic_block)
        return scan(study, **options)

    monkeypatch.setattr(actions, "identity_warnings", watched)
    call_command("open_study", "--project=content-copy", "--name=Drawn up", "--queue", "--no-wait")
    assert worked_off()[0].state == "succeeded"
    draft.refresh_from_db()
    assert (draft.state, seen) == ("open", [False])
