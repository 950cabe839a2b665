"""Makes a project; `createsuperuser` makes the first person."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from evalhub.accounts import actions
from evalhub.accounts.commands import as_line, one_sentence
from evalhub.accounts.models import User
from evalhub.errors import Refused


class Command(BaseCommand):
    help = "Make a project, with the acting superuser as its admin."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--slug", default="", help="its address; follows from the name if not given")
        parser.add_argument("--description", default="")
        parser.add_argument("--as", dest="username", default="", help="a superuser; the first one if not given")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with one_sentence():
            project = actions.create_project(
                name=options["name"], slug=options["slug"], description=options["description"],
                by=superuser(options["username"]),
            )  # fmt: skip
        told = {"project": project.slug, "name": project.name}
        self.stdout.write(as_line(told) if options["json"] else f"Project {project} is at /p/{project.slug}/")


def superuser(username: str) -> User:
    found = User.objects.filter(is_superuser=True, is_active=True).order_by("id")
    user = found.filter(username=username).first() if username else found.first()
    if user is None:
        raise Refused("There is no such superuser; make one with: python manage.py createsuperuser.")
    return user
