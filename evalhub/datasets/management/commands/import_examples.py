"""Bring a file of examples into a dataset: manage.py import_examples FILE --project SLUG --dataset NAME."""

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError

from evalhub.accounts.commands import Bar, ProjectCommand, Told, readable
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets import actions, storing
from evalhub.datasets.formats.packing import as_one_file
from evalhub.datasets.importing import FIELDS, MissingColumns
from evalhub.datasets.management.base import dataset_named
from evalhub.datasets.models import Dataset, ImportBatch
from evalhub.datasets.reading import Unreadable
from evalhub.errors import Refused
from evalhub.jobs.commands import check_waiting

SHOWN, NAMED = 20, 3  # problems, and lines of each; --json has them all
HOW_TO_MAP = "Rename them, or say which column is which: --map instruction=COLUMN --map output=COLUMN."


State = ImportBatch.State


class Command(ProjectCommand):
    right = Right.CURATE
    help = (
        "Import examples from JSON, JSONL, CSV, TSV, XLSX, Parquet or Arrow (each also gzipped), or from a dataset "
        "folder of Hugging Face or a ZIP file of one. The dataset is created if it is not there. The same file twice "
        "changes nothing. Exit status 0: the rows were stored, or are there already."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the file or dataset folder to read")
        super().add_arguments(parser)
        parser.add_argument("--dataset", required=True, metavar="NAME", help="name or short name of the dataset")
        parser.add_argument("--policy", choices=ImportBatch.Policy.values, default="set-aside",
                            help="what becomes of good rows if others are bad (default: %(default)s)")  # fmt: skip
        parser.add_argument("--map", action="append", default=[], metavar="FIELD=COLUMN",
                            help=f"take FIELD from COLUMN; fields: {', '.join(FIELDS)}")  # fmt: skip
        parser.add_argument("--queue", action="store_true", help="let a worker store the rows; a copy of FILE is kept")
        parser.add_argument("--no-wait", action="store_true", help="with --queue: do not wait for its end")
        parser.add_argument("--description", default="", help="for a new dataset: one line about it")
        parser.add_argument("--credit", default="", help="for a new dataset: source and licence")

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        check_waiting(options)
        mapping = dict(pair_of(item) for item in options["map"])
        dataset = dataset_named(project, options["dataset"])
        if dataset is None:
            batch = self._into_new(project, by, mapping, options)
        else:
            batch = self._into(dataset, by, mapping, options)
        return Told(told(batch), lines(batch), "" if batch.is_live or batch.state == State.SUCCEEDED else batch.message)

    def _into(self, dataset: Dataset, user: User, mapping: dict[str, str], options: dict[str, Any]) -> ImportBatch:
        path: Path = options["file"]
        if options["queue"] and not path.is_dir():
            path = readable(path)
        asked = {"path": path, "file_name": path.name, "by": user, "policy": options["policy"], "mapping": mapping}
        with closing(Bar(f"Importing {path.name}")) as bar, helped(mapping):
            if not options["queue"]:
                return actions.import_file(dataset, **asked, progress=bar)
            return self._queued(actions.request_import(dataset, **asked), bar, wait=not options["no_wait"])

    def _queued(self, batch: ImportBatch, bar: Bar, *, wait: bool) -> ImportBatch:
        """The import as a worker left it, or as it waits; who interrupts the waiting stops nothing."""
        if not wait:
            return batch
        self.say(f"Import {batch.pk} waits for a worker of queue cpu.")
        try:
            return actions.wait_for_import(batch, progress=bar, say=self.say)
        except KeyboardInterrupt:
            raise CommandError(f"Import {batch.pk} goes on without you; its page shows how far it is.") from None

    def _into_new(self, project: Project, user: User, mapping: dict[str, str], options: dict[str, Any]) -> ImportBatch:
        """As _into, but an import that stores nothing, for whatever reason, leaves no empty dataset behind.

        Where nobody waits for the worker, nobody would clear up: then the file is read to its end first.
        """
        if options["no_wait"]:
            with helped(mapping):
                check_storable(options["file"], mapping, options["policy"])
        dataset = actions.create_dataset(
            project, name=options["dataset"], by=user, description=options["description"], credit=options["credit"]
        )
        try:
            batch = self._into(dataset, user, mapping, options)
        except BaseException:
            with suppress(Refused, DatabaseError, OSError):  # what stopped the import is what to tell
                actions.discard_empty(dataset, by=user)
            raise
        if batch.state == State.FAILED and not batch.imported:
            batch.dataset = dataset  # its name is told when its row is gone
            actions.discard_empty(dataset, by=user)
        return batch


@contextmanager
def helped(mapping: dict[str, str]) -> Iterator[None]:
    """A refusal for missing columns also tells how to name them, where nothing was named."""
    try:
        yield
    except Refused as refusal:
        if isinstance(refusal.__cause__, MissingColumns) and not mapping:
            raise CommandError(f"{refusal.message} {HOW_TO_MAP}") from refusal
        raise


def check_storable(path: Path, mapping: dict[str, str], policy: str) -> None:
    """Raise Refused for a file of which a worker would store nothing."""
    try:
        with as_one_file(path if path.is_dir() else readable(path), path.name) as (file, name):
            found = storing.counted(file, name=name, mapping=mapping, policy=policy)
    except Unreadable as error:
        raise Refused(str(error), field="file") from error
    if found.problems and policy == ImportBatch.Policy.ALL_OR_NOTHING:
        count = f"{found.problems:,} of {found.total:,} rows have problems"
        raise Refused(f"{count}, and all or nothing was asked for: nothing was handed over.")


def told(batch: ImportBatch) -> dict[str, Any]:
    """An import as a script wants it."""
    names = ("file", "line", "field", "reason")
    problems = [{name: item[name] for name in names if item.get(name) or name != "file"} for item in batch.problems]
    counts = {"imported": batch.imported, "set_aside": batch.set_aside, "unchanged": batch.unchanged}
    job = {"import": batch.pk, "state": batch.state, "message": batch.message}
    return {"dataset": batch.dataset.slug, **job, **counts, "problems": problems}


def lines(batch: ImportBatch) -> list[str]:
    """An import as people read it."""
    if batch.is_live:
        return [
            f"Import {batch.pk} into {batch.dataset} waits for a worker of queue cpu; its page shows how far it is."
        ]
    said = [f"{batch.message} Set aside: {batch.set_aside:,}. Unchanged: {batch.unchanged:,}."]
    alike: dict[tuple[str, str], list[int]] = {}
    for item in batch.problems:
        alike.setdefault((item.get("file", ""), item["reason"]), []).append(item["line"])
    said += [
        f"  {f'{file}, ' if file else ''}{places(numbers)}: {reason}"
        for (file, reason), numbers in islice(alike.items(), SHOWN)
    ]
    more = sum(len(numbers) for numbers in islice(alike.values(), SHOWN, None))
    return [*said, f"  and {more:,} more"] if more else said


def places(numbers: list[int]) -> str:
    """ "line 3", "lines 3, 4, 9", "lines 3, 4, 9 and 12 more": where one and the same problem is."""
    more = f" and {len(numbers) - NAMED:,} more" if len(numbers) > NAMED else ""
    return f"line{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers[:NAMED]))}{more}"


def pair_of(text: str) -> tuple[str, str]:
    """FIELD=COLUMN as two. CommandError without an equals sign."""
    field, sign, column = text.partition("=")
    if not sign:
        raise CommandError(f"--map wants FIELD=COLUMN; “{text}” has no equals sign.")
    return field.strip(), column.strip()
