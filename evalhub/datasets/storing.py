"""Store the rows of a file: counted, then in chunks, each with its counts in one transaction; what breaks can go on.

Used in line by the command and for small uploads, and by workers for the others (tasks.py): the same functions.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from itertools import islice
from pathlib import Path

from django.core.files.storage import default_storage
from django.db import DatabaseError, transaction

from evalhub.accounts.actions import record
from evalhub.accounts.models import User
from evalhub.datasets import lifecycle
from evalhub.datasets.importing import Problem, Row, Survey, Unreadable, read_rows, survey
from evalhub.datasets.lifecycle import Claim, Stopped, Superseded
from evalhub.datasets.models import Dataset, Example, ImportBatch, Revision
from evalhub.errors import Refused, as_refusal

CHUNK = 500
MOST_PROBLEMS = 10_000  # kept with a batch; the count goes on
STOPPED = "The import stopped in the middle. Import the same file again to complete it; no row will be there twice."
EDITABLE = ("instruction", "input", "output", "system", "category", "source", "language", "tags", "wanted_split", "key")
REVISED = (*EDITABLE, "history")
State = ImportBatch.State
Report = Callable[[int, int], None]


def counted(
    path: Path, *, name: str, mapping: Mapping[str, str] | None, heard: Callable[[int], None] | None = None
) -> Survey:
    """All of the file, read and counted. Raises Refused if it cannot be read, or can give no example."""
    try:
        return survey(path, name=name, mapping=mapping, heard=heard)
    except Unreadable as error:
        raise Refused(str(error), field="file") from error


def store_file(claim: Claim, path: Path, found: Survey, *, tell: Report | None = None) -> ImportBatch:
    """Store the rows that are not there yet and say how it ended. Raises Superseded if the import is no longer ours.

    set-aside: a chunk at a time, after the `done` rows of an attempt before; all-or-nothing: in one transaction.
    """
    work = _Work(claim, found.total, tell)
    whole = work.batch.policy == ImportBatch.Policy.ALL_OR_NOTHING
    lifecycle.write(claim, total=found.total, message="Storing the rows, all in one step." if whole else "")
    items = read_rows(path, name=work.batch.file_name, mapping=work.batch.mapping)
    with transaction.atomic() if whole else nullcontext():
        if whole and found.problems:
            work.keep((), [item for item in items if isinstance(item, Problem)], found.total)
            return work.close(stored=False)
        work.store(islice(items, work.batch.done, None))
        return work.close(stored=True)


def stop(claim: Claim, error: BaseException) -> None:
    """running → failed, with the cause; a database that is full takes no message either."""
    cause = as_refusal(error) or str(error) or "it was interrupted."
    fail(claim, f"{STOPPED} The cause: {cause}"[:1000])


def fail(claim: Claim, sentence: str) -> None:
    """running → failed, if the import is still ours."""
    with suppress(DatabaseError, Superseded):
        lifecycle.finish(claim, State.FAILED, sentence)


class _Work:
    """One attempt at an import: its row, and how fast it goes."""

    def __init__(self, claim: Claim, total: int, tell: Report | None) -> None:
        self.claim, self.batch, self.total, self.tell = claim, claim.batch(), total, tell
        self.before, self.began = self.batch.done, time.monotonic()

    def store(self, items: Iterable[Row | Problem]) -> None:
        rest = iter(items)
        while chunk := list(islice(rest, CHUNK)):
            with transaction.atomic():
                take_turn(self.batch.dataset_id)
                rows = [item for item in chunk if isinstance(item, Row)]
                self.keep(rows, [item for item in chunk if isinstance(item, Problem)], self.batch.done + len(chunk))
            if self.tell:
                self.tell(self.batch.done, self.total)

    def keep(self, rows: Sequence[Row], problems: Sequence[Problem], done: int) -> None:
        """Rows, problems and the counts of both; raises Superseded, and the transaction around undoes the rows."""
        batch = self.batch
        self.heed()
        stored = store_rows(batch, rows) if rows else 0
        batch.imported, batch.unchanged = batch.imported + stored, batch.unchanged + len(rows) - stored
        room = max(0, MOST_PROBLEMS - len(batch.problems))
        batch.set_aside, batch.done = batch.set_aside + len(problems), done
        batch.problems += [vars(problem) for problem in problems[:room]]
        names = ("imported", "unchanged", "set_aside", "done", *(("problems",) if problems else ()))
        values = {name: getattr(batch, name) for name in names}
        lifecycle.write(self.claim, eta_seconds=self.left(), **values)

    def heed(self) -> None:
        """Raises Stopped where a person asked for the end; in one transaction only storage can say so."""
        mark = lifecycle.stop_mark(self.batch.pk, self.claim.attempt)
        if self.batch.policy == ImportBatch.Policy.ALL_OR_NOTHING and default_storage.exists(mark):
            raise Stopped

    def left(self) -> float:
        """Seconds that the other rows will take, at the speed of this attempt."""
        done = max(1, self.batch.done - self.before)
        return (time.monotonic() - self.began) / done * (self.total - self.batch.done)

    def close(self, *, stored: bool) -> ImportBatch:
        """Say how it ended, in the row and in the audit log."""
        batch = self.batch
        counts = {"imported": batch.imported, "set_aside": batch.set_aside, "unchanged": batch.unchanged}
        with transaction.atomic():
            lifecycle.finish(self.claim, *outcome(batch, self.total, stored=stored))
            record(
                "import_file", by=batch.created_by, project=batch.dataset.project, target=f"import {batch.pk}",
                file=batch.file_name, **counts,
            )  # fmt: skip
        return self.claim.batch()


def take_turn(dataset_id: int) -> None:
    """Until the transaction ends, no other import and no freeze of this dataset goes on.

    Without the key: what only points at the dataset (a stop, an audit event) does not wait for us, who may wait for it.
    """
    Dataset.objects.select_for_update(no_key=True).get(pk=dataset_id)


def store_rows(batch: ImportBatch, rows: Sequence[Row]) -> int:
    """Insert what the dataset neither has nor had, and return how many; the constraint settles races of imports."""
    prints = [row.fingerprint for row in rows]
    known = _known_prints(batch.dataset, prints)
    new = {mark: row for mark, row in reversed(list(zip(prints, rows, strict=True))) if mark not in known}
    examples = [_example(batch, mark, row) for mark, row in reversed(new.items())]
    Example.objects.bulk_create(examples, ignore_conflicts=True)
    stored = list(Example.objects.filter(batch=batch, fingerprint__in=list(new)))
    Revision.objects.bulk_create([revision_of(item, by=batch.created_by, reason="imported") for item in stored])
    return len(stored)


def _known_prints(dataset: Dataset, prints: Sequence[str]) -> set[str]:
    """Which of these rows the dataset has, or had before an edit."""
    revisions = Revision.objects.filter(example__dataset=dataset, fingerprint__in=prints)
    return set(revisions.values_list("fingerprint", flat=True))


def _example(batch: ImportBatch, mark: str, row: Row) -> Example:
    values = {name: value for name, value in vars(row).items() if name != "line"}
    return Example(dataset=batch.dataset, batch=batch, fingerprint=mark, **values)


def revision_of(example: Example, *, by: User, reason: str) -> Revision:
    """The example's texts as they are now, not saved yet."""
    return Revision(
        example=example,
        number=example.revision_number,
        values={name: getattr(example, name) for name in REVISED},
        fingerprint=example.fingerprint,
        reason=reason[:255],
        author=by,
    )


def outcome(batch: ImportBatch, rows: int, *, stored: bool) -> tuple[str, str]:
    """(state, sentence) of an import that has gone through its file."""
    if not stored:
        count = f"{batch.set_aside:,} of {rows:,} rows have problems"
        return State.FAILED, f"{count}, and all or nothing was asked for: nothing was stored."
    if not batch.imported and not batch.unchanged:
        return State.FAILED, f"None of the {rows:,} rows could be stored."
    if not batch.imported:
        return State.SUCCEEDED, f"Nothing new: the dataset already has {batch.unchanged:,} of the {rows:,} rows."
    return State.SUCCEEDED, f"{batch.imported:,} of {rows:,} rows were stored."
