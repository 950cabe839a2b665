"""The life of an import: queued → running → succeeded | failed | cancelled; docs/decisions/imports.md: why its own.

Every step is one conditional UPDATE, and `attempt` is the fencing number: whoever took the import writes only while the
row still carries that attempt, so a worker that was given up for lost stores nothing more.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from evalhub.datasets.models import ImportBatch

State = ImportBatch.State
LIVE = (State.QUEUED, State.RUNNING)
LOSSES_ALLOWED = 2  # after the third lost worker an import fails
RESEND_AFTER = timedelta(seconds=20)
RESEND_AT_MOST = timedelta(seconds=60)
RESEND_BATCH = 20


class Superseded(Exception):
    """The import was taken from us: nothing more may be written, and what was not committed is undone."""


class Stopped(Superseded):
    """A person asked for the end of an import that stores in one transaction, in which its row cannot tell."""


@dataclass(frozen=True)
class Claim:
    """The right to work on an import, as long as its row carries this attempt."""

    batch_id: int
    attempt: int

    @property
    def held(self) -> QuerySet[ImportBatch]:
        return ImportBatch.objects.filter(pk=self.batch_id, state=State.RUNNING, attempt=self.attempt)

    def batch(self) -> ImportBatch:
        return ImportBatch.objects.select_related("dataset__project", "created_by").get(pk=self.batch_id)


def claim(batch_id: int) -> Claim | None:
    """queued → running; None if somebody else was quicker or there is nothing to do."""
    attempt = ImportBatch.objects.filter(pk=batch_id, state=State.QUEUED).values_list("attempt", flat=True).first()
    if attempt is None:
        return None
    won = ImportBatch.objects.filter(pk=batch_id, state=State.QUEUED, attempt=attempt).update(
        state=State.RUNNING, attempt=attempt + 1, heartbeat_at=timezone.now(), message="Reading the file."
    )
    return Claim(batch_id, attempt + 1) if won else None


def write(held: Claim, **values: Any) -> None:
    """Say that the import is alive, with what is new; raises Superseded if it is no longer ours."""
    if not held.held.update(heartbeat_at=timezone.now(), **values):
        raise Superseded


def finish(held: Claim, state: str, message: str) -> None:
    """running → a final state; raises Superseded."""
    write(held, state=state, message=message, finished_at=timezone.now(), eta_seconds=None)


def cancel(batch_id: int) -> bool:
    """queued or running → cancelled: its worker may write no more. False if it had ended."""
    live = ImportBatch.objects.filter(pk=batch_id, state__in=LIVE)
    return bool(live.update(state=State.CANCELLED, finished_at=timezone.now(), eta_seconds=None))


def again(batch_id: int) -> bool:
    """failed or cancelled → queued, to go on after the `done` rows. False if it is neither."""
    ended = ImportBatch.objects.filter(pk=batch_id, state__in=(State.FAILED, State.CANCELLED))
    return _released(ended, "Asked for again; waiting to go on.", losses=0, finished_at=None)


def stop_mark(batch_id: int, attempt: int) -> str:
    """The name in storage by which an attempt that stores in one transaction learns that it is to stop."""
    return f"imports/stop-{batch_id}-{attempt}"


@contextmanager
def asked_to_stop(batch: ImportBatch) -> Iterator[None]:
    """Meanwhile the worker of `batch` finds the mark and undoes its transaction, so that its row can be written."""
    if batch.policy != ImportBatch.Policy.ALL_OR_NOTHING or not batch.is_live:
        yield
        return
    attempt = batch.attempt + (batch.state == State.QUEUED)  # a worker may take it at this moment
    name = default_storage.save(stop_mark(batch.pk, attempt), ContentFile(b"stop"))
    try:
        yield
    finally:
        default_storage.delete(name)


def release(held: Claim) -> bool:
    """running → queued: its worker is going, another one goes on."""
    return _released(held.held, "Its worker was stopped; waiting to go on.")


def _released(rows: QuerySet[ImportBatch], message: str, **values: Any) -> bool:
    return bool(rows.update(state=State.QUEUED, message=message, sent_at=None, eta_seconds=None, **values))


def lost_imports(now: datetime) -> QuerySet[ImportBatch]:
    """Running imports that have been silent for too long."""
    silent = now - timedelta(seconds=settings.HEARTBEAT_SECONDS)
    running = ImportBatch.objects.filter(state=State.RUNNING).defer("problems")
    return running.filter(Q(heartbeat_at=None) | Q(heartbeat_at__lt=silent))


def give_up_on_worker(batch: ImportBatch) -> bool:
    """What becomes of an import whose worker is gone: queued again, to go on after the rows that are stored, or failed.

    False if the worker has shown life since `batch` was read, or is storing all rows in one transaction just now.
    """
    rows = Claim(batch.pk, batch.attempt).held.filter(heartbeat_at=batch.heartbeat_at)
    with transaction.atomic():
        if not _free(rows):
            return False
        if batch.losses < LOSSES_ALLOWED:
            return _released(rows, "Its worker was lost; waiting to go on.", losses=F("losses") + 1)
        sentence = (
            f"Its worker was lost {batch.losses + 1} times; the worker's log says why. What had been stored stays: "
            "import the same file again to complete it."
        )
        return bool(rows.update(state=State.FAILED, message=sentence, finished_at=timezone.now(), eta_seconds=None))


def _free(rows: QuerySet[ImportBatch]) -> bool:
    """Whether the row is there and no transaction holds it; where rows cannot be locked singly, whether it is there."""
    skip = connection.features.has_select_for_update_skip_locked
    return bool(rows.select_for_update(skip_locked=skip).values_list("pk"))


def unsent_imports(now: datetime) -> list[ImportBatch]:
    """Queued imports whose message seems lost: told to the queue 20 s ago or more, later less often, and not taken."""
    old = Q(sent_at=None, created_at__lt=now - RESEND_AFTER) | Q(sent_at__lt=now - RESEND_AFTER)
    queued = ImportBatch.objects.filter(state=State.QUEUED).filter(old).defer("problems").order_by("id")[:RESEND_BATCH]
    return [batch for batch in queued if _due(batch, now)]


def _due(batch: ImportBatch, now: datetime) -> bool:
    if batch.sent_at is None:
        return True
    return batch.sent_at < now - min(RESEND_AT_MOST, max(RESEND_AFTER, (batch.sent_at - batch.created_at) / 2))
