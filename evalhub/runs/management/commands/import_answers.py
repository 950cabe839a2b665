"""manage.py import_answers FILE --project SLUG --name NAME: bring in answers made elsewhere as an arm."""

from argparse import ArgumentParser
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from django.urls import reverse

from evalhub.accounts.commands import Told, readable
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets.models import Version
from evalhub.jobs.commands import QueueableCommand, Step
from evalhub.runs import actions
from evalhub.runs.management import base

SHOWN = 20  # rows that were left out; --json has them all


class Command(QueueableCommand):
    right, reads = Right.RUN, "file"
    help = "Store answers made elsewhere (AlpacaEval's model_outputs.json, JSONL or CSV) as the answers of a model."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path)
        parser.add_argument("--name", required=True, help="What to call the model that made them.")
        base.add_version_arguments(parser)
        base.add_split_argument(parser)

    def title(self, options: dict[str, Any]) -> str:
        return f"Import {options['file'].name} as the answers of {options['name']}"

    def check_request(self, project: Project, by: User, options: dict[str, Any]) -> None:
        base.version_named(project, options["dataset"], options["number"])

    def prepared(self, project: Project, by: User, options: dict[str, Any]) -> Step:
        path, name = readable(options["file"]), options["name"]
        version = base.version_named(project, options["dataset"], options["number"])
        self.say(f"Matching the answers in {path.name} with the {options['split']} examples of {version}.")
        with closing(self.bar(f"Matching the answers of {name}")) as bar:
            found = actions.matched_answers(
                version, path=path, file_name=path.name, split=options["split"], progress=bar
            )
        self.say(f"Storing {len(found.texts):,} answers of {name}, all or none.")
        return partial(stored, version, found, name, by)


def stored(version: Version, found: actions.Matched, name: str, by: User) -> Told:
    made = actions.store_matched(version, found, name=name, by=by)
    values = {"run": made.run_id, "model": made.model.name, "answers": made.run.done, "left_out": found.left}
    said = f"{made.run.done:,} answers are stored as run {made.run_id}, those of “{made.model.name}”."
    link = reverse("runs:detail", args=[version.dataset.project.slug, made.run_id])
    return Told(values, [said, *shortened(found.left)], link=link)


def shortened(left: list[str]) -> list[str]:
    """The rows that were left out, as people read them."""
    more = len(left) - SHOWN
    return [*(f"  {sentence}" for sentence in left[:SHOWN]), *([f"  and {more:,} more"] if more > 0 else [])]
