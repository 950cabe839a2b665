"""The life of what workers do: queued → running → succeeded | failed | cancelled (docs/decisions/jobs.md).

Every step is one conditional UPDATE, and `attempt` is the fencing number: whoever took the row writes only while it
still carries that attempt, so a worker that was given up for lost stores nothing more.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from evalhub.jobs.models import Lived

State = Lived.State
LIVE = (State.QUEUED, State.RUNNING)
LOSSES_ALLOWED = 2  # after the third lost worker a row fails
RESEND_AFTER = timedelta(seconds=20)
RESEND_AT_MOST = timedelta(seconds=60)
RESEND_BATCH = 20
Row = TypeVar("Row", bound=Lived)


class Superseded(Exception):
    """The row was taken from us: nothing more may be written, and what was not committed is undone."""


class Stopped(Superseded):
    """A person asked for the end of work that is one transaction, in which its row cannot tell."""


@dataclass(frozen=True)
class Claim(Generic[Row]):
    """The right to work on a row, as long as it carries this attempt."""

    model: type[Row]
    pk: int
    attempt: int

    @property
    def held(self) -> QuerySet[Row]:
        return rows_of(self.model).filter(pk=self.pk, state=State.RUNNING, attempt=self.attempt)

    def row(self, *related: str) -> Row:
        return rows_of(self.model).select_related("created_by", *related).get(pk=self.pk)

    @property
    def wants_end(self) -> bool:
        """Whether a person asked this attempt to stop, by the mark in storage."""
        return default_storage.exists(stop_mark(self.model, self.pk, self.attempt))


def rows_of(model: type[Row]) -> QuerySet[Row]:
    return model._default_manager.all()


def claim(model: type[Row], pk: int, *, message: str = "") -> Claim[Row] | None:
    """queued → running; None if somebody else was quicker or there is nothing to do."""
    queued = rows_of(model).filter(pk=pk, state=State.QUEUED)
    attempt = queued.values_list("attempt", flat=True).first()
    if attempt is None:
        return None
    life = {"state": State.RUNNING, "attempt": attempt + 1, "heartbeat_at": timezone.now(), "message": message}
    return Claim(model, pk, attempt + 1) if queued.filter(attempt=attempt).update(**life) else None


def write(held: Claim[Row], **values: Any) -> None:
    """Say that the work is alive, with what is new; raises Superseded if it is no longer ours."""
    if not held.held.update(heartbeat_at=timezone.now(), **values):
        raise Superseded


def finish(held: Claim[Row], state: str, message: str, **values: Any) -> None:
    """running → a final state; raises Superseded."""
    write(held, state=state, message=message, finished_at=timezone.now(), eta_seconds=None, **values)


def cancel(row: Lived) -> bool:
    """queued or running → cancelled: its worker may write no more. False if it had ended."""
    live = rows_of(type(row)).filter(pk=row.pk, state__in=LIVE)
    return bool(live.update(state=State.CANCELLED, finished_at=timezone.now(), eta_seconds=None))


def again(row: Lived) -> bool:
    """failed or cancelled → queued. False if it is neither."""
    ended = rows_of(type(row)).filter(pk=row.pk, state__in=(State.FAILED, State.CANCELLED))
    return _released(ended, "Asked for again; waiting to go on.", losses=0, finished_at=None)


def stop_mark(model: type[Lived], pk: int, attempt: int) -> str:
    """The name in storage by which an attempt whose work is one transaction learns that it is to stop."""
    return f"stops/{model._meta.model_name}-{pk}-{attempt}"


@contextmanager
def asked_to_stop(row: Lived) -> Iterator[None]:
    """Meanwhile the worker of `row` finds the mark and undoes its transaction, so that its row can be written."""
    if not row.in_one_step or not row.is_live:
        yield
        return
    attempt = row.attempt + (row.state == State.QUEUED)  # a worker may take it at this moment
    name = default_storage.save(stop_mark(type(row), row.pk, attempt), ContentFile(b"stop"))
    try:
        yield
    finally:
        default_storage.delete(name)


def release(held: Claim[Row]) -> bool:
    """running → queued: its worker is going, another one goes on."""
    return _released(held.held, "Its worker was stopped; waiting to go on.")


def _released(rows: QuerySet[Row], message: str, **values: Any) -> bool:
    return bool(rows.update(state=State.QUEUED, message=message, sent_at=None, eta_seconds=None, **values))


def lost(model: type[Row], now: datetime) -> QuerySet[Row]:
    """Running rows that have been silent for too long."""
    silent = now - timedelta(seconds=settings.HEARTBEAT_SECONDS)
    return rows_of(model).filter(state=State.RUNNING).filter(Q(heartbeat_at=None) | Q(heartbeat_at__lt=silent))


def give_up_on_worker(row: Lived, *, way_on: str) -> bool:
    """What becomes of a row whose worker is gone: queued again, or failed with a sentence that ends on `way_on`.

    False if the worker has shown life since `row` was read, or is committing its work just now.
    """
    rows = Claim(type(row), row.pk, row.attempt).held.filter(heartbeat_at=row.heartbeat_at)
    with transaction.atomic():
        if not _free(rows):
            return False
        if row.losses < LOSSES_ALLOWED:
            return _released(rows, "Its worker was lost; waiting to go on.", losses=F("losses") + 1)
        sentence = f"Its worker was lost {row.losses + 1} times; the worker's log says why. {way_on}"
        return bool(rows.update(state=State.FAILED, message=sentence, finished_at=timezone.now(), eta_seconds=None))


def _free(rows: QuerySet[Row]) -> bool:
    """Whether the row is there and no transaction holds it; where rows cannot be locked singly, whether it is there."""
    skip = connection.features.has_select_for_update_skip_locked
    return bool(rows.select_for_update(skip_locked=skip).values_list("pk"))


def unsent(model: type[Row], now: datetime) -> list[Row]:
    """Queued rows whose message seems lost: told to the queue 20 s ago or more, later less often, and not taken."""
    old = Q(sent_at=None, created_at__lt=now - RESEND_AFTER) | Q(sent_at__lt=now - RESEND_AFTER)
    queued = rows_of(model).filter(state=State.QUEUED).filter(old).order_by("id")[:RESEND_BATCH]
    return [row for row in queued if _due(row, now)]


def _due(row: Lived, now: datetime) -> bool:
    if row.sent_at is None:
        return True
    return row.sent_at < now - min(RESEND_AT_MOST, max(RESEND_AFTER, (row.sent_at - row.created_at) / 2))
