"""Take examples out: choose what and in which format; small text is sent at once, the rest is a job."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from evalhub.accounts.models import Project
from evalhub.accounts.permissions import Right
from evalhub.datasets import actions
from evalhub.datasets.downloads import attachment
from evalhub.datasets.exporting.extracts import SMALL, Extract, Wanted, extract
from evalhub.datasets.exporting.formats import FORMATS, writing
from evalhub.datasets.models import Dataset
from evalhub.datasets.selection import ExampleFilter
from evalhub.datasets.shapes import ALPACA, SHAPES
from evalhub.datasets.views.common import back_with, dataset_for, person
from evalhub.errors import Refused


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def export(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponseBase:
    """?version=3&split=test, ?example=1&example=2, or a filter as on the dataset's page; POST takes it out."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    asked = request.POST if request.method == "POST" else request.GET
    try:
        wanted = _wanted(asked)
        found = extract(dataset, wanted)
        if request.method != "POST":
            return _page(request, project, dataset, wanted, found)
        chosen = writing(asked.get("format", "jsonl"), asked.get("shape", ALPACA))
    except Refused as refusal:
        return back_with(request, refusal, reverse("datasets:detail", args=[project.slug, dataset.slug]))
    if chosen.streams(found):
        return attachment(found, chosen)
    job = actions.request_export(dataset, wanted=wanted, extract=found, chosen=chosen, by=person(request))
    return redirect("jobs:detail", project.slug, job.pk)


def _wanted(asked: QueryDict) -> Wanted:
    """Raises Refused."""
    ticked = [tick.partition(".")[0] for tick in asked.getlist("example")]  # the table's say their revision, too
    number, ids = asked.get("version", ""), ",".join(ticked) or asked.get("ids", "")
    if number:
        if not number.isdecimal() or len(number) > 9:
            raise Refused(f"There is no version “{number[:40]}”.")
        return Wanted.from_texts(number=int(number), split=asked.get("split", ""))
    query = asked.get("query", "")
    return Wanted.from_texts(query=query or ExampleFilter.from_query(asked.dict()).query, ids=ids)


def _page(request: HttpRequest, project: Project, dataset: Dataset, wanted: Wanted, found: Extract) -> HttpResponse:
    context: dict[str, Any] = {
        "project": project, "dataset": dataset, "here": "data", "found": found, "wanted": wanted.as_texts(),
        "formats": [(name, one, writing(name).streams(found)) for name, one in FORMATS.items()],
        "shapes": SHAPES.items(), "small": SMALL,
    }  # fmt: skip
    return render(request, "datasets/export.html", context)


@login_required
@require_safe
def examples_file(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponseBase:
    """The current examples that the filters leave, as CSV for spreadsheets, however many."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    try:
        found = extract(dataset, Wanted(filter=ExampleFilter.from_query(request.GET)))
    except Refused as refusal:
        return back_with(request, refusal, reverse("datasets:detail", args=[project.slug, dataset.slug]))
    return attachment(found, writing("spreadsheet"))
