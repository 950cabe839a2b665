"""Store the rows of a file: counted, then in chunks, each with its counts in one transaction; what breaks can go on.

Used in line by the command and for small uploads, and by workers for the others (tasks.py): the same functions.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from django.db import IntegrityError, connection, transaction
from django.db.models import BooleanField, F, Field, Func, Q, Value

from evalhub.accounts.actions import record
from evalhub.accounts.models import Project, User
from evalhub.datasets import inserting
from evalhub.datasets.ahead import ahead
from evalhub.datasets.checking import ask_for_check
from evalhub.datasets.importing import Problem, Row, Survey, Unreadable, read_rows, survey
from evalhub.datasets.inserting import REVISED, Ready, ready
from evalhub.datasets.models import Dataset, Example, ImportBatch, Revision
from evalhub.errors import Refused
from evalhub.jobs import lifecycle
from evalhub.jobs.lifecycle import Claim, Stopped
from evalhub.progress import Heard

CHUNK = 2000  # rows of one transaction
CHUNK_WEIGHT = 8_000_000  # characters of one transaction, so that long rows fill no memory
RACES = 3  # times that a chunk is tried again because others wrote into it
MOST_PROBLEMS = 10_000  # kept with a batch; the count goes on
State = ImportBatch.State


def counted(
    path: Path,
    *,
    name: str,
    mapping: Mapping[str, str] | None,
    policy: str,
    heard: Callable[[int], None] | None = None,
) -> Survey:
    """All of the file, read and counted; its problems only where one of them decides whether anything is stored.

    Raises Refused if it cannot be read, or can give no example.
    """
    closely = policy == ImportBatch.Policy.ALL_OR_NOTHING
    try:
        return survey(path, name=name, mapping=mapping, heard=heard, closely=closely)
    except Unreadable as error:
        raise Refused(str(error), field="file") from error


def store_file(claim: Claim[ImportBatch], path: Path, found: Survey, *, tell: Heard | None = None) -> ImportBatch:
    """Store the rows that are not there yet and say how it ended. Raises Superseded if the import is no longer ours.

    set-aside: a chunk at a time, after the `done` rows of an attempt before; all-or-nothing: in one transaction.
    """
    work = _Work(claim, found.total, tell)
    whole = work.batch.in_one_step
    lifecycle.write(claim, total=found.total, message="Storing the rows, all in one step." if whole else "")
    items = read_rows(path, name=work.batch.file_name, mapping=work.batch.mapping)
    with transaction.atomic() if whole else nullcontext():
        if whole and found.problems:
            work.refuse(items, found)
            return work.close(stored=False)
        with ahead(chunks(items, after=work.batch.done)) as made:
            work.store(made)
        return work.close(stored=True)


@dataclass
class Chunk:
    """What one transaction stores: `count` rows of the file, good and bad."""

    rows: list[Ready] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    weight: int = 0

    @property
    def count(self) -> int:
        return len(self.rows) + len(self.problems)

    @property
    def full(self) -> bool:
        return self.count >= CHUNK or self.weight >= CHUNK_WEIGHT

    def add(self, item: Row | Problem) -> None:
        if isinstance(item, Problem):
            self.problems.append(item)
        else:
            self.rows.append(ready(item))
            self.weight += self.rows[-1].weight


def chunks(items: Iterator[Row | Problem], *, after: int) -> Generator[Chunk]:
    """The items from number `after` on, in chunks as large as a transaction may be."""
    chunk = Chunk()
    for item in islice(items, after, None):
        chunk.add(item)
        if chunk.full:
            yield chunk
            chunk = Chunk()
    if chunk.count:
        yield chunk


class _Work:
    """One attempt at an import: its row, and how fast it goes."""

    def __init__(self, claim: Claim[ImportBatch], total: int, tell: Heard | None) -> None:
        self.claim, self.batch, self.total, self.tell = claim, claim.row("dataset__project"), total, tell
        self.before, self.began = self.batch.done, time.monotonic()

    def store(self, made: Iterable[Chunk]) -> None:
        for chunk in made:
            with transaction.atomic():
                take_turn(self.batch.dataset_id)
                inserting.prepare(self.batch)
                self.heed()
                stored = store_rows(self.batch, chunk.rows) if chunk.rows else 0
                self.batch.imported += stored
                self.batch.unchanged += len(chunk.rows) - stored
                self.keep(chunk.problems, len(chunk.problems), self.batch.done + chunk.count)
            if self.tell:
                self.tell(self.batch.done, self.total)

    def refuse(self, items: Iterable[Row | Problem], found: Survey) -> None:
        """Keep the problems for which nothing is stored."""
        problems = (item for item in items if isinstance(item, Problem))
        self.keep(list(islice(problems, MOST_PROBLEMS)), found.problems, found.total)

    def keep(self, problems: Sequence[Problem], set_aside: int, done: int) -> None:
        """The problems and all counts; raises Superseded, and the transaction around undoes the rows."""
        batch = self.batch
        room = max(0, MOST_PROBLEMS - len(batch.problems))
        batch.set_aside, batch.done = batch.set_aside + set_aside, done
        batch.problems += [vars(problem) for problem in problems[:room]]
        names = ("imported", "unchanged", "set_aside", "done", *(("problems",) if problems[:room] else ()))
        values = {name: getattr(batch, name) for name in names}
        lifecycle.write(self.claim, eta_seconds=self.left(), **values)

    def heed(self) -> None:
        """Raises Stopped where a person asked for the end; in one transaction only storage can say so."""
        if self.batch.in_one_step and self.claim.wants_end:
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
            if batch.imported:
                transaction.on_commit(partial(ask_for_check, batch.dataset, batch.created_by))
        return self.claim.row("dataset__project")


def take_turn(dataset_id: int) -> None:
    """Until the transaction ends, no other import and no freeze of this dataset goes on.

    Without the key: what only points at the dataset (a stop, an audit event) does not wait for us, who may wait for it.
    """
    Dataset.objects.select_for_update(no_key=True).get(pk=dataset_id)


def take_turn_in_project(dataset: Dataset) -> None:
    """Until the transaction ends, nothing in the project is frozen, and nothing is imported into this dataset.

    Of the project, since what one dataset tests must not be trained on in another.
    """
    Project.objects.select_for_update(no_key=True).get(pk=dataset.project_id)
    take_turn(dataset.pk)


def store_rows(batch: ImportBatch, rows: Sequence[Ready]) -> int:
    """Insert what the dataset neither has nor had, and return how many.

    Where a person proposes one of the rows at this moment, the constraint settles it, and the rows are looked up again.
    """
    for _ in range(RACES):
        with suppress(IntegrityError), transaction.atomic():
            return _store_new(batch, rows)
    return _store_new(batch, rows)


def _store_new(batch: ImportBatch, rows: Sequence[Ready]) -> int:
    known = known_prints(batch.dataset, [row.fingerprint for row in rows])
    new: dict[str, Ready] = {}
    for row in rows:
        if row.fingerprint not in known:
            new.setdefault(row.fingerprint, row)
    if new:
        inserting.insert(batch, list(new.values()))
    return len(new)


def known_prints(dataset: Dataset, prints: Sequence[str]) -> dict[str, int]:
    """{fingerprint: example's id} of those of these rows that the dataset has, or had before an edit."""
    former = Revision.objects.filter(among(prints), example__dataset=dataset).exclude(fingerprint="")
    now = dataset.examples.filter(among(prints))
    return dict([*former.values_list("fingerprint", "example"), *now.values_list("fingerprint", "pk")])


def among(prints: Sequence[str]) -> Q:
    """Whether a row's fingerprint is one of these.

    To PostgreSQL as an array that its planner does not look into: that takes seven times as long as finding the rows.
    """
    if connection.vendor != "postgresql":
        return Q(fingerprint__in=prints)
    array = Func(
        Value(list(prints), output_field=Field()), template="ANY(ARRAY(SELECT unnest(%(expressions)s::text[])))"
    )
    return Q(Func(F("fingerprint"), array, template="(%(expressions)s)", arg_joiner=" = ", output_field=BooleanField()))


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
