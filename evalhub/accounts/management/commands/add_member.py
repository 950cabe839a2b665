"""manage.py add_member USER --project SLUG --role ROLE: let a person into a project, or invite who has no account."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.urls import reverse

from evalhub.accounts import actions
from evalhub.accounts.commands import ProjectCommand, Told
from evalhub.accounts.mail import send_invitation, sends_mail
from evalhub.accounts.models import Project, Role, User
from evalhub.accounts.permissions import Right


class Command(ProjectCommand):
    right = Right.MANAGE
    help = (
        "Make a person a member of a project. Who has no account yet is invited with --email, by a link that works "
        "once, as on the Members page. A member in another role is refused; the Members page changes roles."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="User name or e-mail address of an account.")
        super().add_arguments(parser)
        parser.add_argument("--role", required=True, choices=Role.values)
        parser.add_argument("--email", default="", metavar="ADDRESS", help="Invite this address if there is no such "
                            "account; the account is then named after the address.")  # fmt: skip

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        role, user = Role(options["role"]), account(options["user"])
        if user is not None:
            membership = actions.add_member(project, user=user, role=role, by=by)
            values = {"project": project.slug, "user": user.username, "role": membership.role, "member": True}
            return Told(values, [f"{user.username} is a member of {project}, as {role.label}."])
        if not options["email"]:
            raise CommandError(f"There is no account “{options['user']}”; --email ADDRESS invites the person.")
        return invited(project, options["email"], role, by)


def account(name: str) -> User | None:
    """The account with this user name, or else with this address."""
    return User.objects.filter(username=name).first() or User.objects.filter(email__iexact=name).first()


def invited(project: Project, email: str, role: Role, by: User) -> Told:
    invitation, secret = actions.invite(project, email=email, role=role, by=by)
    link = settings.BASE_URL.rstrip("/") + reverse("accounts:invitation", args=[secret])
    sent = sends_mail() and send_invitation(invitation, link)  # without mail, the letter would stand in the answer
    way = "The letter is on its way; its link is" if sent else "No letter was sent; pass this link on yourself:"
    lines = [f"{invitation.email} is invited to {project}, as {role.label}. {way} {link}"]
    values = {"project": project.slug, "email": invitation.email, "role": invitation.role, "member": False}
    return Told({**values, "link": link, "sent": sent}, lines)
