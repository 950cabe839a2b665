"""Delete a dataset, a version or an example: first a page that says what goes and what rests on it, then the deed."""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from evalhub.accounts.models import Project
from evalhub.accounts.permissions import Right
from evalhub.datasets import actions
from evalhub.datasets.models import Dataset, Example
from evalhub.datasets.resting import resting_on
from evalhub.datasets.selection import title_of
from evalhub.datasets.views.common import back_with, dataset_for, person
from evalhub.datasets.views.versions import version_in
from evalhub.errors import Refused
from evalhub.jobs.actions import request_job

AT_ONCE = 5000  # examples; a larger dataset is deleted by a worker


@dataclass(frozen=True)
class Subject:
    """What is to be deleted: the row, what it is called, what goes with it, where one comes from and goes to."""

    row: Model
    title: str
    going: str
    origin: str
    after: str


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def dataset(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    project, found = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    count = found.examples.count()
    going = (
        f"{count:,} example{'' if count == 1 else 's'} with their revisions, its checks, and the files of its imports."
    )
    origin = reverse("datasets:detail", args=[project.slug, found.slug])
    subject = Subject(found, f"the dataset {found}", going, origin, reverse("datasets:list", args=[project.slug]))
    if request.method == "POST" and count > AT_ONCE and not resting_on(found):
        options = {"dataset": found.slug}
        by = person(request)
        job = request_job(project, command="delete_dataset", title=f"Delete {found}", options=options, by=by)
        return redirect("jobs:detail", project.slug, job.pk)
    return _answer(request, project, found, subject, lambda: actions.delete_dataset(found, by=person(request)))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def version(request: HttpRequest, project_slug: str, dataset_slug: str, number: int) -> HttpResponse:
    project, home = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    found = version_in(home, number)
    origin = reverse("datasets:version", args=[project.slug, home.slug, number])
    going = f"The frozen copy of {found.counts['total']:,} examples and its hash. The examples themselves stay."
    after = reverse("datasets:detail", args=[project.slug, home.slug])
    subject = Subject(found, f"version {number} of {home}", going, origin, after)
    return _answer(request, project, home, subject, lambda: actions.delete_version(found, by=person(request)))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def example(request: HttpRequest, project_slug: str, dataset_slug: str, pk: int) -> HttpResponse:
    project, home = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    found = get_object_or_404(Example.objects.select_related("dataset"), dataset=home, pk=pk)
    origin = reverse("datasets:example", args=[project.slug, home.slug, pk])
    after = reverse("datasets:detail", args=[project.slug, home.slug])
    subject = Subject(found, f"“{title_of(vars(found))}”", "Its texts with all revisions.", origin, after)
    return _answer(request, project, home, subject, lambda: actions.delete_example(found, by=person(request)))


def _answer(
    request: HttpRequest, project: Project, home: Dataset, subject: Subject, delete: Callable[[], None]
) -> HttpResponse:
    """GET asks, POST does it; what is refused is said where one came from."""
    if request.method != "POST":
        context = {"project": project, "dataset": home, "here": "data", "subject": subject,
                   "resting": resting_on(subject.row)}  # fmt: skip
        return render(request, "datasets/delete.html", context)
    try:
        delete()
    except Refused as refusal:
        return back_with(request, refusal, subject.origin)
    messages.success(request, f"{subject.title[0].upper()}{subject.title[1:]} is deleted.")
    return redirect(subject.after)
