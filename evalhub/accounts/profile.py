"""A person's own page: name, password, API keys."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from evalhub.accounts import actions
from evalhub.accounts.forms import DisplayNameForm, TokenForm
from evalhub.accounts.models import ApiToken, User
from evalhub.accounts.views import person_of, projects_of, shown_to
from evalhub.errors import Refused


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """The page; a POST changes the display name."""
    form = DisplayNameForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        actions.update_profile(person_of(request), display_name=form.cleaned_data["display_name"])
        messages.success(request, "Your name is saved.")
        return redirect("accounts:profile")
    return profile_page(request)


def profile_page(request: HttpRequest, **extra: object) -> HttpResponse:
    user = person_of(request)
    context = {
        "tokens": ApiToken.objects.filter(user=user, revoked_at=None).order_by("-id"),
        "projects": projects_of(user),
        "password_form": PasswordChangeForm(user),
        "token_form": TokenForm(),
    }
    return render(request, "accounts/profile.html", context | extra)


@sensitive_post_parameters()
@login_required
@require_POST
def change_password(request: HttpRequest) -> HttpResponse:
    """Ends every other session of the person."""
    user = person_of(request)
    form = PasswordChangeForm(user, request.POST)
    if not form.is_valid():
        return profile_page(request, password_form=form)
    actions.change_password(User.objects.get(pk=user.pk), password=form.cleaned_data["new_password1"])
    user.refresh_from_db()
    update_session_auth_hash(request, user)
    messages.success(request, "The password is changed. Other devices are logged out.")
    return redirect("accounts:profile")


@login_required
@require_POST
def create_token(request: HttpRequest) -> HttpResponse:
    """Shows the key in this one answer; only its hash is stored."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return profile_page(request, token_form=form)
    try:
        token, key = actions.create_token(person_of(request), name=form.cleaned_data["name"])
    except Refused as refusal:
        form.add_error(refusal.field, refusal.message)
        return profile_page(request, token_form=form)
    return profile_page(request, fresh=token, key=key)


@login_required
@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    user = person_of(request)
    token = get_object_or_404(ApiToken, user=user, pk=pk)
    with shown_to(request):
        actions.revoke_token(token, by=user)
        messages.success(request, f"The key “{token.name}” no longer works.")
    return redirect("accounts:profile")
