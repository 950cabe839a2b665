"""One example: its texts and what changed, where it comes from, and the decision about it."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from evalhub.accounts.models import Project
from evalhub.accounts.permissions import Right, may
from evalhub.datasets import actions
from evalhub.datasets.actions.deciding import Seen
from evalhub.datasets.changes import passed_over_told
from evalhub.datasets.difference import pieces
from evalhub.datasets.forms import ExampleForm
from evalhub.datasets.history import history_of, origin_of
from evalhub.datasets.models import Dataset, Example, Revision
from evalhub.datasets.selection import same_prompt, title_of
from evalhub.datasets.views.common import back_with, dataset_for, person, revision_seen
from evalhub.errors import Refused


def _example(dataset: Dataset, pk: int) -> Example:
    return get_object_or_404(Example.objects.select_related("batch__created_by"), dataset=dataset, pk=pk)


@login_required
@require_safe
def example(request: HttpRequest, project_slug: str, dataset_slug: str, pk: int) -> HttpResponse:
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    found = _example(dataset, pk)
    return _page(request, project, found, form_of(found))


def form_of(found: Example) -> ExampleForm:
    names = ("instruction", "input", "output", "system", "category", "source", "wanted_split")
    return ExampleForm(initial={name: getattr(found, name) for name in names} | {"revision": found.revision_number})


def _page(request: HttpRequest, project: Project, found: Example, form: ExampleForm, status: int = 200) -> HttpResponse:
    rivals = list(same_prompt(found)[:3])
    context = {
        "project": project, "dataset": found.dataset, "here": "data", "example": found, "form": form,
        "title": title_of(vars(found)), "events": history_of(found), "origin": origin_of(found),
        "rivals": rivals,
        "entries": found.version_entries.select_related("version").order_by("-version__number")[:5],
        "editing": "edit" in request.GET or status != 200,
        "may_curate": may(person(request), project, Right.CURATE),
        **change_shown(found, rivals),
    }  # fmt: skip
    return render(request, "datasets/example.html", context, status=status)


def change_shown(found: Example, rivals: Sequence[Example]) -> dict[str, Any]:
    """The output as a change: of the revision before, or of the first example that asks the same as a proposal."""
    before, of = "", ""
    if (last := _former(found)) and last.values:
        before, of = last.values["output"], f"revision {last.number}"
    elif found.state == Example.State.PROPOSED and rivals:
        before, of = rivals[0].output, str(rivals[0])
    elif answer := found.origin.get("answer"):
        before, of = str(answer), "the answer that was corrected"
    return {"before": before, "before_of": of, "pieces": pieces(before, found.output) if of else []}


def _former(found: Example) -> Revision | None:
    """The revision before this one."""
    earlier = found.revisions.filter(number__lt=found.revision_number)
    return earlier.order_by("-number").first() if found.revision_number > 1 else None


@login_required
@require_POST
def edit(request: HttpRequest, project_slug: str, dataset_slug: str, pk: int) -> HttpResponse:
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    found = _example(dataset, pk)
    form = ExampleForm(request.POST)
    if not form.is_valid():
        return _page(request, project, found, form, status=400)
    try:
        changed = actions.edit_example(
            found, by=person(request), values=form.values(), reason=form.cleaned_data["reason"],
            expected_revision=form.cleaned_data["revision"],
        )  # fmt: skip
    except Refused as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)
        return _page(request, project, found, form, status=409)
    messages.success(request, _kept_told(found, changed))
    return redirect("datasets:example", project.slug, dataset.slug, pk)


def _kept_told(before: Example, after: Example) -> str:
    """What an edit did, also to the state: other texts have been decided about by nobody."""
    if after.revision_number == before.revision_number:
        return "Nothing was different."
    kept = f"Kept as revision {after.revision_number}."
    return kept if after.state == before.state else f"{kept} It was {before.state}, and is proposed again."


@login_required
@require_POST
def decide(request: HttpRequest, project_slug: str, dataset_slug: str, pk: int) -> HttpResponse:
    """Approve or reject, and back to the page; the review queue goes on by itself (reviewing.py)."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    found = _example(dataset, pk)
    address = reverse("datasets:example", args=[project.slug, dataset.slug, pk])
    try:
        said = _decided(request, found)
    except Refused as refusal:
        return back_with(request, refusal, address)
    messages.success(request, said)
    return redirect(address)


def _decided(request: HttpRequest, found: Example) -> str:
    """Do what the button says and return the sentence for the next page."""
    decision, reason = request.POST.get("decision"), request.POST.get("reason", "")[:255]
    seen = revision_seen(request.POST)
    if decision == "approve":
        now = actions.approve(found, by=person(request), expected_revision=seen)
        once = now.state == Example.State.PROPOSED
        return f"{found} is approved once; a second person has to approve it too." if once else f"{found} is approved."
    if decision == "replace":
        former = actions.approve_instead(found, by=person(request), expected_revision=seen)
        return f"{found} is approved; {len(former)} with the same task rejected."
    if decision == "reject":
        actions.reject(found, by=person(request), reason=reason, expected_revision=seen)
        return f"{found} is rejected."
    raise Refused("Approve or reject: the form said neither. Nothing was changed.")


@login_required
@require_POST
def decide_many(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """Approve or reject what is ticked in the table; what is in that state, or was changed meanwhile, stays."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    seen = _ticked(request.POST.getlist("example"))
    query = request.POST.get("query", "")
    address = f"{reverse('datasets:examples', args=[project.slug, dataset.slug])}?{query}".rstrip("?")
    approving = request.POST.get("decision") == "approve"
    if not seen:
        return back_with(request, Refused("Nothing was ticked, so nothing was changed."), address)
    change = actions.decide_many(dataset, pks=list(seen), approving=approving, by=person(request), seen=seen)
    told = f"{change.count:,} of {len(seen):,} {'approved' if approving else 'rejected'}."
    (messages.warning if change.passed_over else messages.success)(request, told + passed_over_told(change))
    return redirect(address)


def _ticked(texts: Iterable[str]) -> dict[int, Seen]:
    """Example → as the table showed it, of ticks such as "12.3.proposed"; what says nothing is left out."""
    parts = (text.split(".") for text in texts)
    return {int(tick[0]): (int(tick[1]), tick[2]) for tick in parts if len(tick) == 3 and all(map(_number, tick[:2]))}


def _number(text: str) -> bool:
    return text.isdecimal() and len(text) < 19
