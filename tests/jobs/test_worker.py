"""A real Celery worker carries commands out: over files and Redis, killed in the middle, stopped by a person."""

import json
import os
import signal
import time
from io import StringIO

import pytest
from django.core.management import call_command

from evalhub.jobs import actions
from evalhub.jobs.models import Job
from evalhub.studies.models import RatingScore, Study
from tests.jobs.conftest import INTO, asked
from tests.runs.test_worker import SOON, broker, start, until

__all__ = ["broker", "start"]  # fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ITEMS = 4_000  # enough that the worker cannot be done between two looks


def now(job: Job) -> Job:
    job.refresh_from_db()
    return job


@pytest.mark.usefixtures("admin")
def test_the_command_waits_for_a_worker_and_tells_what_it_did(start, broker, ratings):
    start(broker)
    out = StringIO()
    call_command("import_ratings", str(ratings(40)), *INTO, "--queue", "--json", stdout=out)
    answer = json.loads(out.getvalue())
    assert (answer["imported"], answer["items"]) == (160, 40)
    assert Job.objects.get().state == "succeeded"


@pytest.mark.usefixtures("admin")
def test_it_is_done_once_though_its_worker_is_killed(start, ratings):
    job = asked(ratings(ITEMS))
    worker = start()
    until(lambda: now(job).state == "running")
    time.sleep(0.3)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert (now(job).state, Study.objects.count()) == ("running", 0)
    start()
    until(lambda: not now(job).is_live)
    assert (job.state, job.attempt, job.losses) == ("succeeded", 2, 1)
    assert (Study.objects.count(), RatingScore.objects.count()) == (1, 4 * ITEMS)


def test_a_person_stops_it_within_five_seconds(start, ratings, admin):
    job = asked(ratings(5 * ITEMS))
    start()
    until(lambda: now(job).state == "running")
    asked_at = time.monotonic()
    actions.cancel_job(job, by=admin)
    took = time.monotonic() - asked_at
    assert (now(job).state, Study.objects.count()) == ("cancelled", 0)
    assert took < SOON
    time.sleep(1)
    assert (now(job).state, Study.objects.count()) == ("cancelled", 0)
