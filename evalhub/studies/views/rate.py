"""The rating page. Every answer here is made of a BlindItem or a Waiting; it never touches an arm.

A request with the header X-Fragment gets the parts of the page that change, or JSON; others get pages and redirects.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from evalhub.accounts.models import User
from evalhub.accounts.permissions import Right, project_for
from evalhub.errors import Refused
from evalhub.studies import actions
from evalhub.studies.blinding import BlindItem, blind_criterion
from evalhub.studies.models import Study
from evalhub.studies.rating import (
    SKIP_REASONS,
    NotARater,
    Waiting,
    item_in_hand,
    item_of_history,
    progress_of,
    rater_of,
    waiting,
)

P = ParamSpec("P")
Page = Callable[Concatenate[HttpRequest, Study, P], HttpResponse]


def for_raters(page: Page[P]) -> Callable[..., HttpResponse]:
    """Hands the page its study, if the person rates in it: an outsider or a rater of other studies gets 404."""

    @login_required
    @never_cache
    @wraps(page)
    def guarded(
        request: HttpRequest, project_slug: str, study_slug: str, *args: P.args, **kwargs: P.kwargs
    ) -> HttpResponse:
        project = project_for(person_of(request), project_slug, Right.RATE)
        study = Study.objects.filter(project=project, slug=study_slug).exclude(state=Study.State.DRAFT).first()
        try:
            if study is None:
                raise NotARater
            rater_of(study, person_of(request))
        except NotARater:
            raise Http404("There is no such study.") from None
        return page(request, study, *args, **kwargs)

    return guarded


def person_of(request: HttpRequest) -> User:
    return cast(User, request.user)


def wants_fragment(request: HttpRequest) -> bool:
    return "X-Fragment" in request.headers


# --- showing --------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@for_raters
def rate(request: HttpRequest, study: Study) -> HttpResponse:
    """GET shows what is in hand and changes nothing; POST takes the next item."""
    user = person_of(request)
    if request.method == "POST":
        shown: BlindItem | Waiting | None = actions.claim_next(study, user=user)
        if wants_fragment(request):
            return show(request, study, shown)
        return redirect(rate_address(study))
    return show(request, study, item_in_hand(study, user=user) or waiting(study, user=user))


@require_safe
@for_raters
def rated(request: HttpRequest, study: Study, token: uuid.UUID) -> HttpResponse:
    """An item of one's own history, with its values as they stand."""
    item = item_of_history(study, user=person_of(request), token=token)
    if item is None:
        raise Http404("There is no such rating.")
    return show(request, study, item)


@require_safe
@for_raters
def guidelines(request: HttpRequest, study: Study) -> HttpResponse:
    return render(request, "studies/guidelines.html", {"here": "desk", **study_context(study)})


def show(request: HttpRequest, study: Study, shown: BlindItem | Waiting | None) -> HttpResponse:
    """The page, or its changing parts, for an item, for a reason to wait, or for nothing in hand yet."""
    context: dict[str, Any] = {"here": "desk", "key": uuid.uuid4(), **study_context(study)}
    context |= {"skip_reasons": SKIP_REASONS, "project_slug": study.project.slug}
    if isinstance(shown, BlindItem):
        context |= {"item": shown, "progress": shown.progress}
    else:
        progress = shown.progress if shown else progress_of(rater_of(study, person_of(request)))
        context |= {"waiting": shown, "progress": progress}
    return render(request, "studies/_item.html" if wants_fragment(request) else "studies/rate.html", context)


def study_context(study: Study) -> dict[str, Any]:
    """What of a study its raters may read: no arms."""
    return {
        "study_name": study.name,
        "study_slug": study.slug,
        "guidelines": study.guidelines,
        "guidelines_version": study.guidelines_version,
        "criteria": [blind_criterion(c) for c in study.criteria.all()],
        "scale_min": study.scale_min,
        "scale_max": study.scale_max,
    }


def rate_address(study: Study) -> str:
    return reverse("studies:rate", args=[study.project.slug, study.slug])


# --- doing ----------------------------------------------------------------------------------------


@require_POST
@for_raters
def submit(request: HttpRequest, study: Study, token: uuid.UUID) -> HttpResponse:
    """Store the form and show the next item. What is refused stays as the draft."""
    user, form = person_of(request), request.POST
    entered = entered_in(form)
    try:
        stored = actions.submit_rating(
            study, user=user, token=token, key=key_in(form), revises=whole(form.get("revises", "")) or 0, **entered
        )
    except Refused as refusal:
        return refused(request, study, token, entered, refusal)
    if not wants_fragment(request):
        messages.success(request, "The item is stored.")
        actions.claim_next(study, user=user)
        return redirect(rate_address(study))
    response = show(request, study, actions.claim_next(study, user=user))
    response["X-Stored"] = json.dumps(
        {"token": stored.token, "revision": stored.revision, "scores": dict(stored.scores)}
    )
    return response


