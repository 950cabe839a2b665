"""The table of examples: filters in the address, pages by place, saved views, one change for all that match."""

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from evalhub.accounts.permissions import Right, may
from evalhub.datasets import actions
from evalhub.datasets.actions.bulk import HERE_AND_NOW, WORDS, Order, foresee, sound_order
from evalhub.datasets.actions.deciding import many
from evalhub.datasets.changes import change_told, last_change, passed_over_told, undone_told
from evalhub.datasets.filters import filter_of
from evalhub.datasets.listing import chips_of, flag_choices, lines_of, names_of, order_choices
from evalhub.datasets.models import Change, Dataset, SavedView
from evalhub.datasets.paging import PER_PAGE, cut
from evalhub.datasets.selection import PROVENANCES, SPLITS, STATES, ExampleFilter, chosen_examples, number_of
from evalhub.datasets.views.common import back_with, dataset_for, person
from evalhub.errors import Refused

FOLDED = ("source", "language", "tag", "from", "min", "max", "since")  # filters behind "More filters"
CHANGES = 50


@login_required
@require_safe
def examples(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    curates = may(person(request), project, Right.CURATE)
    context = _context(request, dataset) | {"project": project, "here": "data", "may_curate": curates}
    context["last_change"] = last_change(dataset, by=person(request)) if curates else None
    part = request.headers.get("HX-Target") == "examples"
    response = render(request, f"datasets/{'_examples' if part else 'examples'}.html", context)
    patch_vary_headers(response, ["HX-Target"])  # one address, two answers: caches must tell them apart
    return response


def _context(request: HttpRequest, dataset: Dataset) -> dict[str, Any]:
    wanted = ExampleFilter.from_query(request.GET)
    chosen = chosen_examples(dataset, wanted)
    page = cut(chosen, wanted.order, request.GET, size=PER_PAGE)
    count = number_of(dataset, wanted)
    folded = [name for name in wanted.narrowing if name in FOLDED]
    return {
        "dataset": dataset, "wanted": wanted, "page": page, "lines": lines_of(dataset, page.examples), "count": count,
        "total": number_of(dataset, ExampleFilter()) if wanted.narrowing else count, "chips": chips_of(wanted),
        "views": list(dataset.saved_views.all()), "folded": folded, "tab": "examples", **_choices(dataset),
    }  # fmt: skip


def _choices(dataset: Dataset) -> dict[str, Any]:
    """What the filters and the bulk form offer."""
    return {
        "categories": names_of(dataset, "category"), "languages": names_of(dataset, "language"), "states": STATES,
        "splits": SPLITS, "flags": flag_choices(dataset), "provenances": PROVENANCES, "orders": order_choices(),
        "verbs": WORDS.items(),
    }  # fmt: skip


# --- one change for all that match --------------------------------------------------------------
def _asked(query: QueryDict) -> tuple[ExampleFilter, Order]:
    """The filter (as one field, `query`, as it was shown) and the order of a bulk form. Raises Refused."""
    order = Order(query.get("verb", ""), query.get("value", ""), query.get("reason", ""))
    return filter_of(query.get("query", "")), order


def table_address(dataset: Dataset, query: str = "") -> str:
    address = reverse("datasets:examples", args=[dataset.project.slug, dataset.slug])
    return f"{address}?{query}" if query else address


@login_required
@require_safe
def ask_bulk(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """The question before: how many examples match, how many of them would be different, and how."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    try:
        wanted, order = _asked(request.GET)
        order = sound_order(order)
    except Refused as refusal:
        return back_with(request, refusal, _home(dataset, request.GET))
    found = foresee(dataset, wanted, order, by=person(request))
    context = {
        "project": project, "dataset": dataset, "here": "data", "wanted": wanted, "order": order, "found": found,
        "question": order.question.format(examples=many(found.different or found.number)), "chips": chips_of(wanted),
        "by_worker": found.number > HERE_AND_NOW, "key": uuid4().hex,
        "lines": lines_of(dataset, cut(chosen_examples(dataset, wanted), wanted.order, {}, size=5).examples),
    }  # fmt: skip
    return render(request, "datasets/bulk.html", context)


@login_required
@require_POST
def bulk(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """Do it, if the number is still the one that was asked about; a worker does what is large."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    home = _home(dataset, request.POST)
    try:
        wanted, order = _asked(request.POST)
        number = _expected(request.POST)
        if number > HERE_AND_NOW:
            key = request.POST.get("key", "")[:64] or None
            job = actions.request_bulk(dataset, wanted, order, by=person(request), expected=number, request_key=key)
            return redirect("jobs:detail", project.slug, job.pk)
        change = actions.bulk_examples(dataset, wanted, order, by=person(request), expected=number)
    except Refused as refusal:
        return back_with(request, refusal, home)
    messages.success(request, f"{change_told(change)}.{passed_over_told(change)} It can be undone under Changes.")
    return redirect(home)


def _expected(form: QueryDict) -> int:
    """How many the question said that match. Raises Refused."""
    number = form.get("expected", "")
    if not number.isdecimal() or len(number) > 10:
        raise Refused("The form did not say how many. Nothing was changed.")
    return int(number)


def _home(dataset: Dataset, form: QueryDict) -> str:
    """The table as it was when somebody asked."""
    return table_address(dataset, ExampleFilter.from_query(QueryDict(form.get("query", "")).dict()).query)


# --- changes, and the way back ------------------------------------------------------------------
@login_required
@require_safe
def change_list(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """The last changes, each with its undo."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    changes = list(dataset.changes.select_related("by", "undone_by").order_by("-id")[:CHANGES])
    context = {
        "project": project, "dataset": dataset, "here": "data", "tab": "changes",
        "changes": [(change, change_told(change)) for change in changes],
        "may_curate": may(person(request), project, Right.CURATE),
    }  # fmt: skip
    return render(request, "datasets/changes.html", context)


@login_required
@require_POST
def undo(request: HttpRequest, project_slug: str, dataset_slug: str, pk: int) -> HttpResponse:
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    change = get_object_or_404(Change, dataset=dataset, pk=pk)
    address = reverse("datasets:changes", args=[project.slug, dataset.slug])
    if job := actions.undo_by_worker(change, by=person(request)):
        return redirect("jobs:detail", project.slug, job.pk)
    try:
        change = actions.undo(change, by=person(request))
    except Refused as refusal:
        return back_with(request, refusal, address)
    messages.success(request, undone_told(change))
    return redirect(address)


# --- saved views --------------------------------------------------------------------------------
@login_required
@require_POST
def save_view(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    _, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    home = _home(dataset, request.POST)
    try:
        wanted = filter_of(request.POST.get("query", ""))
        view = actions.save_view(dataset, name=request.POST.get("name", ""), wanted=wanted, by=person(request))
    except Refused as refusal:
        return back_with(request, refusal, home)
    messages.success(request, f"This filter is kept as “{view}”, for everybody who sees the dataset.")
    return redirect(home)


@login_required
@require_POST
def forget_view(request: HttpRequest, project_slug: str, dataset_slug: str, pk: int) -> HttpResponse:
    _, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    view = get_object_or_404(SavedView, dataset=dataset, pk=pk)
    actions.forget_view(view, by=person(request))
    messages.success(request, f"The view “{view.name}” is gone; no example was touched.")
    return redirect(table_address(dataset, view.query))
