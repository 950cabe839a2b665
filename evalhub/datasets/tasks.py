"""Do: an import's row → its file → examples → its row. Celery tasks that carry an import's number and nothing else.

celery -A evalhub worker -Q cpu -B
"""

import time
from contextlib import ExitStack

from celery import shared_task
from django.conf import settings
from django.core.files.storage import default_storage

from evalhub.datasets import searching, storing
from evalhub.datasets.models import ImportBatch
from evalhub.errors import Refused, as_refusal
from evalhub.jobs import lifecycle
from evalhub.jobs.files import local_file
from evalhub.jobs.lifecycle import Claim
from evalhub.jobs.tasks import attended, fail, stay, take_up
from evalhub.upkeep import Upkeep, beating, leaving

BEAT_SECONDS = 1.0
INDEX_SECONDS = 30
GONE = "The file of this import is no longer kept, so nothing more can be stored from it. Import it again."
WAY_ON = "What had been stored stays: import the same file again to complete it."
STOPPED = "The import stopped in the middle. Import the same file again to complete it; no row will be there twice."


@shared_task(name="evalhub.datasets.tasks.perform")
def perform(batch_id: int) -> None:
    """Work on an import, if it still waits; a message that comes twice does nothing the second time.

    A worker that is to stop begins nothing: the sweep sends the message again.
    """
    if not leaving.is_set():
        work(batch_id)


@shared_task(name="evalhub.datasets.tasks.sweep", expires=6 * settings.SWEEP_SECONDS)
def sweep() -> None:
    """Take up what was lost: imports whose worker is gone, and imports whose message never arrived."""
    take_up(ImportBatch, way_on=WAY_ON)


@shared_task(name="evalhub.datasets.tasks.index", expires=6 * settings.SWEEP_SECONDS)
def index() -> None:
    """Take examples that came in since into the index of words, for half a minute at most (searching.py)."""
    began = time.monotonic()
    while not leaving.is_set() and time.monotonic() - began < INDEX_SECONDS and searching.index_texts():
        pass


def work(batch_id: int) -> None:
    """Claim the import and bring it to an end; nothing happens if it is not ours to do."""
    claim = lifecycle.claim(ImportBatch, batch_id, message="Reading the file.")
    if claim is None:
        return
    with attended(claim, broken=stop):
        _attend(claim)


def stop(claim: Claim[ImportBatch], error: BaseException) -> None:
    """running → failed, with the cause; a database that is full takes no message either."""
    fail(claim, f"{STOPPED} The cause: {as_refusal(error) or str(error) or 'it was interrupted.'}")


def _attend(claim: Claim[ImportBatch]) -> None:
    batch, signs = claim.row(), _Signs(claim)
    if not batch.file.name or not default_storage.exists(batch.file.name):
        raise Refused(GONE)
    with ExitStack() as stack:
        with beating(lambda: lifecycle.write(claim)):
            stored = stack.enter_context(default_storage.open(batch.file.name, "rb"))
            path = stack.enter_context(local_file(stored))
            found = storing.counted(
                path, name=batch.file_name, mapping=batch.mapping, policy=batch.policy, heard=signs.counting
            )
        storing.store_file(claim, path, found, tell=signs.storing)


class _Signs:
    """Signs of life while the file is counted and stored; and the others are looked after meanwhile."""

    def __init__(self, claim: Claim[ImportBatch]) -> None:
        self.claim, self.upkeep, self.last = claim, Upkeep(), time.monotonic()

    def counting(self, rows: int) -> None:
        stay()
        if time.monotonic() - self.last >= BEAT_SECONDS:
            self.last = time.monotonic()
            lifecycle.write(self.claim, message=f"Counting: {rows:,} rows so far.")
            self.upkeep()

    def storing(self, done: int, total: int) -> None:
        stay()
        self.upkeep()