def refused(
    request: HttpRequest, study: Study, token: uuid.UUID, entered: Mapping[str, Any], refusal: Refused
) -> HttpResponse:
    if wants_fragment(request):
        return said(refusal)
    number = whole(request.POST.get("draft_number", "")) or 0
    actions.save_draft(study, user=person_of(request), token=token, draft={**entered, "number": number + 1})
    messages.error(request, refusal.message)
    return redirect(rate_address(study))


@require_POST
@for_raters
def draft(request: HttpRequest, study: Study, token: uuid.UUID) -> HttpResponse:
    """JSON in, the draft as stored out. Drafts come several times a minute and are not messages."""
    try:
        sent = json.loads(request.body)
    except ValueError:
        return HttpResponseBadRequest("The draft is not JSON.")
    if not isinstance(sent, dict):
        return HttpResponseBadRequest("The draft is not a JSON object.")
    try:
        kept = actions.save_draft(study, user=person_of(request), token=token, draft=sent)
    except Refused as refusal:
        return said(refusal)
    return JsonResponse({"number": kept.number})


@require_POST
@for_raters
def pulse(request: HttpRequest, study: Study, token: uuid.UUID) -> HttpResponse:
    """The heartbeat of an open page."""
    return JsonResponse({"held": actions.extend_lease(study, user=person_of(request), token=token)})


@require_POST
@for_raters
def undo(request: HttpRequest, study: Study, token: uuid.UUID) -> HttpResponse:
    try:
        item = actions.undo(study, user=person_of(request), token=token)
    except Refused as refusal:
        return said(refusal)
    return show(request, study, item) if wants_fragment(request) else redirect(rate_address(study))


@require_http_methods(["GET", "HEAD", "POST"])
@for_raters
def skip(request: HttpRequest, study: Study, token: uuid.UUID) -> HttpResponse:
    """GET is the form for browsers without scripts; POST passes the item on and takes the next."""
    if request.method != "POST":
        return aside(request, study, token, "skip")
    user, form = person_of(request), request.POST
    try:
        actions.skip(study, user=user, token=token, reason=form.get("reason", ""), text=form.get("text", ""))
    except Refused as refusal:
        return said(refusal) if wants_fragment(request) else aside(request, study, token, "skip", refusal)
    taken = actions.claim_next(study, user=user)
    return show(request, study, taken) if wants_fragment(request) else redirect(rate_address(study))


@require_http_methods(["GET", "HEAD", "POST"])
@for_raters
def flag(request: HttpRequest, study: Study, token: uuid.UUID) -> HttpResponse:
    if request.method != "POST":
        return aside(request, study, token, "flag")
    try:
        actions.flag(study, user=person_of(request), token=token, text=request.POST.get("text", ""))
    except Refused as refusal:
        return said(refusal) if wants_fragment(request) else aside(request, study, token, "flag", refusal)
    if wants_fragment(request):
        return JsonResponse({"flagged": True})
    messages.success(request, "The flag is stored; the study lead will look at it.")
    return redirect(rate_address(study))


def aside(
    request: HttpRequest, study: Study, token: uuid.UUID, what: str, refusal: Refused | None = None
) -> HttpResponse:
    context = {"here": "desk", "what": what, "token": token, "refusal": refusal, "skip_reasons": SKIP_REASONS}
    return render(request, "studies/aside.html", context | study_context(study), status=409 if refusal else 200)


def said(refusal: Refused) -> JsonResponse:
    return JsonResponse({"detail": refusal.message, "field": refusal.field}, status=409)


# --- reading forms --------------------------------------------------------------------------------


def entered_in(form: QueryDict) -> dict[str, Any]:
    """A posted form as submit_rating takes it: "score:accuracy-A" → 8; what is no number is passed on as it is."""
    scores = {
        name.removeprefix("score:"): whole(value) if whole(value) is not None else value
        for name, value in form.items()
        if name.startswith("score:") and isinstance(value, str) and value.strip()
    }
    corrections = {n.removeprefix("correction:"): str(v) for n, v in form.items() if n.startswith("correction:")}
    return {
        "scores": scores,
        "preference": form.get("preference", ""),
        "comment": form.get("comment", ""),
        "corrections": corrections,
        "seconds": number(form.get("seconds", "")),
    }


def key_in(form: QueryDict) -> uuid.UUID:
    try:
        return uuid.UUID(form.get("key", ""))
    except ValueError:
        raise Refused("The form has no key; reload the page, your scores are kept.") from None


def whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
