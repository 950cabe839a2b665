"""A dataset itself: made, described, discarded while it is empty."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.text import slugify

from evalhub.accounts.models import Project, User
from evalhub.datasets import guarded
from evalhub.datasets.actions.noting import noted
from evalhub.datasets.models import Dataset
from evalhub.datasets.reading import storable
from evalhub.errors import Refused
from evalhub.jobs import lifecycle

MOST_WORDS = 10_000  # characters of a description or credit


def create_dataset(project: Project, *, name: str, by: User, description: str = "", credit: str = "") -> Dataset:
    """A new, empty dataset. Raises Refused for a name that is empty or taken."""
    name = name.strip()
    if not name:
        raise Refused("A dataset needs a name.", field="name")
    if len(name) > 120:
        raise Refused("A dataset's name has at most 120 characters.", field="name")
    if project.datasets.filter(name=name).exists():
        raise Refused(f"This project already has a dataset named “{name}”.", field="name")
    with transaction.atomic():
        dataset = Dataset.objects.create(
            project=project,
            name=name,
            slug=_free_slug(project, name),
            description=description,
            credit=credit,
            created_by=by,
        )
        noted(dataset, by, "create_dataset")
    return dataset


def describe_dataset(
    dataset: Dataset, *, by: User, description: str, credit: str, is_benchmark: bool | None = None
) -> Dataset:
    """Change the description and the credit, and whether its prompts are a benchmark (None: as it was).

    Raises Refused for characters that cannot be kept.
    """
    for name, text in (("description", description), ("credit", credit)):
        if text != storable(text) or len(text) > MOST_WORDS:
            raise Refused(f"The {name} is too long, or holds characters that cannot be kept.", field=name)
    with transaction.atomic():
        dataset.description, dataset.credit = description.strip(), credit.strip()
        facts: dict[str, Any] = {}
        if is_benchmark is not None and is_benchmark != dataset.is_benchmark:
            dataset.is_benchmark = facts["is_benchmark"] = is_benchmark
            trained = guarded.trained_versions(dataset) if is_benchmark else []
            facts |= {"trained_versions": trained} if trained else {}
        dataset.save(update_fields=["description", "credit", "is_benchmark"])
        noted(dataset, by, "describe_dataset", **facts)
    return dataset


def _free_slug(project: Project, name: str) -> str:
    base = slugify(name)[:100] or "dataset"
    taken = set(project.datasets.filter(slug__startswith=base).values_list("slug", flat=True))
    return next(
        slug for number in range(1, len(taken) + 3) if (slug := f"{base}-{number}" if number > 1 else base) not in taken
    )


def discard_empty(dataset: Dataset, *, by: User) -> None:
    """Remove a dataset that holds nothing yet, with the records of imports that stored nothing. Raises Refused."""
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        if dataset.examples.exists() or dataset.versions.exists():
            raise Refused(f"{dataset} holds examples; only an empty dataset can be discarded.")
        if dataset.imports.filter(state__in=lifecycle.LIVE).exists():
            raise Refused(f"An import into {dataset} is under way; only an empty dataset can be discarded.")
        names = [batch.file.name for batch in dataset.imports.all() if batch.file.name]
        noted(dataset, by, "discard_empty")
        dataset.delete()
        transaction.on_commit(partial(delete_files, names))


def delete_files(names: Sequence[str]) -> None:
    for name in names:
        default_storage.delete(name)
