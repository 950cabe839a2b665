"""One policy for pages, API and commands: what a role may do in a project.

An outsider learns nothing, not even that a project exists (404); a member without the right gets 403.
"""

from enum import StrEnum

from django.core.exceptions import PermissionDenied
from django.http import Http404

from evalhub.accounts.models import Membership, Project, Role, User


class Right(StrEnum):
    """What a person may do in a project."""

    ENTER = "enter"  # see that the project exists, and its name
    VIEW_DATA = "view data"
    CURATE = "curate"  # import, edit, approve, freeze
    VIEW_RUNS = "view runs"
    RUN = "run"  # train, generate, score, import answers
    DESIGN = "design studies"  # make, open, close, reveal
    RATE = "rate"
    READ_REPORTS = "read reports"
    MANAGE = "manage members"


EVERYONE = frozenset(Role)
RIGHTS: dict[Right, frozenset[Role]] = {
    Right.ENTER: EVERYONE,
    Right.VIEW_DATA: frozenset({Role.ADMIN, Role.PM}),
    Right.CURATE: frozenset({Role.ADMIN}),
    Right.VIEW_RUNS: frozenset({Role.ADMIN, Role.PM}),
    Right.RUN: frozenset({Role.ADMIN}),
    Right.DESIGN: frozenset({Role.ADMIN}),
    Right.RATE: frozenset({Role.EXPERT}),
    Right.READ_REPORTS: frozenset({Role.ADMIN, Role.PM}),
    Right.MANAGE: frozenset({Role.ADMIN}),
}


def role_in(user: User, project: Project) -> Role | None:
    """The role of `user` in `project`; a superuser is an admin everywhere, an outsider is None."""
    membership = Membership.objects.filter(project=project, user=user).only("role").first()
    if membership:
        return Role(membership.role)
    return Role.ADMIN if user.is_superuser else None


def may(user: User, project: Project, right: Right) -> bool:
    return role_in(user, project) in RIGHTS[right]


def project_for(user: User, slug: str, right: Right) -> Project:
    """The project `slug`, if `user` has `right` in it.

    Raises Http404 for an outsider or an unknown slug alike, PermissionDenied for a member without the right.
    """
    project = Project.objects.filter(slug=slug).first()
    role = role_in(user, project) if project else None
    if project is None or role is None:
        raise Http404("There is no such project.")
    if role not in RIGHTS[right]:
        raise PermissionDenied(f"Your role in this project does not include the right to {right}.")
    return project
