"""Do: row → folder → process → row. Celery tasks that carry a run's number and nothing else.

celery -A evalhub worker -Q cpu -B        celery -A evalhub worker -Q gpu
"""

import errno
import logging
import time
from pathlib import Path

from celery import shared_task
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone
from kombu.exceptions import ChannelError
from kombu.exceptions import OperationalError as BrokerError

from evalhub.errors import Refused
from evalhub.runs import lifecycle, results
from evalhub.runs.folders import prepared
from evalhub.runs.follow import Ending, Follower, Progress
from evalhub.runs.lifecycle import Claim
from evalhub.runs.models import Run
from evalhub.upkeep import Upkeep, beating, leaving
from runkit.folder import ERROR, EXIT_BUSY, EXIT_CANCELLED, RESULT, read_json

logger = logging.getLogger(__name__)
State = Run.State
CHILD_LOSSES_ALLOWED = 1
BUSY_PAUSE_SECONDS = 2.0


@shared_task(name="evalhub.runs.tasks.perform")
def perform(run_id: int) -> None:
    """Work on a run, if it still waits; a message that comes twice does nothing the second time.

    A worker that is to stop begins nothing: the sweep sends the message again.
    """
    if not leaving.is_set():
        work(run_id)


@shared_task(name="evalhub.runs.tasks.sweep", expires=6 * settings.SWEEP_SECONDS)
def sweep() -> None:
    """Take up what was lost: runs whose worker is gone, and runs whose message never arrived."""
    now = timezone.now()
    for run in lifecycle.lost_runs(now):
        lifecycle.give_up_on_worker(run)
    for run in lifecycle.unsent_runs(now):
        knock(run.pk)


def knock(run_id: int) -> None:
    """Tell the queue that a run is worth a look. With the broker away nothing is lost: the sweep knocks again."""
    queue = Run.objects.filter(pk=run_id, state=State.QUEUED).values_list("queue", flat=True).first()
    if queue is None:
        return
    Run.objects.filter(pk=run_id, state=State.QUEUED).update(sent_at=timezone.now())
    try:
        perform.apply_async((run_id,), queue=queue, retry=False)
    except (BrokerError, ChannelError, OSError) as error:
        logger.warning("The queue could not be told of run %s: %s", run_id, error)


def work(run_id: int, progress: Progress | None = None) -> None:
    """Claim the run and bring it to an end; nothing happens if it is not ours to do."""
    claim = lifecycle.claim(run_id)
    if claim is None:
        return
    try:
        _attend(claim, progress)
    except Refused as refusal:
        lifecycle.finish(claim, State.FAILED, message=refusal.message)
    except OSError as error:
        lifecycle.finish(claim, State.FAILED, message=storage_sentence(error))
        logger.exception("Run %s could not use its folder", run_id)
    except OperationalError:
        raise  # the database is away: the row stays as it is, and the sweep takes the run up again
    except KeyboardInterrupt:
        lifecycle.finish(claim, State.CANCELLED, message="Stopped from the keyboard.")
        raise
    except Exception as error:
        lifecycle.finish(claim, State.FAILED, message=f"A fault of evalhub itself ({type(error).__name__}: {error}).")
        raise


def storage_sentence(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "The disk is full; free some space, then resume: what was done so far is kept."
    return f"The run's files could not be used: {error.strerror or error}."


def _attend(claim: Claim, progress: Progress | None) -> None:
    run = claim.run()
    with beating(lambda: lifecycle.beat(claim)):
        folder = prepared(run)
    if (folder / RESULT).exists():  # the process had finished before its last worker was lost
        results.keep(claim, run, folder)
        return
    ending = Follower(claim, run, folder, progress=progress, upkeep=Upkeep()).follow()
    if not ending.superseded:
        settle(claim, run, folder, ending)


def settle(claim: Claim, run: Run, folder: Path, ending: Ending) -> None:
    """What becomes of the run now that its process has ended."""
    if (folder / RESULT).exists():
        results.keep(claim, run, folder)
    elif claim.held.filter(cancel_requested_at__isnull=False).exists():
        lifecycle.finish(claim, State.CANCELLED, message="Cancelled.")
    elif ending.code == EXIT_BUSY:
        time.sleep(BUSY_PAUSE_SECONDS)
        release(claim, "Another process still holds the run's folder; waiting for it to end.")
    elif ending.code == EXIT_CANCELLED or (ending.left and ending.code < 0):
        release(claim, "Stopped with its worker; waiting to go on.")
    elif ending.code < 0 or ending.stuck:
        _settle_killed(claim, run, ending)
    else:
        lifecycle.finish(claim, State.FAILED, message=reason(folder, ending))


def _settle_killed(claim: Claim, run: Run, ending: Ending) -> None:
    """Once it goes on by itself; the second time somebody has to look."""
    sentence = killed_sentence(run, ending)
    if run.losses < CHILD_LOSSES_ALLOWED:
        release(claim, f"{sentence} Going on in the same folder.", lost=True)
    else:
        lifecycle.finish(claim, State.FAILED, message=sentence)


def release(claim: Claim, message: str, *, lost: bool = False) -> None:
    """Back into the queue, and tell it."""
    if lifecycle.release(claim, message=message, lost=lost):
        knock(claim.run_id)


def killed_sentence(run: Run, ending: Ending) -> str:
    process = f"The {run.get_kind_display().lower()} process"
    if ending.stuck:
        return f"{process} said nothing for ten minutes and was stopped."
    if ending.code == -9:
        return f"{process} was killed (signal 9), most often for want of memory; a smaller batch or length helps."
    return f"{process} was killed (signal {-ending.code})."


def reason(folder: Path, ending: Ending) -> str:
    """The sentence that the program left, or that it left none."""
    told = (read_json(folder / ERROR) or {}).get("message")
    return str(told) if told else f"The process ended with status {ending.code} and left no reason; its log may tell."
