"""What the commands of every room share: who acts, with which right; sentences and bars for people, JSON for scripts.

A bar and a line about what is being done go to standard error, the answer to standard output. With --json the answer is
one JSON object, also where the command declines: then it has `error`, and `problems` by line where there are any.
"""

import json
import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.http import Http404

from evalhub.accounts.models import Project, Role, User
from evalhub.accounts.permissions import Right, may
from evalhub.errors import Refused, as_answer, as_refusal

BAR = 30  # characters
PROBLEM = ("line", "field", "reason")


@dataclass(frozen=True)
class Told:
    """What a command tells: `values` to scripts, `lines` to people, and in `error` why it did not do what was asked."""

    values: dict[str, Any]
    lines: Sequence[str] = ()
    error: str = ""
    link: str = ""  # address of the page that shows what was made


class Progress(Protocol):
    """Told how far it is: (done, total); `close` at the end, however it ended."""

    def __call__(self, done: int, total: int) -> None: ...

    def close(self) -> None: ...


class Teller(Protocol):
    """Where sentences and bars go while a command works."""

    def say(self, sentence: str) -> None: ...

    def bar(self, title: str) -> Progress: ...


class Error(CommandError):
    """A sentence for standard error, where Django puts this class's name before it; with the rows that are to blame."""

    def __init__(self, message: str, problems: Iterable[object] = ()) -> None:
        super().__init__(message)
        self.problems = [{name: getattr(problem, name) for name in PROBLEM} for problem in problems]


class Parser(CommandParser):
    """Says also in JSON, where that was asked for, that the words of a command line cannot be understood."""

    def error(self, message: str) -> Any:
        if self.called_from_command_line and "--json" in sys.argv:
            sys.stdout.write(f"{as_line({'error': message})}\n")
        super().error(message)


class TellingCommand(BaseCommand):
    """A command that says what it has done; what goes wrong is one sentence on standard error and status 1."""

    teller: Teller | None = None  # else standard error

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Django's own, with --version left to us: here it is a dataset's."""
        parser = super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)
        parser.__class__ = Parser
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object on standard output.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with one_sentence(as_answer):
                told = self.perform(options)
        except CommandError as refusal:
            if options["json"]:
                self.stdout.write(as_line(declined(refusal)))
            raise Error(str(refusal)) from refusal
        self.tell(told, as_json=options["json"])
        if told.error:
            raise Error(told.error)

    def perform(self, options: dict[str, Any]) -> Told:
        """Do it."""
        raise NotImplementedError

    def say(self, sentence: str) -> None:
        """To people, while they wait."""
        if self.teller:
            self.teller.say(sentence)
        else:
            self.stderr.write(sentence, str)

    def bar(self, title: str) -> Progress:
        """A progress bar for people."""
        return self.teller.bar(title) if self.teller else Bar(title)

    def tell(self, told: Told, *, as_json: bool) -> None:
        values = told.values | ({"error": told.error} if told.error else {})
        for line in [as_line(values)] if as_json else told.lines:
            self.stdout.write(line)


class ProjectCommand(TellingCommand):
    """A command that acts as a person with `right` in a project."""

    right: Right

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--project", required=True, metavar="SLUG", help="The project's short name.")
        parser.add_argument("--as", dest="username", default="", metavar="USERNAME",
                            help="Who acts; else the project's first admin.")  # fmt: skip

    def perform(self, options: dict[str, Any]) -> Told:
        project = project_named(options["project"])
        return self.act(project, acting_user(project, options["username"], self.right), options)

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        """Do it in this project, as this person."""
        raise NotImplementedError


class Bar:
    """A progress bar on standard error; on a terminal it stays on its line, elsewhere it says each tenth once."""

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self.title, self.stream = title, stream or sys.stderr
        self.live = self.stream.isatty()
        self.told, self.open = -1, False
        self.started = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        tenth = 10 * done // max(1, total)
        if not self.live and tenth == self.told:
            return
        self.told, self.open = tenth, self.live
        full = BAR * done // max(1, total)
        line = f"{self.title} [{'=' * full}{' ' * (BAR - full)}] {done:,} of {total:,}"
        self.stream.write(f"\r{line}{self.left(done, total)}" if self.live else f"{line}\n")
        self.stream.flush()

    def left(self, done: int, total: int) -> str:
        """The rest of the time, at the speed so far; padded over what the line said before."""
        seconds = (time.monotonic() - self.started) / max(1, done) * (total - done)
        return f"{f', {seconds:,.0f} s left' if 0 < done < total else '':<20}"

    def close(self) -> None:
        if self.open:
            self.stream.write("\n")


@contextmanager
def one_sentence(sentence_of: Callable[[BaseException], Refused | None] = as_refusal) -> Iterator[None]:
    """A refusal, a missing right and a full disk become one sentence on standard error and exit status 1."""
    try:
        yield
    except CommandError:
        raise
    except (PermissionDenied, Http404) as error:
        raise CommandError(str(error) or "You may not do this, or it is not there.") from error
    except Exception as error:
        refusal = sentence_of(error)
        if refusal is None:
            raise
        raise Error(refusal.message, getattr(error, "problems", ())) from error


def declined(refusal: CommandError) -> dict[str, Any]:
    """A refusal as a script wants it."""
    problems = getattr(refusal, "problems", [])
    return {"error": str(refusal)} | ({"problems": problems} if problems else {})


def project_named(slug: str) -> Project:
    project = Project.objects.filter(slug=slug).first()
    if project is None:
        known = ", ".join(Project.objects.order_by("slug").values_list("slug", flat=True)[:10]) or "none yet"
        raise CommandError(f"There is no project “{slug}”. There are: {known}.")
    return project


def acting_user(project: Project, username: str, right: Right) -> User:
    """The user named, else the project's first admin, else the first superuser; CommandError without the right."""
    user = active_user(username) if username else first_admin(project)
    if not may(user, project, right):
        raise CommandError(f"{user.username} does not have the right to {right} in {project.slug}.")
    return user


def active_user(username: str) -> User:
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"There is no user “{username}”.")
    if not user.is_active:
        raise CommandError(f"The account of {username} is switched off.")
    return user


def first_admin(project: Project) -> User:
    active = User.objects.filter(is_active=True).order_by("pk")
    admins = active.filter(memberships__project=project, memberships__role=Role.ADMIN)
    user = admins.first() or active.filter(is_superuser=True).first()
    if user is None:
        raise CommandError(f"The project {project.slug} has no admin; name a user with --as.")
    return user


def as_line(value: dict[str, Any]) -> str:
    """One JSON object for a script."""
    return json.dumps(value, ensure_ascii=False, default=str)


def readable(path: Path) -> Path:
    """The file, if it is one that can be read; else CommandError."""
    if not path.is_file():
        raise CommandError(f"There is no file {path}.")
    if not os.access(path, os.R_OK):
        raise CommandError(f"{path} may not be read.")
    return path


def text_of(path: Path) -> str:
    """The file's text; CommandError if it is not there, may not be read or is not UTF-8."""
    try:
        return readable(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 text (byte {error.start}).") from error
