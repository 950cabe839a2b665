"""Delete a dataset, a version, an example: refused, by name, while anything rests on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from django.db import transaction
from django.db.models import Model, ProtectedError

from evalhub.accounts.models import User
from evalhub.datasets import storing
from evalhub.datasets.actions.collections import delete_files
from evalhub.datasets.actions.noting import noted
from evalhub.datasets.models import Dataset, Example, Version
from evalhub.datasets.resting import resting_on
from evalhub.errors import Refused
from evalhub.jobs import lifecycle
from evalhub.progress import Heard

CHUNK = 2000  # examples deleted at once
REJECT = "Reject it instead: then it stands in no later version."
FIRST = "Delete what rests on it first."


def delete_example(example: Example, *, by: User) -> None:
    """The example with its revisions. Raises Refused if a version has frozen it."""
    with _unless_resting(example, REJECT), transaction.atomic():
        noted(example.dataset, by, "delete_example", f"example {example.pk}", key=example.key)
        example.delete()


def delete_version(version: Version, *, by: User) -> None:
    """The frozen copy; the examples stay, and its number is not given again. Raises Refused if anything rests on it."""
    with _unless_resting(version, FIRST), transaction.atomic():
        storing.take_turn(version.dataset_id)
        facts = {"counts": version.counts, "data_hash": version.data_hash}
        facts |= {"of_dataset": version.dataset_id, "number": version.number}
        noted(version.dataset, by, "delete_version", f"version {version.number} of {version.dataset}", **facts)
        version.delete()


def delete_dataset(dataset: Dataset, *, by: User, progress: Heard | None = None) -> None:
    """The dataset with its examples, checks and imports, and on commit their files.

    Raises Refused if a version is there, another dataset's version replays its examples, or an import is under way.
    """
    with _unless_resting(dataset, FIRST), transaction.atomic():
        storing.take_turn(dataset.pk)
        if dataset.imports.filter(state__in=lifecycle.LIVE).exists():
            raise Refused(f"{dataset} cannot be deleted: an import into it is under way. Stop it, or wait for its end.")
        names = [name for name in dataset.imports.values_list("file", flat=True) if name]
        noted(dataset, by, "delete_dataset", name=dataset.name, examples=_delete_examples(dataset, progress))
        dataset.delete()
        transaction.on_commit(partial(delete_files, names))


def _delete_examples(dataset: Dataset, progress: Heard | None) -> int:
    """A chunk at a time, so that memory stays flat; returns how many."""
    total, done = dataset.examples.count(), 0
    while chunk := list(dataset.examples.order_by("pk").values_list("pk", flat=True)[:CHUNK]):
        Example.objects.filter(pk__in=chunk).delete()
        done += len(chunk)
        if progress:
            progress(done, total)
    return done


@contextmanager
def _unless_resting(row: Model, way_on: str) -> Iterator[None]:
    """Raises Refused, naming what rests on the row, before anything is deleted; or where that came in between."""
    _refuse(row, way_on)
    try:
        yield
    except ProtectedError:
        _refuse(row, way_on)
        raise


def _refuse(row: Model, way_on: str) -> None:
    if found := resting_on(row):
        words = " and ".join(map(str, found))
        verb = "rests" if sum(one.count for one in found) == 1 else "rest"
        raise Refused(f"{row} cannot be deleted: {words} {verb} on it. {way_on}")
