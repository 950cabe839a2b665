"""Two versions of a dataset side by side: counts, balance, and each difference with its text."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from evalhub.accounts.permissions import Right
from evalhub.datasets.comparing import KINDS, compare, differences, differing, version_of
from evalhub.datasets.comparing_chart import balance_chart
from evalhub.datasets.models import Dataset, Split, Version
from evalhub.datasets.views.common import back_with, dataset_for
from evalhub.errors import Refused

PER_PAGE = 25


@login_required
@require_safe
def comparison(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """?from=1&to=2&show=changed; without numbers, the last two."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    try:
        before, after = _pair(request, dataset)
    except Refused as refusal:
        return back_with(request, refusal, reverse("datasets:detail", args=[project.slug, dataset.slug]))
    found = compare(before, after)
    show = request.GET.get("show", "")
    if show not in KINDS:
        show = next((kind for kind in KINDS if found.count(kind)), "added")
    page = Paginator(differing(before, after, show), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "project": project, "dataset": dataset, "here": "data", "found": found, "show": show, "page": page,
        "kinds": [(kind, words, found.count(kind)) for kind, words in KINDS.items()],
        "rows": differences(before, show, page), "numbers": list(dataset.versions.values_list("number", flat=True)),
        "labels": dict(Split.choices), "query": f"from={before.number}&to={after.number}&show={show}",
    }  # fmt: skip
    return render(request, "datasets/comparison.html", context)


@login_required
@require_safe
def chart(request: HttpRequest, project_slug: str, dataset_slug: str) -> JsonResponse:
    """The specification of the figure of balance."""
    _, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    return JsonResponse(balance_chart(compare(*_pair(request, dataset))))


def _pair(request: HttpRequest, dataset: Dataset) -> tuple[Version, Version]:
    """Raises Refused for a number that is none, or where there is only one version."""
    last = list(dataset.versions.values_list("number", flat=True)[:2])
    if len(last) < 2:
        raise Refused(f"{dataset} has fewer than two versions; there is nothing to compare.")
    numbers = []
    for name, usual in (("from", last[1]), ("to", last[0])):
        given = request.GET.get(name, str(usual))
        if not given.isdecimal() or len(given) > 9:
            raise Refused(f"There is no version “{given[:40]}”.")
        numbers.append(int(given))
    return version_of(dataset, numbers[0]), version_of(dataset, numbers[1])
