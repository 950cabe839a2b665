"""A real Celery worker imports; killed in the middle, the next one goes on after the rows that are stored."""

import os
import signal
import time

import pytest

from evalhub.datasets import actions
from evalhub.datasets.models import ImportBatch, Revision
from tests.datasets.conftest import row
from tests.runs.test_worker import start, until

__all__ = ["start"]  # a fixture

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ROWS = 60_000  # enough that the worker cannot be done between two looks


@pytest.fixture
def batch(dataset, admin, file) -> ImportBatch:
    path = file(*map(row, range(ROWS)), row(ROWS, output=""))
    return actions.request_import(dataset, path=path, file_name=path.name, by=admin)


def now(batch: ImportBatch) -> ImportBatch:
    batch.refresh_from_db()
    return batch


def test_it_stores_every_row_once_though_its_worker_is_killed(start, batch, dataset) -> None:
    worker = start()
    until(lambda: now(batch).state == "running" and batch.done >= 500)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert now(batch).state == "running"
    assert batch.done < ROWS
    start()
    until(lambda: not now(batch).is_live)
    assert (batch.state, batch.attempt, batch.losses) == ("succeeded", 2, 1)
    assert (batch.imported, batch.set_aside, batch.unchanged, batch.done) == (ROWS, 1, 0, ROWS + 1)
    assert dataset.examples.count() == Revision.objects.count() == ROWS
    assert len(batch.problems) == 1


def test_a_worker_that_is_stopped_gives_its_import_back(start, batch, dataset) -> None:
    worker = start()
    until(lambda: now(batch).state == "running" and batch.done >= 500)
    worker.terminate()
    worker.wait(20)
    assert (now(batch).state, batch.losses) == ("queued", 0)
    assert 500 <= batch.done == dataset.examples.count() < ROWS


@pytest.mark.parametrize("policy", ["set-aside", "all-or-nothing"])
def test_a_person_stops_it_within_five_seconds(start, dataset, admin, file, policy) -> None:
    path = file(*map(row, range(5 * ROWS)))
    batch = actions.request_import(dataset, path=path, file_name=path.name, by=admin, policy=policy)
    start()
    until(lambda: now(batch).state == "running" and batch.total > 0)
    asked = time.monotonic()
    actions.cancel_import(batch, by=admin)
    assert time.monotonic() - asked < 5
    time.sleep(2)
    assert (now(batch).state, batch.attempt) == ("cancelled", 1)
    assert dataset.examples.count() == batch.imported < 5 * ROWS
    assert batch.imported == 0 or policy == "set-aside"
