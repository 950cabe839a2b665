"""The list of datasets, and one dataset: filters, table, readiness, versions."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from evalhub.accounts.models import Project
from evalhub.accounts.permissions import Right, may, project_for
from evalhub.datasets import actions, incoming
from evalhub.datasets.counting import Tally, changed_since
from evalhub.datasets.forms import DatasetForm, FreezeForm
from evalhub.datasets.guarded import trained_versions
from evalhub.datasets.listing import lines_of
from evalhub.datasets.models import Dataset
from evalhub.datasets.numbering import next_number
from evalhub.datasets.overview import states_of, together
from evalhub.datasets.paging import cut
from evalhub.datasets.selection import ExampleFilter, datasets_by_name
from evalhub.datasets.views.checks import beside_table
from evalhub.datasets.views.common import back_with, dataset_for, person
from evalhub.errors import Refused

GLANCE = 10  # examples shown on the dataset's own page


@login_required
@require_safe
def dataset_list(request: HttpRequest, project_slug: str) -> HttpResponse:
    project = project_for(person(request), project_slug, Right.VIEW_DATA)
    return _list_page(request, project, DatasetForm())


def _list_page(request: HttpRequest, project: Project, form: DatasetForm, status: int = 200) -> HttpResponse:
    datasets = list(datasets_by_name(project))
    states = states_of(datasets)
    context = {
        "project": project, "here": "data", "datasets": [(one, states[one.pk]) for one in datasets], "form": form,
        "may_curate": may(person(request), project, Right.CURATE),
    }  # fmt: skip
    return render(request, "datasets/list.html", context, status=status)


@login_required
@require_POST
def create(request: HttpRequest, project_slug: str) -> HttpResponse:
    """A new dataset; with a file, on to its preview."""
    project = project_for(person(request), project_slug, Right.CURATE)
    form = DatasetForm(request.POST, request.FILES)
    if not form.is_valid():
        return _list_page(request, project, form, status=400)
    values = {name: form.cleaned_data[name] for name in ("name", "description", "credit")}
    try:
        dataset = actions.create_dataset(project, by=person(request), **values)
    except Refused as refusal:
        form.add_error(refusal.field, refusal.message)
        return _list_page(request, project, form, status=409)
    upload = form.cleaned_data["file"]
    if not upload:
        messages.success(request, f"{dataset} was made. It is empty: import a file.")
        return redirect("datasets:import", project.slug, dataset.slug)
    try:
        token = incoming.keep(upload, dataset=dataset, by=person(request))
    except Refused as refusal:
        actions.discard_empty(dataset, by=person(request))
        form.add_error("file", refusal.message)
        return _list_page(request, project, form, status=409)
    address = reverse("datasets:preview", args=[project.slug, dataset.slug])
    return redirect(f"{address}?file={token}")


@login_required
@require_safe
def detail(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    if asked := ExampleFilter.from_query(request.GET).query:
        return redirect(f"{reverse('datasets:examples', args=[project.slug, dataset.slug])}?{asked}")
    context = _glance(dataset) | _margin_context(dataset) | beside_table(dataset)
    context |= {"project": project, "here": "data", "may_curate": may(person(request), project, Right.CURATE)}
    return render(request, "datasets/detail.html", context)


def _glance(dataset: Dataset) -> dict[str, Any]:
    """The newest examples; the table with its filters is a page of its own."""
    newest = cut(dataset.examples.order_by("-id"), "-id", {}, size=GLANCE)
    return {"dataset": dataset, "lines": lines_of(dataset, newest.examples), "tab": "overview"}


def _margin_context(dataset: Dataset) -> dict[str, Any]:
    counts = states_of([dataset])[dataset.pk]
    versions = list(dataset.versions.select_related("frozen_by")[:6])
    last = versions[0] if versions else None
    imports = list(dataset.imports.select_related("created_by").defer("problems")[:5])
    return {
        "counts": counts, "total": together(counts.values()), "versions": versions, "last": last,
        "changes": changed_since(dataset, last.frozen_at) if last else Tally(0),
        "next_number": next_number(dataset), "form": FreezeForm(dataset=dataset),
        "trained": trained_versions(dataset) if dataset.is_benchmark else [],
        "imports": imports, "under_way": next((item for item in imports if item.is_live), None),
    }  # fmt: skip


@login_required
@require_POST
def describe(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """Change what the dataset is said to hold, its source and licence, and whether it is a benchmark."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    words = {name: request.POST.get(name, "") for name in ("description", "credit")}
    benchmark = "is_benchmark" in request.POST
    try:
        actions.describe_dataset(dataset, by=person(request), is_benchmark=benchmark, **words)
    except Refused as refusal:
        return back_with(request, refusal, reverse("datasets:detail", args=[project.slug, dataset.slug]))
    messages.success(request, "Description, source and licence are kept.")
    return redirect("datasets:detail", project.slug, dataset.slug)
