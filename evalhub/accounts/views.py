"""Pages of projects: the person's projects, a project's members, invitations and settings."""

from typing import cast

from django import forms
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.forms.models import model_to_dict
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from evalhub.accounts import actions
from evalhub.accounts.audit import told
from evalhub.accounts.forms import InviteForm, NewProjectForm, ProjectForm, RegisterForm, RoleForm
from evalhub.accounts.mail import send_invitation, sends_mail
from evalhub.accounts.models import AuditEvent, Invitation, Membership, Project, Role, User
from evalhub.accounts.permissions import Right, project_for, role_in
from evalhub.errors import Refused

RECENT_EVENTS = 20


def project_home(project: Project, role: Role) -> str:
    """Where a person of that role begins."""
    return reverse("studies:desk" if role == Role.EXPERT else "reports:home", args=[project.slug])


def person_of(request: HttpRequest) -> User:
    return cast(User, request.user)


def projects_of(user: User) -> list[tuple[Project, Role, str]]:
    """(project, role, address of its home) of each project that the person may enter."""
    roles = {m.project_id: Role(m.role) for m in user.memberships.all()}
    own = Q() if user.is_superuser else Q(pk__in=list(roles))
    counted = Project.objects.filter(own).annotate(people=Count("memberships")).order_by("name")
    with_roles = ((project, roles.get(project.pk, Role.ADMIN)) for project in counted)
    return [(project, role, project_home(project, role)) for project, role in with_roles]


@login_required
@require_http_methods(["GET", "HEAD"])
def home(request: HttpRequest) -> HttpResponse:
    """A person with one project goes straight there; `?all=1` shows the list."""
    projects = projects_of(person_of(request))
    if len(projects) == 1 and "all" not in request.GET:
        return redirect(projects[0][2])
    return render(request, "accounts/home.html", {"projects": projects})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new_project(request: HttpRequest) -> HttpResponse:
    """Superusers make projects; they invite the rest."""
    user = person_of(request)
    if not user.is_superuser:
        raise PermissionDenied("Projects are made by the people who run this server.")
    form = NewProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        project = actions.create_project(by=user, **form.cleaned_data)
        return redirect("accounts:members", project.slug)
    return render(request, "accounts/new_project.html", {"form": form})


@login_required
@require_http_methods(["GET", "HEAD"])
def members(request: HttpRequest, project_slug: str) -> HttpResponse:
    project = project_for(person_of(request), project_slug, Right.MANAGE)
    return members_page(request, project)


def members_page(request: HttpRequest, project: Project, **extra: object) -> HttpResponse:
    invitations = Invitation.objects.filter(project=project, accepted_at=None).order_by("-id")
    context = {
        "here": "members",
        "members": project.memberships.select_related("user").order_by("user__display_name", "user__username"),
        "invitations": invitations,
        "now": timezone.now(),
        "roles": Role.choices,
        "sends_mail": sends_mail(),
        "events": recent_events(project),
    }
    return render(request, "accounts/members.html", context | extra)


def recent_events(project: Project) -> list[tuple[AuditEvent, str]]:
    """(event, its sentence) of what was decided last, the newest first."""
    events = AuditEvent.objects.filter(project=project).select_related("actor")[:RECENT_EVENTS]
    return [(event, told(event)) for event in events]


@login_required
@require_POST
def change_role(request: HttpRequest, project_slug: str, pk: int) -> HttpResponse:
    project = project_for(person_of(request), project_slug, Right.MANAGE)
    membership = get_object_or_404(Membership, project=project, pk=pk)
    form = RoleForm(request.POST)
    if form.is_valid():
        with shown_to(request):
            actions.change_role(membership, role=Role(form.cleaned_data["role"]), by=person_of(request))
            messages.success(request, f"{membership.user} is now {membership.get_role_display()}.")
    return redirect("accounts:members", project_slug)


@login_required
@require_POST
def remove_member(request: HttpRequest, project_slug: str, pk: int) -> HttpResponse:
    project = project_for(person_of(request), project_slug, Right.MANAGE)
    membership = get_object_or_404(Membership, project=project, pk=pk)
    with shown_to(request):
        actions.remove_member(membership, by=person_of(request))
        messages.success(request, f"{membership.user} left the project. What they made and rated is kept.")
    still_in = role_in(person_of(request), project) is not None
    return redirect("accounts:members", project_slug) if still_in else redirect("accounts:home")


