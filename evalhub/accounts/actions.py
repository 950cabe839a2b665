"""What people do with accounts, projects and membership: one transaction each, with its AuditEvent."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email, validate_slug
from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from evalhub.accounts.backends import key_hash
from evalhub.accounts.models import ApiToken, AuditEvent, Invitation, Membership, Project, Role, User
from evalhub.errors import Refused

INVITATION_DAYS = 14
LONGEST_SLUG = 80
RESERVED_SLUGS = frozenset({"new"})


@dataclass(frozen=True)
class ProjectFacts:
    """What an admin may set about a project."""

    name: str
    description: str = ""
    currency: str = "EUR"
    hour_price: Decimal | None = None


def record(
    verb: str, *, by: User | None, project: Project | None = None, target: str = "", **details: object
) -> AuditEvent:
    """Write down who did what; to be called inside the action's transaction."""
    return AuditEvent.objects.create(project=project, actor=by, verb=verb, target=target[:120], details=details)


@transaction.atomic
def create_user(
    *, username: str, email: str, password: str, display_name: str = "", superuser: bool = False, by: User | None = None
) -> User:
    """A new account. Refused where the name or the address is taken, or the password is weak."""
    email = _checked_email(email)
    if User.objects.filter(username__iexact=username).exists():
        raise Refused(f"The user name “{username}” is taken.", field="username")
    if User.objects.filter(email__iexact=email).exists():
        raise Refused(f"There is already an account for {email}.", field="email")
    user = User(username=username, email=email, display_name=display_name, is_staff=superuser, is_superuser=superuser)
    _set_password(user, password)
    user.save()
    record("create user", by=by or user, target=username, superuser=superuser)
    return user


@transaction.atomic
def create_project(*, name: str, by: User, description: str = "", slug: str = "") -> Project:
    """A new project with `by` as its admin. Refused without a name, or for a short name that is odd or taken."""
    name = _checked_name(name)
    slug = _checked_slug(slug) if slug else _free_slug(name)
    project = Project.objects.create(name=name, slug=slug, description=description.strip())
    Membership.objects.create(project=project, user=by, role=Role.ADMIN)
    record("create project", by=by, project=project, target=project.slug)
    return project


@transaction.atomic
def update_project(project: Project, *, facts: ProjectFacts, by: User) -> Project:
    """Name, description and prices. The address stays, so that links stay good."""
    if facts.hour_price is not None and facts.hour_price < 0:
        raise Refused("The price of an hour cannot be negative.", field="hour_price")
    if len(facts.currency) != 3 or not facts.currency.isalpha():
        raise Refused("A currency has three letters, such as EUR.", field="currency")
    project.name, project.description = _checked_name(facts.name), facts.description.strip()
    project.currency, project.hour_price = facts.currency.upper(), facts.hour_price
    project.save(update_fields=["name", "description", "currency", "hour_price"])
    record("update project", by=by, project=project, target=project.slug)
    return project


@transaction.atomic
def add_member(project: Project, *, user: User, role: Role, by: User) -> Membership:
    """Make a known person a member; a second time changes nothing but refuses another role."""
    membership, created = Membership.objects.get_or_create(project=project, user=user, defaults={"role": role})
    if not created and membership.role != role:
        raise Refused(f"{user} is already a member, as {membership.get_role_display()}.")
    if created:
        record("add member", by=by, project=project, target=user.username, role=str(role))
    return membership


@transaction.atomic
def change_role(membership: Membership, *, role: Role, by: User) -> Membership:
    """Give a member another role. The last admin stays admin."""
    if membership.role == role:
        return membership
    if membership.role == Role.ADMIN:
        _keep_an_admin(membership.project, "Make somebody else an admin first; then this role can change.")
    before, membership.role = membership.role, role
    membership.save(update_fields=["role"])
    record("change role", by=by, project=membership.project, target=membership.user.username, before=before, after=role)
    return membership


@transaction.atomic
def remove_member(membership: Membership, *, by: User) -> None:
    """Take a person out of a project; what they made and rated stays. The last admin cannot leave."""
    if membership.role == Role.ADMIN:
        _keep_an_admin(membership.project, "Make somebody else an admin first; then this person can leave.")
    record("remove member", by=by, project=membership.project, target=membership.user.username, role=membership.role)
    membership.delete()


@transaction.atomic
def invite(project: Project, *, email: str, role: Role, by: User) -> tuple[Invitation, str]:
    """An invitation and the secret of its link. A second one to the same address replaces the first."""
    email = _checked_email(email)
    if Membership.objects.filter(project=project, user__email__iexact=email).exists():
        raise Refused(f"{email} is already a member.", field="email")
    Invitation.objects.filter(project=project, email__iexact=email, accepted_at=None).delete()
    secret = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        project=project, email=email, role=role, invited_by=by, token_hash=key_hash(secret), expires_at=_expiry()
    )
    record("invite", by=by, project=project, target=email, role=str(role))
    return invitation, secret


@transaction.atomic
def revoke_invitation(invitation: Invitation, *, by: User) -> None:
    """Make a link worthless. Refused once it has been used."""
    deleted, _ = Invitation.objects.filter(pk=invitation.pk, accepted_at=None).delete()
    if not deleted:
        raise Refused("This invitation has already been accepted; remove the member instead.")
    record("revoke invitation", by=by, project=invitation.project, target=invitation.email)


