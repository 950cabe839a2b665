"""Which jobs a person sees: an admin all of the project's, others their own, while they may still do such things.

What a command tells depends on the role of who asks (reports/reading.py), so a job done in another role is not shown.
"""

from functools import cache

from django.core.management import get_commands, load_command_class
from django.db.models import QuerySet

from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import RIGHTS, Right, role_in
from evalhub.jobs.commands import QueueableCommand
from evalhub.jobs.models import Job


def jobs_of(project: Project, user: User) -> QuerySet[Job]:
    """Newest first, with who asked. What a job told, and its file, go by today's role, not by the one of then."""
    jobs, role = project.jobs.select_related("created_by", "project"), role_in(user, project)
    if role in RIGHTS[Right.MANAGE]:
        return jobs
    allowed = [name for name, right in rights().items() if role in RIGHTS[right]]
    return jobs.filter(created_by=user, command__in=allowed, role__in=["", role])


@cache
def rights() -> dict[str, Right]:
    """{command: what one needs for it}, of all that a worker carries out."""
    ours = {name: app for name, app in get_commands().items() if str(app).startswith("evalhub.")}
    found = {name: load_command_class(str(app), name) for name, app in ours.items()}
    return {name: command.right for name, command in found.items() if isinstance(command, QueueableCommand)}
