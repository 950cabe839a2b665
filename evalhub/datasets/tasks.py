"""Do: an import's row → its file → examples → its row. Celery tasks that carry an import's number and nothing else.

celery -A evalhub worker -Q cpu -B
"""

import logging
import time
from contextlib import ExitStack

from celery import shared_task
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import OperationalError
from django.utils import timezone
from kombu.exceptions import ChannelError
from kombu.exceptions import OperationalError as BrokerError

from evalhub.datasets import incoming, lifecycle, storing
from evalhub.datasets.lifecycle import Claim, Superseded
from evalhub.datasets.models import ImportBatch
from evalhub.errors import Refused, as_refusal
from evalhub.upkeep import Upkeep, beating, leaving

logger = logging.getLogger(__name__)
QUEUE = "cpu"
BEAT_SECONDS = 1.0
State = ImportBatch.State
GONE = "The file of this import is no longer kept, so nothing more can be stored from it. Import it again."


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
    now = timezone.now()
    for batch in lifecycle.lost_imports(now):
        lifecycle.give_up_on_worker(batch)
    for batch in lifecycle.unsent_imports(now):
        knock(batch.pk)


def knock(batch_id: int) -> None:
    """Tell the queue that an import is worth a look. With the broker away nothing is lost: the sweep knocks again."""
    if not ImportBatch.objects.filter(pk=batch_id, state=State.QUEUED).update(sent_at=timezone.now()):
        return
    try:
        perform.apply_async((batch_id,), queue=QUEUE, retry=False)
    except (BrokerError, ChannelError, OSError) as error:
        logger.warning("The queue could not be told of import %s: %s", batch_id, error)


def work(batch_id: int) -> None:
    """Claim the import and bring it to an end; nothing happens if it is not ours to do."""
    claim = lifecycle.claim(batch_id)
    if claim is None:
        return
    try:
        _attend(claim)
    except Superseded:
        logger.warning("Import %s was stopped, or taken over by another worker", batch_id)
    except Refused as refusal:
        storing.fail(claim, refusal.message)
    except _Left:
        lifecycle.release(claim)
        knock(batch_id)
    except (KeyboardInterrupt, SystemExit):
        lifecycle.release(claim)
        raise
    except Exception as error:
        if isinstance(error, OperationalError) and as_refusal(error) is None:
            raise  # the database is away: the row stays as it is, and the sweep takes the import up again
        storing.stop(claim, error)
        logger.exception("Import %s stopped", batch_id)


def _attend(claim: Claim) -> None:
    batch, signs = claim.batch(), _Signs(claim)
    if not batch.file.name or not default_storage.exists(batch.file.name):
        raise Refused(GONE)
    with ExitStack() as stack:
        with beating(lambda: lifecycle.write(claim)):
            stored = stack.enter_context(default_storage.open(batch.file.name, "rb"))
            path = stack.enter_context(incoming.local_file(stored))
            found = storing.counted(path, name=batch.file_name, mapping=batch.mapping, heard=signs.counting)
        storing.store_file(claim, path, found, tell=signs.storing)


class _Left(Exception):
    """This worker was asked to stop: the import goes back into the queue, with all that is stored."""


class _Signs:
    """Signs of life while the file is counted and stored; and the others are looked after meanwhile."""

    def __init__(self, claim: Claim) -> None:
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


def stay() -> None:
    """Raise _Left where this worker was asked to stop."""
    if leaving.is_set():
        raise _Left
