"""The data card of a version: manage.py data_card --project SLUG --dataset NAME --version N --format md."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets.card import data_card
from evalhub.datasets.cardwords import markdown
from evalhub.datasets.comparing import version_of
from evalhub.datasets.management.base import DatasetCommand, named_dataset


class Command(DatasetCommand):
    right, writes, in_one_step = Right.VIEW_DATA, "out", False
    help = "Print the data card of a version (else of the last one), or write it to a file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dataset", required=True, metavar="NAME", help="name or short name of the dataset")
        parser.add_argument("--version", dest="number", type=int, metavar="N", help="else the latest")
        parser.add_argument("--format", choices=["md", "json"], default="md", help="default: %(default)s")
        parser.add_argument("--out", type=Path, metavar="FILE", help="write it there instead of printing it")

    def title(self, options: dict[str, Any]) -> str:
        return f"Data card of {options['dataset']}"

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        dataset = named_dataset(project, options["dataset"])
        number = options["number"] or dataset.versions.values_list("number", flat=True).first()
        if number is None:
            raise CommandError(f"{dataset} has no version yet.")
        card = data_card(version_of(dataset, number))
        values = card.as_json()
        text = markdown(card) if options["format"] == "md" else json.dumps(values, ensure_ascii=False, indent=1) + "\n"
        if not options["out"]:
            return Told(values, text.splitlines())
        _write(options["out"], text)
        return Told(values, [f"The data card of {dataset} v{number} is written."])


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}.") from error
