"""Do: a job's row → its command → its row. And what the workers of every room share: knocking, sweeping, ending.

celery -A evalhub worker -Q cpu -B
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from celery import shared_task
from django.conf import settings
from django.db import DatabaseError, OperationalError
from django.utils import timezone

from evalhub.errors import Refused, as_refusal
from evalhub.jobs import lifecycle
from evalhub.jobs.files import clear_abandoned
from evalhub.jobs.keeping import clear_nameless, clear_old
from evalhub.jobs.lifecycle import Claim, Row, State, Superseded
from evalhub.jobs.models import Job, Lived
from evalhub.jobs.performing import carry_out
from evalhub.jobs.queue import tell_queue
from evalhub.upkeep import leaving

logger = logging.getLogger(__name__)
WAY_ON = "Nothing half-done was kept; try it again."


class Left(Exception):
    """This worker was asked to stop: the row goes back into the queue, with all that is stored."""


# --- shared -------------------------------------------------------------------------------------
def take_up(model: type[Lived], *, way_on: str) -> None:
    """What was lost: rows whose worker is gone, and rows whose message never arrived."""
    now = timezone.now()
    for row in lifecycle.lost(model, now):
        if lifecycle.give_up_on_worker(row, way_on=way_on):
            tell_queue(model, row.pk)
    for row in lifecycle.unsent(model, now):
        tell_queue(model, row.pk)


@contextmanager
def attended(claim: Claim[Row], *, broken: Callable[[Claim[Row], BaseException], None]) -> Iterator[None]:
    """However the work within ends, its row says so, or another worker goes on; `broken` tells of a fault of ours."""
    name = f"{claim.model._meta.model_name} {claim.pk}"
    try:
        yield
    except Superseded:
        logger.warning("%s was stopped, or taken over by another worker", name)
    except Refused as refusal:
        fail(claim, refusal.message)
    except Left:
        lifecycle.release(claim)
        tell_queue(claim.model, claim.pk)
    except (KeyboardInterrupt, SystemExit):
        lifecycle.release(claim)
        raise
    except Exception as error:
        if isinstance(error, OperationalError) and as_refusal(error) is None:
            raise  # the database is away: the row stays as it is, and the sweep takes it up again
        broken(claim, error)
        logger.exception("%s stopped", name)


def fail(claim: Claim[Row], sentence: str) -> None:
    """running → failed, if the row is still ours."""
    with suppress(DatabaseError, Superseded):
        lifecycle.finish(claim, State.FAILED, sentence[:1000])


def stay() -> None:
    """Raise Left where this worker was asked to stop."""
    if leaving.is_set():
        raise Left


# --- jobs ---------------------------------------------------------------------------------------
@shared_task(name="evalhub.jobs.tasks.perform")
def perform(job_id: int) -> None:
    """Carry out a job, if it still waits; a message that comes twice does nothing the second time.

    A worker that is to stop begins nothing: the sweep sends the message again.
    """
    if not leaving.is_set():
        work(job_id)


@shared_task(name="evalhub.jobs.tasks.sweep", expires=6 * settings.SWEEP_SECONDS)
def sweep() -> None:
    take_up(Job, way_on=WAY_ON)
    clear_old(timezone.now())
    clear_nameless(timezone.now())
    clear_abandoned()


def work(job_id: int) -> None:
    """Claim the job and bring it to an end; nothing happens if it is not ours to do."""
    claim = lifecycle.claim(Job, job_id, message="Getting ready.")
    if claim is None:
        return
    with attended(claim, broken=_broken):
        carry_out(claim, stay=stay)


def _broken(claim: Claim[Job], error: BaseException) -> None:
    told = as_refusal(error)
    fail(claim, told.message if told else f"A fault of evalhub itself ({type(error).__name__}: {error}). {WAY_ON}")
