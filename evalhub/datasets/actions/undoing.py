"""Undo a change: what nobody has changed since is as it was before, the rest is left alone and counted.

An entry that was restored counts as if it had never happened, so that changes are undone one after the other, the
latest first.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from evalhub.accounts.models import User
from evalhub.datasets.actions.bulk import HERE_AND_NOW
from evalhub.datasets.actions.deciding import many, stand
from evalhub.datasets.actions.locking import lock
from evalhub.datasets.actions.noting import noted
from evalhub.datasets.changes import change_told
from evalhub.datasets.importing import fingerprint
from evalhub.datasets.models import Change, ChangedExample, Dataset, Example, Revision
from evalhub.datasets.standing import Standing
from evalhub.datasets.storing import revision_of
from evalhub.errors import Refused
from evalhub.jobs.actions import request_job
from evalhub.jobs.models import Job
from evalhub.progress import Heard, chunks

CHUNK = 1_000
UNDO = "undo_change"  # the command that a worker carries out
TAKEN = "Another example has these texts by now, so the former ones cannot come back. Nothing was changed."


def undo(change: Change, *, by: User, progress: Heard | None = None) -> Change:
    """Restore the examples of a change that nobody has changed since. Raises Refused where it was undone before."""
    now = timezone.now()
    with transaction.atomic():
        open_ones = Change.objects.filter(pk=change.pk, undone_at=None)
        if not open_ones.update(undone_by=by, undone_at=now):
            raise Refused("This change has been undone already.")
        change = Change.objects.select_related("dataset", "by").get(pk=change.pk)
        pks = list(change.examples.order_by("example_id").values_list("example_id", flat=True))
        for chunk in chunks(pks, CHUNK, progress):
            change.restored += _restore(change, chunk, by, now)
        if not change.restored:
            raise Refused("Somebody has changed all of these examples since, so nothing was undone.")
        change.save(update_fields=["restored"])
        noted(change.dataset, by, "undo_change", f"{change.verb} of {many(change.count)}", change=change.pk,
              restored=change.restored, left_alone=change.left_alone)  # fmt: skip
    return change


def last_of(dataset: Dataset, *, by: User) -> Change:
    """The last change that `by` made in the dataset and nobody has undone. Raises Refused if there is none."""
    last = dataset.changes.filter(by=by, undone_at=None).order_by("-id").first()
    if last is None:
        raise Refused("There is nothing of yours to undo in this dataset.")
    return last


def undo_last(dataset: Dataset, *, by: User) -> Change:
    """Undo the last change that `by` made in the dataset and nobody has undone. Raises Refused if there is none."""
    return undo(last_of(dataset, by=by), by=by)


def undo_by_worker(change: Change, *, by: User) -> Job | None:
    """The job that undoes a change too large for a request, the same one for each click; None for a small change."""
    if change.count <= HERE_AND_NOW or change.undone_at is not None:
        return None
    options = {"dataset": change.dataset.slug, "change": change.pk}
    return request_job(change.dataset.project, command=UNDO, title=f"Undo: {change_told(change)}", options=options,
                       by=by, request_key=f"undo {change.pk}")  # fmt: skip


def _restore(change: Change, pks: Sequence[int], by: User, now: datetime) -> int:
    """Restore these examples, locked, where the change is the last that counts; returns how many."""
    lock(pks)
    entries = list(_last_ones(change, pks))
    decided = [entry for entry in entries if set(entry.before) <= STANDING]
    revised = [entry for entry in entries if not set(entry.before) <= STANDING]
    _restand(decided, now)
    if revised:
        _revise(revised, by, now)
    ChangedExample.objects.filter(pk__in=[entry.pk for entry in entries]).update(restored=True)
    return len(entries)


def _last_ones(change: Change, pks: Sequence[int]) -> QuerySet[ChangedExample]:
    """The entries of the change about these examples after which no other counts.

    Entries of an example are numbered as they happened, since each is written while the example is locked.
    """
    later = ChangedExample.objects.filter(example=OuterRef("example"), pk__gt=OuterRef("pk"), restored=False)
    return change.examples.filter(~Exists(later), example__in=pks).order_by("example_id")


STANDING = {"state", "first_approver_id", "second_approver_id"}


def _restand(entries: Sequence[ChangedExample], now: datetime) -> None:
    groups: dict[Standing, list[int]] = defaultdict(list)
    for entry in entries:
        groups[Standing(*(entry.before[name] for name in ("state", "first_approver_id", "second_approver_id")))].append(
            entry.example_id
        )
    for standing, members in groups.items():
        stand(members, standing, at=now)


def _revise(entries: Sequence[ChangedExample], by: User, now: datetime) -> None:
    """The former values as new revisions: what has been read stays true. Raises Refused if texts are taken."""
    rows = Example.objects.in_bulk([entry.example_id for entry in entries])
    examples = [_former(rows[entry.example_id], entry.before, now) for entry in entries]
    names = {name.removesuffix("_id") for entry in entries for name in entry.before}
    try:
        with transaction.atomic():
            Example.objects.bulk_update(examples, [*sorted(names), *RENEWED], batch_size=CHUNK // 2)
    except IntegrityError as error:
        raise Refused(TAKEN) from error
    Revision.objects.bulk_create([revision_of(example, by=by, reason="undone") for example in examples])


RENEWED = ("fingerprint", "revision_number", "updated_at")


def _former(example: Example, before: dict[str, object], now: datetime) -> Example:
    """The example with its values of before, as its next revision; not stored yet."""
    for name, value in before.items():
        setattr(example, name, value)
    example.fingerprint = fingerprint(vars(example))
    example.revision_number += 1
    example.updated_at = now
    return example
