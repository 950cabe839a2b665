"""The review queue: one example after the other, by key, leased so that two curators never have the same one.

Looking changes nothing: an example is leased by the POST that goes on to it, and by the page's heartbeat.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets import actions
from evalhub.datasets.changes import last_change
from evalhub.datasets.clusters import CLUSTERING, cluster_of, members_of, shown_of
from evalhub.datasets.forms import ExampleForm
from evalhub.datasets.history import history_of, origin_of
from evalhub.datasets.listing import chips_of, flag_name, light_title
from evalhub.datasets.models import Dataset, Example, Flag
from evalhub.datasets.paging import beyond, light, place_from, place_of
from evalhub.datasets.selection import ExampleFilter, chosen_examples, flagged, number_of, same_prompt, title_of
from evalhub.datasets.views.common import back_with, dataset_for, person, revision_seen
from evalhub.datasets.views.review import change_shown, form_of
from evalhub.errors import Refused
from evalhub.jobs.models import Job

AHEAD = 10  # examples of the queue that are named beside the one under review
PROPOSALS = "state=proposed"


def _wanted(query: str) -> ExampleFilter:
    return ExampleFilter.from_query(dict(parse_qsl(query)))


def _address(dataset: Dataset, example: Example | None, query: str) -> str:
    """The page of an example in a queue, or the queue's own where nothing is left."""
    slugs = [dataset.project.slug, dataset.slug]
    path = (
        reverse("datasets:reviewed", args=[*slugs, example.pk]) if example else reverse("datasets:review", args=slugs)
    )
    return f"{path}?{query or 'all'}"


