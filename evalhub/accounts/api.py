"""Accounts over HTTP, and how the API says no: {"detail": sentence, "field": name?}."""

import logging
from typing import Any, cast

from django.conf import settings
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import api_view
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler

from evalhub.accounts import actions
from evalhub.accounts.mail import send_invitation
from evalhub.accounts.middleware import RETRY_AFTER, end_upload
from evalhub.accounts.models import ApiToken, Invitation, Membership, Project, Role, User
from evalhub.accounts.permissions import Right, project_for, role_in
from evalhub.errors import Busy, as_answer

logger = logging.getLogger(__name__)


def refusal_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """A Refused and a full disk are 409, a locked database 503, each with its sentence; the rest is Django REST's."""
    refusal = as_answer(error)
    if refusal:
        if refusal is not error:
            logger.error("%s", refusal, exc_info=error)
        end_upload(context["request"]._request)
        body = {"detail": refusal.message} | ({"field": refusal.field} if refusal.field else {}) | refusal.facts
        headers = {"Retry-After": RETRY_AFTER} if isinstance(refusal, Busy) else {}
        return Response(body, status=refusal.status, headers=headers)
    return exception_handler(error, context)


class MeOut(serializers.Serializer[User]):
    username = serializers.CharField()
    email = serializers.EmailField()
    display_name = serializers.CharField()
    is_superuser = serializers.BooleanField()


class NameIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80)


class TokenOut(serializers.ModelSerializer[ApiToken]):
    class Meta:
        model = ApiToken
        fields = ("id", "name", "created_at", "last_used_at")


class FreshTokenOut(TokenOut):
    key = serializers.CharField(help_text="Shown in this one answer only.")

    class Meta(TokenOut.Meta):
        fields = (*TokenOut.Meta.fields, "key")  # type: ignore[assignment]  # one more than the parent


class ProjectOut(serializers.ModelSerializer[Project]):
    role = serializers.SerializerMethodField(help_text="What the caller is in this project.")

    class Meta:
        model = Project
        fields = ("slug", "name", "description", "currency", "hour_price", "created_at", "role")

    def get_role(self, project: Project) -> str:
        return str(role_in(self.context["user"], project))


class NewProjectIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    description = serializers.CharField(required=False, allow_blank=True, default="")
    slug = serializers.SlugField(required=False, max_length=80, default="")


class ProjectIn(serializers.ModelSerializer[Project]):
    class Meta:
        model = Project
        fields = ("name", "description", "currency", "hour_price")


class MemberOut(serializers.ModelSerializer[Membership]):
    username = serializers.CharField(source="user.username")
    display_name = serializers.CharField(source="user.display_name")
    email = serializers.EmailField(source="user.email")

    class Meta:
        model = Membership
        fields = ("id", "username", "display_name", "email", "role", "joined_at")


class RoleIn(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=Role.choices)


class InvitationIn(RoleIn):
    email = serializers.EmailField()


class InvitationOut(serializers.ModelSerializer[Invitation]):
    class Meta:
        model = Invitation
        fields = ("id", "email", "role", "created_at", "expires_at")


class FreshInvitationOut(InvitationOut):
    link = serializers.URLField(help_text="Shown in this one answer only.")
    sent = serializers.BooleanField(help_text="False: pass the link on yourself.")

    class Meta(InvitationOut.Meta):
        fields = (*InvitationOut.Meta.fields, "link", "sent")  # type: ignore[assignment]  # more than the parent


class SecretIn(serializers.Serializer[Any]):
    secret = serializers.CharField(help_text="The last part of the invitation's link.")


def caller(request: Request) -> User:
    return cast(User, request.user)


