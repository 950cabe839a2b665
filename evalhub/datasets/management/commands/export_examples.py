"""manage.py export_examples --project SLUG --dataset NAME --version N --format jsonl --out FILE: examples as a file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.urls import reverse

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets.exporting.extracts import Wanted, extract
from evalhub.datasets.exporting.formats import FORMATS, write_export, writing
from evalhub.datasets.management.base import DatasetCommand, named_dataset
from evalhub.datasets.models import Split
from evalhub.datasets.shapes import ALPACA, SHAPES


class Command(DatasetCommand):
    right, writes, in_one_step = Right.VIEW_DATA, "out", False
    help = (
        "Write a version, or current examples by a filter or by ids, as a file that imports again to the same content. "
        "Without --version, --filter and --ids: all current examples."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dataset", required=True, metavar="NAME", help="name or short name of the dataset")
        parser.add_argument("--version", dest="number", type=int, metavar="N", help="a frozen version")
        parser.add_argument("--split", default="", choices=["", *Split.values], help="only this side")
        parser.add_argument("--filter", dest="query", default="", metavar="QUERY",
                            help="current examples by a filter as in an address: state=approved&q=memo")  # fmt: skip
        parser.add_argument("--ids", default="", metavar="N,N,…", help="current examples by their ids")
        parser.add_argument("--format", choices=list(FORMATS), default="jsonl", help="default: %(default)s")
        parser.add_argument("--shape", choices=list(SHAPES), default=ALPACA,
                            help="of rows in JSONL, Parquet and folder (default: %(default)s)")  # fmt: skip
        parser.add_argument("--out", type=Path, required=True, metavar="FILE",
                            help="the file to write; of the format folder, a folder")  # fmt: skip

    def title(self, options: dict[str, Any]) -> str:
        part = f" v{options['number']}" if options["number"] else ""
        return f"Export {options['dataset']}{part} as {FORMATS[options['format']].label}"

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        dataset = named_dataset(project, options["dataset"])
        chosen = writing(options["format"], options["shape"])
        wanted = {name: options[name] for name in ("number", "split", "query", "ids")}
        found = extract(dataset, Wanted.from_texts(**wanted))
        out, bar = Path(options["out"]), self.bar(f"Writing {found.title}")
        try:
            write_export(found, chosen, out, heard=bar)
        except OSError as error:
            raise CommandError(f"{out} cannot be written: {error.strerror or error}.") from error
        finally:
            bar.close()
        link = reverse("datasets:detail", args=[project.slug, dataset.slug])
        values = {"dataset": dataset.slug, "version": options["number"], "examples": found.count}
        said = f"{found.count:,} example{'' if found.count == 1 else 's'} of {found.title} as {chosen.format.label}."
        return Told(values, [said], link=link)
