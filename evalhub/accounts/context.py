"""What every page's frame needs: the project at hand, the person's role, the navigation."""

from typing import Any

from django.http import HttpRequest

from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import role_in


def frame(request: HttpRequest) -> dict[str, Any]:
    """`project` (if the address names one the person may enter) and `role` for base.html."""
    match = getattr(request, "resolver_match", None)
    slug = match.kwargs.get("project_slug") if match else None
    if not slug or not isinstance(request.user, User):
        return {"project": None, "role": None}
    project = Project.objects.filter(slug=slug).first()
    role = role_in(request.user, project) if project else None
    return {"project": project if role else None, "role": role.value if role else None}
