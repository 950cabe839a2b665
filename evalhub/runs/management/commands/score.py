"""manage.py score --project SLUG --run N: metrics of a generation run's answers."""

from argparse import ArgumentParser
from typing import Any

from evalhub.accounts.models import Project, User
from evalhub.runs import actions
from evalhub.runs.management import base
from evalhub.runs.models import Run
from inference.spec import METRICS


class Command(base.RunCommand):
    help = "Compute ROUGE and BERTScore of a generation run's answers against the version's own outputs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--run", type=int, required=True, metavar="N", help="The generation run's number.")
        parser.add_argument("--metric", action="append", choices=METRICS, help="May be given several times.")

    def request(self, project: Project, by: User, options: dict[str, Any], *, send: bool) -> Run:
        generation = base.generation_named(project, options["run"])
        return actions.request_scoring(generation, by=by, metrics=options["metric"], send=send)