def checked(serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    """The valid input, or 400 with a sentence per field."""
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


@extend_schema(responses=MeOut)
@api_view(["GET"])
def me(request: Request) -> Response:
    """Who calls."""
    return Response(MeOut(caller(request)).data)


@extend_schema(methods=["GET"], responses=TokenOut(many=True))
@extend_schema(methods=["POST"], request=NameIn, responses={201: FreshTokenOut})
@api_view(["GET", "POST"])
def tokens(request: Request) -> Response:
    """The caller's live API keys; POST makes one."""
    user = caller(request)
    if request.method == "GET":
        return Response(TokenOut(ApiToken.objects.filter(user=user, revoked_at=None).order_by("id"), many=True).data)
    made, key = actions.create_token(user, **checked(NameIn(data=request.data)))
    return Response({**TokenOut(made).data, "key": key}, status=status.HTTP_201_CREATED)


@extend_schema(responses={204: None})
@api_view(["DELETE"])
def token(request: Request, pk: int) -> Response:
    """Revoke a key."""
    actions.revoke_token(get_object_or_404(ApiToken, user=caller(request), pk=pk), by=caller(request))
    return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(methods=["GET"], responses=ProjectOut(many=True))
@extend_schema(methods=["POST"], request=NewProjectIn, responses={201: ProjectOut})
@api_view(["GET", "POST"])
def projects(request: Request) -> Response:
    """The caller's projects; POST makes one (superusers only)."""
    user = caller(request)
    context = {"user": user}
    if request.method == "GET":
        own = Project.objects.all() if user.is_superuser else user.projects.all()
        return Response(ProjectOut(own.order_by("name"), many=True, context=context).data)
    if not user.is_superuser:
        raise PermissionDenied("Projects are made by the people who run this server.")
    made = actions.create_project(by=user, **checked(NewProjectIn(data=request.data)))
    return Response(ProjectOut(made, context=context).data, status=status.HTTP_201_CREATED)


@extend_schema(methods=["GET"], responses=ProjectOut)
@extend_schema(methods=["PATCH"], request=ProjectIn, responses=ProjectOut)
@api_view(["GET", "PATCH"])
def project(request: Request, project_slug: str) -> Response:
    """One project; PATCH changes its settings."""
    user = caller(request)
    found = project_for(user, project_slug, Right.ENTER if request.method == "GET" else Right.MANAGE)
    if request.method == "PATCH":
        before = {field: getattr(found, field) for field in ProjectIn.Meta.fields}
        after = before | checked(ProjectIn(found, data=request.data, partial=True))
        found = actions.update_project(found, facts=actions.ProjectFacts(**after), by=user)
    return Response(ProjectOut(found, context={"user": user}).data)


@extend_schema(responses=MemberOut(many=True))
@api_view(["GET"])
def members(request: Request, project_slug: str) -> Response:
    """Who is in the project."""
    found = project_for(caller(request), project_slug, Right.MANAGE)
    return Response(MemberOut(found.memberships.select_related("user").order_by("id"), many=True).data)


@extend_schema(methods=["PATCH"], request=RoleIn, responses=MemberOut)
@extend_schema(methods=["DELETE"], responses={204: None})
@api_view(["PATCH", "DELETE"])
def member(request: Request, project_slug: str, pk: int) -> Response:
    """Change a member's role, or remove the member."""
    user = caller(request)
    found = get_object_or_404(Membership, project=project_for(user, project_slug, Right.MANAGE), pk=pk)
    if request.method == "DELETE":
        actions.remove_member(found, by=user)
        return Response(status=status.HTTP_204_NO_CONTENT)
    role = Role(checked(RoleIn(data=request.data))["role"])
    return Response(MemberOut(actions.change_role(found, role=role, by=user)).data)


@extend_schema(methods=["GET"], responses=InvitationOut(many=True))
@extend_schema(methods=["POST"], request=InvitationIn, responses={201: FreshInvitationOut})
@api_view(["GET", "POST"])
def invitations(request: Request, project_slug: str) -> Response:
    """Open invitations; POST makes one and sends it where this server sends mail."""
    user = caller(request)
    found = project_for(user, project_slug, Right.MANAGE)
    if request.method == "GET":
        waiting = Invitation.objects.filter(project=found, accepted_at=None).order_by("id")
        return Response(InvitationOut(waiting, many=True).data)
    asked = checked(InvitationIn(data=request.data))
    made, secret = actions.invite(found, email=asked["email"], role=Role(asked["role"]), by=user)
    link = settings.BASE_URL.rstrip("/") + reverse("accounts:invitation", args=[secret])
    body = {**InvitationOut(made).data, "link": link, "sent": send_invitation(made, link)}
    return Response(body, status=status.HTTP_201_CREATED)


@extend_schema(responses={204: None})
@api_view(["DELETE"])
def invitation(request: Request, project_slug: str, pk: int) -> Response:
    """Take an invitation back."""
    user = caller(request)
    found = get_object_or_404(Invitation, project=project_for(user, project_slug, Right.MANAGE), pk=pk)
    actions.revoke_invitation(found, by=user)
    return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(request=SecretIn, responses={201: ProjectOut})
@api_view(["POST"])
def accept(request: Request) -> Response:
    """Join a project with the secret of an invitation's link."""
    user = caller(request)
    membership = actions.accept_invitation(checked(SecretIn(data=request.data))["secret"], user=user)
    return Response(ProjectOut(membership.project, context={"user": user}).data, status=status.HTTP_201_CREATED)