@login_required
@require_POST
def invite(request: HttpRequest, project_slug: str) -> HttpResponse:
    """Shows the link in this one answer; only its hash is stored."""
    project = project_for(person_of(request), project_slug, Right.MANAGE)
    form = InviteForm(request.POST)
    if not form.is_valid():
        return members_page(request, project, invite_form=form)
    try:
        invitation, secret = actions.invite(
            project, email=form.cleaned_data["email"], role=Role(form.cleaned_data["role"]), by=person_of(request)
        )
    except Refused as refusal:
        form.add_error(refusal.field, refusal.message)
        return members_page(request, project, invite_form=form)
    link = request.build_absolute_uri(reverse("accounts:invitation", args=[secret]))
    return members_page(request, project, invited=invitation, link=link, sent=send_invitation(invitation, link))


@login_required
@require_POST
def revoke_invitation(request: HttpRequest, project_slug: str, pk: int) -> HttpResponse:
    project = project_for(person_of(request), project_slug, Right.MANAGE)
    invitation = get_object_or_404(Invitation, project=project, pk=pk)
    with shown_to(request):
        actions.revoke_invitation(invitation, by=person_of(request))
        messages.success(request, f"The invitation to {invitation.email} is taken back; its link no longer works.")
    return redirect("accounts:members", project_slug)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def settings_page(request: HttpRequest, project_slug: str) -> HttpResponse:
    project = project_for(person_of(request), project_slug, Right.MANAGE)
    form = ProjectForm(request.POST or None, initial=model_to_dict(project))
    if request.method == "POST" and form.is_valid():
        try:
            actions.update_project(project, facts=actions.ProjectFacts(**form.cleaned_data), by=person_of(request))
        except Refused as refusal:
            form.add_error(refusal.field, refusal.message)
        else:
            messages.success(request, "The settings are saved.")
            return redirect("accounts:settings", project_slug)
    return render(request, "accounts/settings.html", {"here": "members", "form": form})


@require_http_methods(["GET", "HEAD"])
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """What the link opens: who invites, to what, and how to join."""
    return invitation_page(request, secret, RegisterForm())


def invitation_page(request: HttpRequest, secret: str, form: forms.Form) -> HttpResponse:
    found = actions.open_invitation(secret)
    if found is None:
        return render(request, "accounts/invitation_spent.html", {"sentence": actions.SPENT}, status=410)
    known = User.objects.filter(email__iexact=found.email).exists()
    context = {"invitation": found, "secret": secret, "form": form, "known": known}
    return render(request, "accounts/invitation.html", context)


@require_POST
def accept(request: HttpRequest, secret: str) -> HttpResponse:
    """Join with the account at hand."""
    if not request.user.is_authenticated:
        return redirect(f"{reverse('accounts:login')}?next={reverse('accounts:invitation', args=[secret])}")
    membership = actions.accept_invitation(secret, user=person_of(request))
    messages.success(request, f"You are now a member of {membership.project}.")
    return redirect(project_home(membership.project, Role(membership.role)))


@require_POST
def register(request: HttpRequest, secret: str) -> HttpResponse:
    """Join with a new account, and be logged in."""
    form = RegisterForm(request.POST)
    if not form.is_valid():
        return invitation_page(request, secret, form)
    try:
        membership = actions.register_and_accept(
            secret, display_name=form.cleaned_data["display_name"], password=form.cleaned_data["password1"]
        )
    except Refused as refusal:
        form.add_error("password1" if refusal.field == "password" else None, refusal.message)
        return invitation_page(request, secret, form)
    login(request, membership.user, backend="evalhub.accounts.backends.NameOrEmailBackend")
    return redirect(project_home(membership.project, Role(membership.role)))


class shown_to:  # noqa: N801  (reads as a sentence: with shown_to(request))
    """A refusal inside becomes a message on the next page."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Refused):
            return False
        messages.error(self.request, error.message)
        return True
