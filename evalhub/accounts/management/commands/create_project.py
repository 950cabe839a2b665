"""Makes a project; `createsuperuser` makes the first person."""

from argparse import ArgumentParser
from typing import Any

from evalhub.accounts import actions
from evalhub.accounts.commands import TellingCommand, Told
from evalhub.accounts.models import User
from evalhub.errors import Refused


class Command(TellingCommand):
    help = "Make a project, with the acting superuser as its admin."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        super().add_arguments(parser)
        parser.add_argument("--slug", default="", help="Its address; follows from the name if not given.")
        parser.add_argument("--description", default="")
        parser.add_argument("--as", dest="username", default="", help="A superuser; the first one if not given.")

    def perform(self, options: dict[str, Any]) -> Told:
        project = actions.create_project(
            name=options["name"], slug=options["slug"], description=options["description"],
            by=superuser(options["username"]),
        )  # fmt: skip
        values = {"project": project.slug, "name": project.name}
        return Told(values, [f"Project {project} is at /p/{project.slug}/"])


def superuser(username: str) -> User:
    found = User.objects.filter(is_superuser=True, is_active=True).order_by("id")
    user = found.filter(username=username).first() if username else found.first()
    if user is None:
        raise Refused("There is no such superuser; make one with: python manage.py createsuperuser.")
    return user
