"""manage.py import_ratings FILE --project SLUG --study NAME: a study of ratings that were given elsewhere."""

from argparse import ArgumentParser
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.urls import reverse

from evalhub.accounts.commands import Told, readable
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.jobs.commands import QueueableCommand, Step
from evalhub.runs.management.base import chosen_values
from evalhub.studies import actions, naming
from evalhub.studies.intake import Intake


class Command(QueueableCommand):
    right, reads = Right.DESIGN, "file"
    help = (
        "Import a long table of ratings (CSV or JSONL: item, arm, rater, criterion, value; optional answer, "
        "instruction, input, category, position, seconds, comment) as a closed study. All rows or none."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path)
        parser.add_argument("--study", required=True, help="The new study's name.")
        parser.add_argument("--scale", default="1-10", metavar="LOW-HIGH", help="Lowest and highest point (1-10).")
        parser.add_argument("--baseline", default="", metavar="ARM", help="The arm to compare with; else the first.")
        parser.add_argument("--primary", default="overall", metavar="KEY", help="The criterion that decides.")
        parser.add_argument("--margin", type=float, default=0.5)
        parser.add_argument("--description", default="")
        parser.add_argument("--credit", default="", help="Source and licence, shown with the report.")
        parser.add_argument(
            "--column", dest="columns", action="append", default=[], metavar="OURS=THEIRS", help="A column's name."
        )

    def title(self, options: dict[str, Any]) -> str:
        return f"Import the ratings in {options['file'].name} as the study {options['study']}"

    def check_request(self, project: Project, by: User, options: dict[str, Any]) -> None:
        naming.check_name(project, options["study"])
        scale(options["scale"])
        chosen_values(options["columns"])

    def prepared(self, project: Project, by: User, options: dict[str, Any]) -> Step:
        path = readable(options["file"])
        self.say(f"Reading {path.name}.")
        with closing(self.bar(f"Reading {path.name}")) as bar:
            intake = actions.prepared_ratings(
                project, name=options["study"], path=path, file_name=path.name, by=by, scale=scale(options["scale"]),
                description=options["description"], credit=options["credit"], baseline=options["baseline"],
                mapping={k: str(v) for k, v in chosen_values(options["columns"]).items()},
                primary_criterion=options["primary"], margin=options["margin"], progress=bar,
            )  # fmt: skip
        self.say(f"Storing the {len(intake.scores):,} ratings of {path.name}, all or none.")
        return partial(stored, intake)


def stored(intake: Intake) -> Told:
    study = actions.store_ratings(intake)
    count, items = len(intake.scores), len(intake.items)
    values = {"study": study.slug, "imported": count, "items": items, "problems": []}
    lines = [f"{count:,} values for {items:,} items are stored as the closed study {study}."]
    return Told(values, lines, link=reverse("studies:detail", args=[study.project.slug, study.slug]))


def scale(text: str) -> tuple[int, int]:
    """ "0-100" → (0, 100)"""
    low, dash, high = text.partition("-")
    if not dash or not low.strip().isdigit() or not high.strip().isdigit():
        raise CommandError(f"“{text}” is not a scale; write it as 1-10 or 0-100.")
    return int(low), int(high)
