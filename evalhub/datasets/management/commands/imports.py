"""The files brought into a dataset: manage.py imports preview|list|show|report|cancel|retry --project SLUG …"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets import actions
from evalhub.datasets.management.commands.import_examples import lines, pair_of, told
from evalhub.datasets.management.previewing import previewed
from evalhub.datasets.management.verbs import (
    Options,
    Verb,
    VerbCommand,
    dataset_of,
    in_dataset,
    limited,
    numbered,
)
from evalhub.datasets.models import ImportBatch
from evalhub.datasets.setting_aside import as_csv, as_jsonl

REPORTS = {".csv": as_csv, ".jsonl": as_jsonl}


def preview(project: Project, by: User, options: Options) -> Told:
    return previewed(options["file"], dict(pair_of(text) for text in options["map"]))


def listed(project: Project, by: User, options: Options) -> Told:
    dataset = dataset_of(project, options)
    batches = list(dataset.imports.select_related("created_by").defer("problems")[: options["limit"]])
    values = {"dataset": dataset.slug, "count": dataset.imports.count(), "imports": [facts(one) for one in batches]}
    return Told(values, [line(batch) for batch in batches] or [f"Nothing has been imported into {dataset}."])


def shown(project: Project, by: User, options: Options) -> Told:
    batch = import_of(project, options)
    return Told({**facts(batch), **told(batch)}, [line(batch), *lines(batch)])


def report(project: Project, by: User, options: Options) -> Told:
    """The rows that were set aside, whole or not at all, as CSV for people or JSONL for programs."""
    batch, out = import_of(project, options), options["out"]
    if out.suffix not in REPORTS:
        raise CommandError(f"--out wants a name that ends in {' or '.join(REPORTS)}.")
    part = out.with_name(f"{out.name}.part")
    try:
        with part.open("wb") as file:
            file.writelines(REPORTS[out.suffix](batch))
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise CommandError(f"{out} cannot be written: {error.strerror or error}.") from error
    values = {"import": batch.pk, "set_aside": batch.set_aside, "file": str(out)}
    return Told(values, [f"The rows that were set aside ({batch.set_aside:,}) are in {out}."])


def cancel(project: Project, by: User, options: Options) -> Told:
    batch = actions.cancel_import(import_of(project, options), by=by)
    return Told(told(batch), [batch.message])


def retry(project: Project, by: User, options: Options) -> Told:
    batch = actions.retry_import(import_of(project, options), by=by)
    return Told(told(batch), lines(batch))


def import_of(project: Project, options: Options) -> ImportBatch:
    dataset = dataset_of(project, options)
    batch = dataset.imports.select_related("dataset", "created_by").filter(pk=options["number"]).first()
    if batch is None:
        raise CommandError(f"{dataset} has no import {options['number']}.")
    return batch


def facts(batch: ImportBatch) -> dict[str, Any]:
    """An import without its problems, as a script wants it."""
    names = ("file_name", "sha256", "policy", "mapping", "state", "message", "total", "done", "imported", "set_aside",
             "unchanged", "created_at", "finished_at")  # fmt: skip
    return {"import": batch.pk, **{name: getattr(batch, name) for name in names}, "by": str(batch.created_by)}


def line(batch: ImportBatch) -> str:
    """An import as people read it in a list."""
    counts = f"{batch.imported:,} stored, {batch.set_aside:,} set aside, {batch.unchanged:,} unchanged"
    asked = f"{batch.created_at:%Y-%m-%d %H:%M}  {batch.created_by}"
    return f"{batch.pk:>6}  {asked}: {batch.file_name}, {batch.get_state_display().lower()}: {counts}."


def of_file(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the file or dataset folder to look at")
    parser.add_argument("--map", action="append", default=[], metavar="FIELD=COLUMN", help="take FIELD from COLUMN")


def into_file(parser: ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="a CSV or JSONL file to write")


class Command(VerbCommand):
    help = "The imports of a dataset. import_examples brings in a file."
    verbs = (
        Verb("preview", Right.CURATE, preview,
             "What an import of a file would find: columns, first rows, problems. Nothing is stored.", (of_file,)),
        Verb("list", Right.VIEW_DATA, listed, "The imports, the newest first, with their counts.",
             (in_dataset, limited(50, 500))),
        Verb("show", Right.VIEW_DATA, shown, "One import, with what was set aside and why.", (numbered("import"),)),
        Verb("report", Right.VIEW_DATA, report, "Every row that was set aside, as it stands in its file.",
             (numbered("import"), into_file)),
        Verb("cancel", Right.CURATE, cancel,
             "Stop an import: the rows stored so far stay, of all-or-nothing none.", (numbered("import"),)),
        Verb("retry", Right.CURATE, retry,
             "Let a worker take the same file again, after the rows that it had gone through.", (numbered("import"),)),
    )  # fmt: skip
