"""The data card of a version: page, Markdown, JSON."""

import json

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from evalhub.accounts.permissions import Right
from evalhub.datasets.card import data_card
from evalhub.datasets.cardwords import flag_words, markdown, settings_of
from evalhub.datasets.models import Split
from evalhub.datasets.views.common import dataset_for
from evalhub.datasets.views.versions import version_in


@login_required
@require_safe
def card(request: HttpRequest, project_slug: str, dataset_slug: str, number: int) -> HttpResponse:
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    found = data_card(version_in(dataset, number))
    groups = (
        ("Categories", "Category", found.categories), ("Sources", "Source", found.sources),
        ("Languages", "Language", found.languages),
    )  # fmt: skip
    context = {
        "project": project, "dataset": dataset, "here": "data", "card": found, "groups": groups,
        "sides": [(label, found.counts.get(value, 0)) for value, label in Split.choices],
        "split_settings": settings_of(found),
        "flags": [(flag_words(kind), n) for kind, n in found.checks.flags.items()] if found.checks else [],
    }  # fmt: skip
    return render(request, "datasets/card.html", context)


@login_required
@require_safe
def card_file(request: HttpRequest, project_slug: str, dataset_slug: str, number: int, ending: str) -> HttpResponse:
    """The same as Markdown or JSON."""
    _, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    found = data_card(version_in(dataset, number))
    if ending == "md":
        text, kind = markdown(found), "text/markdown; charset=utf-8"
    else:
        text, kind = json.dumps(found.as_json(), ensure_ascii=False, indent=1), "application/json"
    name = f"{dataset.slug}-v{number}-card.{ending}"
    return HttpResponse(text, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
