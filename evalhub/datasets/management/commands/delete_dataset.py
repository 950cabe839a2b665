"""Delete a dataset that nothing rests on: manage.py delete_dataset --project SLUG --dataset NAME."""

from argparse import ArgumentParser
from typing import Any

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets import actions
from evalhub.datasets.management.base import DatasetCommand, named_dataset


class Command(DatasetCommand):
    right = Right.CURATE
    help = (
        "Delete a dataset with its examples, imports and their files. Refused, by name, while anything rests on it: "
        "delete its versions first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dataset", required=True, metavar="NAME", help="name or short name of the dataset")

    def title(self, options: dict[str, Any]) -> str:
        return f"Delete {options['dataset']}"

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        dataset = named_dataset(project, options["dataset"])
        count, bar = dataset.examples.count(), self.bar(f"Deleting {dataset}")
        actions.delete_dataset(dataset, by=by, progress=bar)
        bar.close()
        said = f"{dataset} is deleted, with {count:,} example{'' if count == 1 else 's'}."
        return Told({"dataset": dataset.slug, "examples": count, "deleted": True}, [said])
