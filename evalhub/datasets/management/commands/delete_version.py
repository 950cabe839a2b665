"""Delete a frozen version that nothing rests on: manage.py delete_version --project SLUG --dataset NAME --version N."""

from argparse import ArgumentParser
from typing import Any

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets import actions
from evalhub.datasets.comparing import version_of
from evalhub.datasets.management.base import DatasetCommand, named_dataset


class Command(DatasetCommand):
    right = Right.CURATE
    help = "Delete a frozen version; the examples stay. Refused, by name, while a run or a study rests on it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dataset", required=True, metavar="NAME", help="name or short name of the dataset")
        parser.add_argument("--version", dest="number", type=int, required=True, metavar="N")

    def title(self, options: dict[str, Any]) -> str:
        return f"Delete {options['dataset']} v{options['number']}"

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        version = version_of(named_dataset(project, options["dataset"]), options["number"])
        values = {"dataset": version.dataset.slug, "version": version.number, "data_hash": version.data_hash}
        actions.delete_version(version, by=by)
        return Told({**values, "deleted": True}, [f"{version} is deleted; its examples stay."])
