"""What this room's commands share: a study by its name or slug."""

from django.core.management.base import CommandError

from evalhub.accounts.models import Project
from evalhub.studies.models import Study


def study_named(project: Project, name: str) -> Study:
    found = project.studies.filter(name=name).first() or project.studies.filter(slug=name).first()
    if found is None:
        known = ", ".join(project.studies.values_list("name", flat=True)[:10]) or "none"
        raise CommandError(f"There is no study “{name}” in this project; there are: {known}.")
    return found
