"""What the pages share: who asks, for which dataset, and the way back after a refusal."""

from collections.abc import Mapping
from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right, project_for
from evalhub.datasets.models import Dataset
from evalhub.errors import Refused


def person(request: HttpRequest) -> User:
    return cast(User, request.user)


def dataset_for(request: HttpRequest, project_slug: str, dataset_slug: str, right: Right) -> tuple[Project, Dataset]:
    """The project and the dataset, if the person has the right. Raises Http404 or PermissionDenied."""
    project = project_for(person(request), project_slug, right)
    return project, get_object_or_404(project.datasets, slug=dataset_slug)


def revision_seen(given: Mapping[str, str]) -> int | None:
    """The revision that the page showed when its form was sent; None if the form does not say."""
    number = given.get("revision", "")
    return int(number) if number.isdecimal() and len(number) < 10 else None


def back_with(request: HttpRequest, refusal: Refused, address: str) -> HttpResponse:
    """Say the sentence on the page that the person came from; nothing was changed."""
    messages.error(request, refusal.message)
    return redirect(address)
