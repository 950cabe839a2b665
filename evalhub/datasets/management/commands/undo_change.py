"""Undo a change of examples: manage.py undo_change --project SLUG --dataset NAME --change N."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.urls import reverse

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets import actions
from evalhub.datasets.changes import undone_told
from evalhub.datasets.management.base import DatasetCommand, named_dataset


class Command(DatasetCommand):
    right = Right.CURATE
    help = "Undo a change: what nobody has changed since is as it was before, the rest is left alone and counted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dataset", required=True, metavar="NAME", help="name or short name of the dataset")
        parser.add_argument("--change", required=True, type=int, metavar="N", help="number of the change")

    def title(self, options: dict[str, Any]) -> str:
        return f"Undo change {options['change']} of {options['dataset']}"

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        dataset = named_dataset(project, options["dataset"])
        change = dataset.changes.filter(pk=options["change"]).first()
        if change is None:
            raise CommandError(f"{dataset} has no change {options['change']}.")
        bar = self.bar(self.title(options))
        change = actions.undo(change, by=by, progress=bar)
        bar.close()
        values = {"dataset": dataset.slug, "change": change.pk, "restored": change.restored,
                  "left_alone": change.left_alone}  # fmt: skip
        return Told(values, [undone_told(change)], link=reverse("datasets:changes", args=[project.slug, dataset.slug]))
