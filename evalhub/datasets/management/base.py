"""What this room's commands share: a dataset by its name or short name."""

from typing import Any

from django.core.management.base import CommandError

from evalhub.accounts.models import Project, User
from evalhub.datasets.models import Dataset
from evalhub.jobs.commands import QueueableCommand


def dataset_named(project: Project, name: str) -> Dataset | None:
    """The dataset with this name, or else with this short name."""
    return project.datasets.filter(name=name).first() or project.datasets.filter(slug=name).first()


def named_dataset(project: Project, name: str) -> Dataset:
    """As dataset_named; CommandError where there is none."""
    if (found := dataset_named(project, name)) is None:
        raise CommandError(f"The project {project.slug} has no dataset “{name}”.")
    return found


class DatasetCommand(QueueableCommand):
    """A command for a dataset that is there; --queue asks for it before a worker does."""

    def check_request(self, project: Project, by: User, options: dict[str, Any]) -> None:
        named_dataset(project, options["dataset"])
