"""A frozen version, and downloads of versions and of current examples."""

import csv
from collections.abc import Iterator

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from evalhub.accounts.permissions import Right
from evalhub.datasets.downloads import attachment
from evalhub.datasets.export import example_cells, example_columns, version_lines
from evalhub.datasets.models import Dataset, Split, Version
from evalhub.datasets.selection import ExampleFilter, chosen_examples, readiness, title_of
from evalhub.datasets.views.common import dataset_for

PER_PAGE = 25


def _version(dataset: Dataset, number: int) -> Version:
    return get_object_or_404(Version.objects.select_related("frozen_by", "dataset"), dataset=dataset, number=number)


@login_required
@require_safe
def version(request: HttpRequest, project_slug: str, dataset_slug: str, number: int) -> HttpResponse:
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    found = _version(dataset, number)
    split = request.GET.get("split", "")
    entries = found.entries.order_by("position")
    if split in Split.values:
        entries = entries.filter(split=split)
    page = Paginator(entries, PER_PAGE).get_page(request.GET.get("page"))
    sides = [(value, label, found.counts.get(value, 0)) for value, label in Split.choices]
    context = {
        "project": project, "dataset": dataset, "here": "data", "version": found, "split": split, "page": page,
        "rows": [(entry, title_of(entry.values)) for entry in page], "sides": sides,
        "numbers": dataset.versions.values_list("number", flat=True),
    }  # fmt: skip
    return render(request, "datasets/version.html", context)


@login_required
@require_safe
def version_file(
    request: HttpRequest, project_slug: str, dataset_slug: str, number: int, split: str
) -> StreamingHttpResponse:
    """JSONL of one split, or of all: it can be imported again."""
    _, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    lines = version_lines(_version(dataset, number), "" if split == "all" else split)
    return attachment(lines, f"{dataset.slug}-v{number}-{split}.jsonl", "application/x-ndjson")


@login_required
@require_safe
def examples_file(request: HttpRequest, project_slug: str, dataset_slug: str) -> StreamingHttpResponse:
    """CSV of the current examples that the filters leave; no cell is a formula."""
    _, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    wanted = ExampleFilter.from_query(request.GET)
    examples = chosen_examples(dataset, wanted, readiness(dataset)).iterator(chunk_size=500)
    rows = (example_cells(example) for example in examples)
    return attachment(_csv_lines(example_columns(), rows), f"{dataset.slug}.csv", "text/csv")


class _Echo:
    """A file for csv.writer that hands back what is written."""

    def write(self, text: str) -> str:
        return text


def _csv_lines(columns: list[str], rows: Iterator[list[object]]) -> Iterator[str]:
    table = csv.writer(_Echo())
    yield "\ufeff" + table.writerow(columns)
    yield from (table.writerow(row) for row in rows)
