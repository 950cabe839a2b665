"""The list of datasets, and one dataset: filters, table, readiness, versions."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from evalhub.accounts.models import Project
from evalhub.accounts.permissions import Right, may, project_for
from evalhub.datasets import actions, incoming
from evalhub.datasets.charts import CHARTS
from evalhub.datasets.forms import DatasetForm, FreezeForm
from evalhub.datasets.leakage import Leaking
from evalhub.datasets.models import Dataset, Example, Split
from evalhub.datasets.quality import QualityReport
from evalhub.datasets.selection import (
    ExampleFilter,
    categories,
    changes_since,
    chosen_examples,
    datasets_of,
    readiness,
    state_counts,
    title_of,
)
from evalhub.datasets.views.common import back_with, dataset_for, person
from evalhub.errors import Refused

PER_PAGE = 25
FLAG_NAMES = {
    "leaks": ("Leak", "bad"), "echoes": ("Repeats the input", "bad"), "conflicts": ("Other output elsewhere", "warn"),
    "copies": ("Copy", "warn"), "lengths": ("Very long", "warn"),
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One row of the table of examples."""

    example: Example
    title: str
    flags: list[tuple[str, str]]


@login_required
@require_safe
def dataset_list(request: HttpRequest, project_slug: str) -> HttpResponse:
    project = project_for(person(request), project_slug, Right.VIEW_DATA)
    return _list_page(request, project, DatasetForm())


def _list_page(request: HttpRequest, project: Project, form: DatasetForm, status: int = 200) -> HttpResponse:
    context = {
        "project": project, "here": "data", "datasets": datasets_of(project), "form": form,
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
    context = _examples_context(request, dataset)
    template = "datasets/_examples.html" if request.headers.get("HX-Target") == "examples" else "datasets/detail.html"
    if template == "datasets/detail.html":
        context |= _margin_context(dataset)
    context |= {"project": project, "here": "data", "may_curate": may(person(request), project, Right.CURATE)}
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Target"])  # one address, two answers: caches must tell them apart
    return response


def _examples_context(request: HttpRequest, dataset: Dataset) -> dict[str, Any]:
    wanted, report = ExampleFilter.from_query(request.GET), readiness(dataset)
    page = Paginator(chosen_examples(dataset, wanted, report), PER_PAGE).get_page(request.GET.get("page"))
    return {
        "dataset": dataset, "report": report, "wanted": wanted, "page": page, "lines": _lines(page, report),
        "chips": _chips(wanted), "categories": categories(dataset), "states": Example.State.choices,
        "splits": [*Split.choices, ("none", "Not split yet")], "total": dataset.examples.count(),
    }  # fmt: skip


def _lines(page: Page[Example], report: QualityReport) -> list[Line]:
    marked = {key: set(check.ids) for key in FLAG_NAMES if (check := report.check(key))}
    return [
        Line(example, title_of(vars(example)), [FLAG_NAMES[key] for key, ids in marked.items() if example.pk in ids])
        for example in page
    ]


def _chips(wanted: ExampleFilter) -> list[tuple[str, str]]:
    """(what it says, the address's query without it) for each filter in use."""
    words = {"q": "Text", "category": "Category", "state": "State", "split": "Split", "flag": "Flag"}
    flags = {key: name for key, (name, _) in FLAG_NAMES.items()}
    return [(f"{words[name]}: {flags.get(value, value)}", wanted.without(name)) for name, value in wanted.pairs.items()]


def _margin_context(dataset: Dataset) -> dict[str, Any]:
    versions = list(dataset.versions.select_related("frozen_by")[:6])
    last = versions[0] if versions else None
    imports = list(dataset.imports.select_related("created_by").defer("problems")[:5])
    return {
        "counts": state_counts(dataset), "versions": versions, "last": last, "changes": changes_since(dataset, last),
        "next_number": last.number + 1 if last else 1, "freeze_form": FreezeForm(),
        "imports": imports, "under_way": next((item for item in imports if item.is_live), None),
    }  # fmt: skip


@login_required
@require_safe
def chart(request: HttpRequest, project_slug: str, dataset_slug: str, name: str) -> JsonResponse:
    """The specification of one figure."""
    _, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    return JsonResponse(CHARTS[name](readiness(dataset)))


@login_required
@require_POST
def describe(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """Change what the dataset is said to hold, and its source and licence."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    words = {name: request.POST.get(name, "") for name in ("description", "credit")}
    try:
        actions.describe_dataset(dataset, by=person(request), **words)
    except Refused as refusal:
        return back_with(request, refusal, reverse("datasets:detail", args=[project.slug, dataset.slug]))
    messages.success(request, "Description, source and licence are kept.")
    return redirect("datasets:detail", project.slug, dataset.slug)


@login_required
@require_POST
def freeze(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    home = reverse("datasets:detail", args=[project.slug, dataset.slug])
    form = FreezeForm(request.POST)
    if not form.is_valid():
        sentence = next(iter(form.errors.values()))[0]
        return back_with(request, Refused(f"Nothing was frozen. {sentence}"), home)
    try:
        version = actions.freeze_version(
            dataset,
            by=person(request),
            note=form.cleaned_data["note"],
            shares=form.shares(),
            seed=form.cleaned_data["seed"],
            keep_test=form.cleaned_data["keep_test"],
            leak_reason=form.cleaned_data["leak_reason"],
        )
    except Leaking as leaking:
        context = {"project": project, "dataset": dataset, "here": "data", "refusal": leaking, "form": form}
        return render(request, "datasets/leaks.html", context, status=409)
    except Refused as refusal:
        return back_with(request, refusal, home)
    messages.success(request, f"{version} is frozen: {version.counts['total']:,} examples.")
    return redirect("datasets:version", project.slug, dataset.slug, version.number)
