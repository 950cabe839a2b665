"""Pages of jobs: the list, one job and its live part, stop and again, and the file that it wrote."""

from collections.abc import Callable
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right, project_for
from evalhub.errors import Refused
from evalhub.jobs import actions
from evalhub.jobs.downloads import part_of_file
from evalhub.jobs.keeping import kept_until
from evalhub.jobs.models import Job
from evalhub.jobs.reading import jobs_of

PAGE = 25


def _person(request: HttpRequest) -> User:
    return cast(User, request.user)


def _job(request: HttpRequest, project_slug: str, pk: int) -> tuple[Project, Job]:
    """The job, if this person may see it. Raises Http404 or PermissionDenied."""
    project = project_for(_person(request), project_slug, Right.ENTER)
    return project, get_object_or_404(jobs_of(project, _person(request)), pk=pk)


@login_required
@require_safe
def job_list(request: HttpRequest, project_slug: str) -> HttpResponse:
    project = project_for(_person(request), project_slug, Right.ENTER)
    page = Paginator(jobs_of(project, _person(request)), PAGE).get_page(request.GET.get("page"))
    return render(request, "jobs/list.html", {"project": project, "here": "runs", "page": page})


@login_required
@require_safe
def detail(request: HttpRequest, project_slug: str, pk: int) -> HttpResponse:
    project, job = _job(request, project_slug, pk)
    return render(
        request, "jobs/detail.html", {"project": project, "here": "runs", "job": job, "until": kept_until(job)}
    )


@login_required
@require_safe
def live(request: HttpRequest, project_slug: str, pk: int) -> HttpResponse:
    """How far it is, alone; once it has ended, the whole page is asked for again."""
    project, job = _job(request, project_slug, pk)
    if not job.is_live:
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return render(request, "jobs/_live.html", {"project": project, "job": job})


@login_required
@require_safe
def output(request: HttpRequest, project_slug: str, pk: int) -> HttpResponseBase:
    """The file that it wrote; a download that broke off goes on where it stopped."""
    _, job = _job(request, project_slug, pk)
    if not job.output.name or not job.output.storage.exists(job.output.name):
        raise Http404("This job keeps no file.")
    return part_of_file(request, job.output, name=job.output_name)


@login_required
@require_POST
def cancel(request: HttpRequest, project_slug: str, pk: int) -> HttpResponse:
    return _changed(request, project_slug, pk, actions.cancel_job)


@login_required
@require_POST
def retry(request: HttpRequest, project_slug: str, pk: int) -> HttpResponse:
    return _changed(request, project_slug, pk, actions.retry_job)


def _changed(request: HttpRequest, project_slug: str, pk: int, change: Callable[..., Job]) -> HttpResponse:
    project, job = _job(request, project_slug, pk)
    try:
        change(job, by=_person(request))
    except Refused as refusal:
        messages.error(request, refusal.message)
    return redirect("jobs:detail", project.slug, job.pk)