@login_required
def queue(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """What is to be reviewed; POST begins with the first that nobody else looks at."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    if request.method == "POST":
        query = _wanted(request.POST.get("query", "")).query
        found = actions.next_to_review(dataset, _wanted(query), by=person(request))
        return redirect(_address(dataset, found, query))
    wanted = ExampleFilter.from_query(request.GET or dict(parse_qsl(PROPOSALS)))
    context = {
        "project": project, "dataset": dataset, "here": "data", "tab": "review", "wanted": wanted, "may_curate": True,
        "chips": chips_of(wanted), "count": number_of(dataset, wanted), "views": list(dataset.saved_views.all()),
        "proposals": number_of(dataset, _wanted(PROPOSALS)), "busy": actions.reviewers_of(dataset, but=person(request)),
    }  # fmt: skip
    return render(request, "datasets/review.html", context)


@login_required
@require_safe
def reviewed(request: HttpRequest, project_slug: str, dataset_slug: str, pk: int) -> HttpResponse:
    """One example of the queue, with everything that a decision needs."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    found = get_object_or_404(Example.objects.select_related("batch"), dataset=dataset, pk=pk)
    found.dataset = dataset
    form = form_of(found) if "edit" in request.GET else None
    return _page(request, project, found, ExampleFilter.from_query(request.GET), form)


def _page(
    request: HttpRequest, project: Project, found: Example, wanted: ExampleFilter, form: ExampleForm | None,
    *, status: int = 200,
) -> HttpResponse:  # fmt: skip
    by, dataset = person(request), found.dataset
    flags = list(flagged(dataset).filter(example=found))
    rivals = list(same_prompt(found)[:3]) if found.state == Example.State.PROPOSED else []
    context = {
        "project": project, "dataset": dataset, "here": "data", "example": found, "wanted": wanted, "form": form,
        "title": title_of(vars(found)), "place": place_of(found, wanted.order), "events": history_of(found),
        "origin": origin_of(found), "flags": [(*flag_name(flag.kind), flag.reason) for flag in flags],
        "rivals": rivals,
        "holder": actions.holder_of(found, but=by), "last_change": last_change(dataset, by=by),
        "waits_for_other": dataset.second_approval and found.first_approver_id == by.pk,
        **change_shown(found, rivals), **_alike(found, flags), **_around(found, wanted),
    }  # fmt: skip
    return render(request, "datasets/reviewed.html", context, status=status)


def _alike(found: Example, flags: Sequence[Flag]) -> dict[str, Any]:
    """Its duplicates, with it, how many more there are, and whether there is one to choose among them."""
    cluster = cluster_of(found) if any(flag.kind in CLUSTERING for flag in flags) else [found.pk]
    members = shown_of(found, cluster)
    left = [member for member in members if member.state != Example.State.REJECTED]
    return {
        "members": members if len(members) > 1 else [], "alike": len(cluster), "unshown": len(cluster) - len(members),
        "choosing": len(left) > 1 or len(cluster) > len(members),
    }  # fmt: skip


def _around(found: Example, wanted: ExampleFilter) -> dict[str, Any]:
    """The next examples of the queue by name, and how many there are."""
    chosen, place = chosen_examples(found.dataset, wanted), place_from(place_of(found, wanted.order), wanted.order)
    ahead = beyond(light(chosen), place, wanted.order)[:AHEAD] if place else ()
    return {
        "ahead": [(item, light_title(item)) for item in ahead], "count": number_of(found.dataset, wanted),
        "chips": chips_of(wanted), "all_query": wanted.query or "all",
    }  # fmt: skip


@login_required
@require_POST
def act(request: HttpRequest, project_slug: str, dataset_slug: str, pk: int) -> HttpResponse:
    """Do what the key says and go on: decisions to the next example, tags and undo where they happened."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    found = get_object_or_404(Example, dataset=dataset, pk=pk)
    found.dataset = dataset
    wanted = _wanted(request.POST.get("query", ""))
    try:
        if job := _large_undo(request, dataset):
            return redirect("jobs:detail", project.slug, job.pk)
        goal = _acted(request, found, wanted)
    except Refused as refusal:
        return back_with(request, refusal, _address(dataset, found, wanted.query))
    return redirect(_address(dataset, goal, wanted.query))


def _large_undo(request: HttpRequest, dataset: Dataset) -> Job | None:
    """The job to look at, where undo is asked of a change that only a worker can undo. Raises Refused."""
    if request.POST.get("decision") != "undo":
        return None
    by = person(request)
    return actions.undo_by_worker(actions.last_of(dataset, by=by), by=by)


def _acted(request: HttpRequest, found: Example, wanted: ExampleFilter) -> Example | None:
    """Do it; returns the example to show next. Raises Refused."""
    by, decision = person(request), request.POST.get("decision", "")
    if decision in DECISIONS:
        DECISIONS[decision](found, by, request.POST)
    elif decision in STAYING:
        return STAYING[decision](found, by, request.POST)
    elif decision not in ("next", "previous"):
        raise Refused("The form did not say what to do. Nothing was changed.")
    place = request.POST.get("place", "")
    return actions.next_to_review(found.dataset, wanted, by=by, after=place, back=decision == "previous")


def _approve(found: Example, by: User, given: Any) -> None:
    actions.approve(found, by=by, expected_state=given.get("state", ""), expected_revision=revision_seen(given))


def _replace(found: Example, by: User, given: Any) -> None:
    actions.approve_instead(found, by=by, expected_revision=revision_seen(given))


def _reject(found: Example, by: User, given: Any) -> None:
    reason, state = given.get("reason", "").strip()[:255], given.get("state", "")
    actions.reject(found, by=by, reason=reason, expected_state=state, expected_revision=revision_seen(given))


def _keep(found: Example, by: User, given: Any) -> Example:
    number = given.get("keep", "")
    kept = next((member for member in members_of(found) if str(member.pk) == number), None)
    if kept is None:
        raise Refused("This is none of the duplicates any more. Nothing was changed.")
    actions.keep_one(kept, by=by, expected_revision=revision_seen(given))
    return found


def _tag(found: Example, by: User, given: Any) -> Example:
    tag, expected = given.get("tag", "").strip(), revision_seen(given)
    if not tag:
        raise Refused("The tag is empty; nothing was changed.")
    tags = [other for other in found.tags if other != tag] if tag in found.tags else [*found.tags, tag]
    return actions.edit_example(found, by=by, values={"tags": tags}, reason=f"tag {tag}", expected_revision=expected)


def _undo(found: Example, by: User, given: Any) -> Example:
    """Back to the example whose change was undone."""
    change = actions.undo_last(found.dataset, by=by)
    entry = change.examples.select_related("example").first()
    back = entry.example if entry else found
    actions.let_go(found.dataset, by=by)
    actions.hold(back, by=by)
    return back


DECISIONS = {"approve": _approve, "replace": _replace, "reject": _reject}
STAYING = {"keep": _keep, "tag": _tag, "undo": _undo}


@login_required
@require_POST
def edit(request: HttpRequest, project_slug: str, dataset_slug: str, pk: int) -> HttpResponse:
    """Keep an edit made in place; the page then shows it as a change."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    found = get_object_or_404(Example.objects.select_related("batch"), dataset=dataset, pk=pk)
    found.dataset = dataset
    wanted, form = _wanted(request.POST.get("query", "")), ExampleForm(request.POST)
    if not form.is_valid():
        return _page(request, project, found, wanted, form, status=400)
    try:
        actions.edit_example(found, by=person(request), values=form.values(), reason=form.cleaned_data["reason"],
                             expected_revision=form.cleaned_data["revision"])  # fmt: skip
    except Refused as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)
        return _page(request, project, found, wanted, form, status=409)
    return redirect(_address(dataset, found, wanted.query))


@login_required
@require_POST
def hold(request: HttpRequest, project_slug: str, dataset_slug: str, pk: int) -> JsonResponse:
    """The page's heartbeat: keep or take the lease; who else has it, if somebody has."""
    _, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    found = get_object_or_404(Example, dataset=dataset, pk=pk)
    mine = actions.hold(found, by=person(request))
    other = None if mine else actions.holder_of(found, but=person(request))
    return JsonResponse({"mine": mine, "holder": str(other) if other else ""})


@login_required
@require_POST
def comment(request: HttpRequest, project_slug: str, dataset_slug: str, pk: int) -> HttpResponse:
    _, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    found = get_object_or_404(Example, dataset=dataset, pk=pk)
    query = request.POST.get("query")
    home = reverse("datasets:example", args=[dataset.project.slug, dataset.slug, pk])
    address = home if query is None else _address(dataset, found, _wanted(query).query)
    try:
        actions.comment(found, by=person(request), text=request.POST.get("text", ""))
    except Refused as refusal:
        return back_with(request, refusal, address)
    return redirect(address)


@login_required
@require_POST
def approvals(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """Whether a second person has to approve."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    wanted = request.POST.get("second") == "on"
    actions.ask_second_approval(dataset, wanted=wanted, by=person(request))
    messages.success(request, "From now on two different people approve an example." if wanted
                     else "From now on one person approves an example.")  # fmt: skip
    return redirect("datasets:review", project.slug, dataset.slug)
