"""The expert's home: each study with what is done and left, and one button to go on."""

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from evalhub.accounts.models import User
from evalhub.accounts.permissions import Right, project_for
from evalhub.studies.progress import desk as cards_of
from evalhub.studies.progress import last_ratings


@login_required
@require_safe
def desk(request: HttpRequest, project_slug: str) -> HttpResponse:
    user = cast(User, request.user)
    project = project_for(user, project_slug, Right.RATE)
    cards = cards_of(project, user)
    context = {
        "here": "desk",
        "cards": cards,
        "open_count": sum(card.can_rate for card in cards),
        "ratings": last_ratings(project, user),
    }
    return render(request, "studies/desk.html", context)
