"""The life of a run: queued → running → succeeded | failed | cancelled.

Every step is one conditional UPDATE that says whether it won. `attempt` is the fencing number: whoever took the run
writes only while the row still carries that attempt, so a worker that was given up for dead can do no harm.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from evalhub.runs.models import Run

State = Run.State
LOSSES_ALLOWED = 2  # after the third lost worker a run fails
RESEND_AFTER = timedelta(seconds=20)
RESEND_AT_MOST = timedelta(seconds=60)
RESEND_BATCH = 20


@dataclass(frozen=True)
class Claim:
    """The right to work on a run, as long as its row carries this attempt."""

    run_id: int
    attempt: int

    @property
    def held(self) -> QuerySet[Run]:
        return Run.objects.filter(pk=self.run_id, state=State.RUNNING, attempt=self.attempt)

    def run(self) -> Run:
        return Run.objects.select_related("project", "requested_by").get(pk=self.run_id)


def claim(run_id: int) -> Claim | None:
    """queued → running; None if somebody else was quicker or there is nothing to do."""
    attempt = Run.objects.filter(pk=run_id, state=State.QUEUED).values_list("attempt", flat=True).first()
    if attempt is None:
        return None
    now = timezone.now()
    won = Run.objects.filter(pk=run_id, state=State.QUEUED, attempt=attempt).update(
        state=State.RUNNING,
        attempt=attempt + 1,
        started_at=Coalesce("started_at", now),
        heartbeat_at=now,
        message="Getting ready.",
    )
    return Claim(run_id, attempt + 1) if won else None


def beat(held: Claim, **progress: Any) -> bool:
    """Say that the run is alive, with what is known of its progress; false if it is no longer ours."""
    return bool(held.held.update(heartbeat_at=timezone.now(), **progress))


def finish(held: Claim, state: str, *, message: str = "", result: dict[str, Any] | None = None) -> bool:
    """running → a final state."""
    values: dict[str, Any] = {"result": result} if result is not None else {}
    return _finished(held.held, state, message, **values)


def release(held: Claim, *, message: str, lost: bool = False) -> bool:
    """running → queued, to be taken up again in the same folder; `lost` counts against the run."""
    return _released(held.held, message, lost=lost)


def _finished(rows: QuerySet[Run], state: str, message: str, **values: Any) -> bool:
    return bool(rows.update(state=state, message=message, finished_at=timezone.now(), eta_seconds=None, **values))


def _released(rows: QuerySet[Run], message: str, *, lost: bool) -> bool:
    return bool(
        rows.update(state=State.QUEUED, message=message, sent_at=None, eta_seconds=None, losses=F("losses") + int(lost))
    )


def request_cancel(run_id: int) -> str | None:
    """queued → cancelled, or a running run is asked to stop. The state that follows, None if it had ended."""
    now = timezone.now()
    if Run.objects.filter(pk=run_id, state=State.QUEUED).update(
        state=State.CANCELLED, cancel_requested_at=now, finished_at=now, message="Cancelled before it started."
    ):
        return State.CANCELLED
    asked = Run.objects.filter(pk=run_id, state=State.RUNNING).update(
        cancel_requested_at=Coalesce("cancel_requested_at", now)
    )
    return State.RUNNING if asked else None


def reopen(run_id: int) -> bool:
    """failed | cancelled → queued: a person wants to go on in the same folder."""
    return bool(
        Run.objects.filter(pk=run_id, state__in=[State.FAILED, State.CANCELLED]).update(
            state=State.QUEUED,
            cancel_requested_at=None,
            finished_at=None,
            sent_at=None,
            losses=0,
            message="Waiting to go on where it stopped.",
        )
    )


def lost_runs(now: datetime) -> QuerySet[Run]:
    """Running runs that have been silent for too long."""
    silent = now - timedelta(seconds=settings.HEARTBEAT_SECONDS)
    return Run.objects.filter(state=State.RUNNING).filter(Q(heartbeat_at=None) | Q(heartbeat_at__lt=silent))


def give_up_on_worker(run: Run) -> bool:
    """What becomes of a run whose worker is gone: cancelled if that was asked for, else queued, else failed.

    False if the worker has shown life since `run` was read.
    """
    rows = Claim(run.pk, run.attempt).held.filter(heartbeat_at=run.heartbeat_at)
    if run.cancel_requested_at:
        return _finished(rows, State.CANCELLED, "Cancelled; its worker had already gone.")
    if run.losses >= LOSSES_ALLOWED:
        return _finished(rows, State.FAILED, f"Its worker was lost {run.losses + 1} times; the worker's log says why.")
    return _released(rows, "Its worker was lost; waiting to go on in the same folder.", lost=True)


def unsent_runs(now: datetime) -> list[Run]:
    """Queued runs whose message seems lost: told to the queue 20 s ago or more, later less often, and not taken."""
    old = Q(sent_at=None, created_at__lt=now - RESEND_AFTER) | Q(sent_at__lt=now - RESEND_AFTER)
    queued = Run.objects.filter(state=State.QUEUED).filter(old).order_by("id")[:RESEND_BATCH]
    return [run for run in queued if _due(run, now)]


def _due(run: Run, now: datetime) -> bool:
    if run.sent_at is None:
        return True
    waited = min(RESEND_AT_MOST, max(RESEND_AFTER, (run.sent_at - run.created_at) / 2))
    return run.sent_at < now - waited
