"""What this room's commands share: a dataset by its name or short name."""

from evalhub.accounts.models import Project
from evalhub.datasets.models import Dataset


def dataset_named(project: Project, name: str) -> Dataset | None:
    """The dataset with this name, or else with this short name."""
    return project.datasets.filter(name=name).first() or project.datasets.filter(slug=name).first()