def open_invitation(secret: str) -> Invitation | None:
    """The invitation behind a link, if it can still be used."""
    found = Invitation.objects.select_related("project", "invited_by").filter(token_hash=key_hash(secret))
    return found.filter(accepted_at=None, expires_at__gt=timezone.now()).first()


@transaction.atomic
def accept_invitation(secret: str, *, user: User) -> Membership:
    """Join with an account that exists. Refused for a used, revoked or expired link, and for members."""
    invitation = _claim(secret, user)
    if Membership.objects.filter(project=invitation.project, user=user).exists():
        raise Refused(f"You are already a member of {invitation.project}.")
    membership = Membership.objects.create(project=invitation.project, user=user, role=invitation.role)
    record("accept invitation", by=user, project=invitation.project, target=invitation.email, role=invitation.role)
    return membership


@transaction.atomic
def register_and_accept(secret: str, *, display_name: str, password: str) -> Membership:
    """Make an account for the invited address and join with it."""
    invitation = open_invitation(secret)
    if invitation is None:
        raise Refused(SPENT)
    username = _free_username(invitation.email)
    user = create_user(username=username, email=invitation.email, password=password, display_name=display_name.strip())
    return accept_invitation(secret, user=user)


@transaction.atomic
def update_profile(user: User, *, display_name: str) -> User:
    """What others see as a person's name."""
    user.display_name = display_name.strip()
    user.save(update_fields=["display_name"])
    record("update profile", by=user, target=user.username)
    return user


@transaction.atomic
def change_password(user: User, *, password: str) -> User:
    """Set a new password; the caller keeps its own session alive, all others end."""
    _set_password(user, password)
    user.save(update_fields=["password"])
    record("change password", by=user, target=user.username)
    return user


@transaction.atomic
def create_token(user: User, *, name: str) -> tuple[ApiToken, str]:
    """An API key, shown this once. Its name is unique among the person's live keys."""
    name = name.strip()
    if not name:
        raise Refused("A key needs a name that says where it is used.", field="name")
    if ApiToken.objects.filter(user=user, name=name, revoked_at=None).exists():
        raise Refused(f"You already have a key named “{name}”; revoke it or take another name.", field="name")
    key = secrets.token_urlsafe(32)
    token = ApiToken.objects.create(user=user, name=name, key_hash=key_hash(key))
    record("create API key", by=user, target=name)
    return token, key


@transaction.atomic
def revoke_token(token: ApiToken, *, by: User) -> None:
    """Make a key worthless, at once and for good."""
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        record("revoke API key", by=by, target=token.name)


SPENT = "This invitation has been used, taken back or has expired. Ask the person who sent it for a new one."


def _claim(secret: str, user: User) -> Invitation:
    """Mark the invitation as used, once, whoever comes second."""
    invitation = open_invitation(secret)
    if invitation is None:
        raise Refused(SPENT)
    unused = Invitation.objects.filter(pk=invitation.pk, accepted_at=None)
    if not unused.update(accepted_at=timezone.now(), accepted_by=user):
        raise Refused(SPENT)
    return invitation


def _keep_an_admin(project: Project, way_on: str) -> None:
    """Refuse where only one admin is left; the project's row is locked, so two cannot leave at once."""
    Project.objects.select_for_update().get(pk=project.pk)
    if Membership.objects.filter(project=project, role=Role.ADMIN).count() <= 1:
        raise Refused(f"{project} would be left without an admin. {way_on}")


def _expiry() -> datetime:
    return timezone.now() + timedelta(days=INVITATION_DAYS)


def _checked_name(name: str) -> str:
    if not name.strip():
        raise Refused("A project needs a name.", field="name")
    return name.strip()


def _checked_slug(slug: str) -> str:
    try:
        validate_slug(slug)
    except ValidationError as error:
        sentence = f"“{slug}” cannot stand in an address: use letters from a to z, digits, hyphens and underscores."
        raise Refused(sentence, field="slug") from error
    if len(slug) > LONGEST_SLUG:
        raise Refused(f"A short name has at most {LONGEST_SLUG} characters.", field="slug")
    if slug in RESERVED_SLUGS or Project.objects.filter(slug=slug).exists():
        raise Refused(f"There is already a project at the address “{slug}”.", field="slug")
    return slug


def _checked_email(email: str) -> str:
    try:
        validate_email(email.strip())
    except ValidationError as error:
        raise Refused(f"“{email}” is not an e-mail address.", field="email") from error
    return email.strip()


def _set_password(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Refused(" ".join(error.messages), field="password") from error
    user.set_password(password)


def _free_slug(name: str) -> str:
    base = slugify(name)[:70] or "project"
    taken = set(Project.objects.filter(slug__startswith=base).values_list("slug", flat=True)) | RESERVED_SLUGS
    return base if base not in taken else next(f"{base}-{n}" for n in range(2, 10_000) if f"{base}-{n}" not in taken)


def _free_username(email: str) -> str:
    base = slugify(email.partition("@")[0].replace(".", "-"))[:100] or "person"
    taken = {
        name.lower() for name in User.objects.filter(username__istartswith=base).values_list("username", flat=True)
    }
    return base if base not in taken else next(f"{base}-{n}" for n in range(2, 10_000) if f"{base}-{n}" not in taken)
