"""A frozen version: its entries, and each side as JSONL."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import F
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from evalhub.accounts.permissions import Right, may
from evalhub.datasets.card import seen_before
from evalhub.datasets.downloads import attachment
from evalhub.datasets.exporting.extracts import of_version
from evalhub.datasets.exporting.formats import writing
from evalhub.datasets.models import Dataset, Split, Version
from evalhub.datasets.selection import title_of
from evalhub.datasets.views.common import dataset_for, person

PER_PAGE = 25


def version_in(dataset: Dataset, number: int) -> Version:
    return get_object_or_404(Version.objects.select_related("frozen_by", "dataset"), dataset=dataset, number=number)


@login_required
@require_safe
def version(request: HttpRequest, project_slug: str, dataset_slug: str, number: int) -> HttpResponse:
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    found = version_in(dataset, number)
    split = request.GET.get("split", "")
    entries = found.entries.order_by("position").annotate(home=F("example__dataset__slug"))
    if split in Split.values:
        entries = entries.filter(split=split)
    page = Paginator(entries, PER_PAGE).get_page(request.GET.get("page"))
    sides = [(value, label, found.counts.get(value, 0)) for value, label in Split.choices]
    context = {
        "project": project, "dataset": dataset, "here": "data", "version": found, "split": split, "page": page,
        "rows": [(entry, title_of(entry.values)) for entry in page], "sides": sides,
        "before": dataset.versions.filter(number__lt=number).first(),
        "may_curate": may(person(request), project, Right.CURATE), "seen_before": seen_before(found.settings),
    }  # fmt: skip
    return render(request, "datasets/version.html", context)


@login_required
@require_safe
def version_file(
    request: HttpRequest, project_slug: str, dataset_slug: str, number: int, split: str
) -> StreamingHttpResponse:
    """JSONL of one split, or of all: it can be imported again."""
    _, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    return attachment(of_version(version_in(dataset, number), "" if split == "all" else split), writing("jsonl"))
