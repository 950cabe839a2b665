"""Commands of several verbs: manage.py examples approve 7 --project SLUG --dataset NAME. Each verb has a right."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.core.management.base import CommandError

from evalhub.accounts.commands import Parser, ProjectCommand, Told, acting_user, project_named
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets.management.base import named_dataset
from evalhub.datasets.models import Dataset
from evalhub.datasets.reading import storable

MOST_REASON = 255  # characters
Options = dict[str, Any]
Arguments = Callable[[ArgumentParser], None]


@dataclass(frozen=True)
class Verb:
    """One thing that a command does: who may, what it does, and what it is told."""

    name: str
    right: Right
    do: Callable[[Project, User, Options], Told]
    help: str
    told: Sequence[Arguments] = ()


class VerbCommand(ProjectCommand):
    """A command whose first word says what to do."""

    right = Right.VIEW_DATA  # what its least verb needs
    verbs: ClassVar[Sequence[Verb]]

    def add_arguments(self, parser: ArgumentParser) -> None:
        chosen = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Parser)
        for verb in self.verbs:
            own = chosen.add_parser(verb.name, help=verb.help, description=verb.help)
            super().add_arguments(own)
            for add in verb.told:
                add(own)

    def perform(self, options: Options) -> Told:
        verb = next(verb for verb in self.verbs if verb.name == options["verb"])
        project = project_named(options["project"])
        by = acting_user(project, options["username"], verb.right)
        refuse_unstorable(options)
        return verb.do(project, by, options)


def refuse_unstorable(options: Options) -> None:
    """CommandError for NUL, or bytes of a terminal that are no text."""
    for name, value in options.items():
        if isinstance(value, str) and value != storable(value):
            raise CommandError(f"--{name.replace('_', '-')} holds characters that cannot be kept.")


def in_dataset(parser: ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, metavar="NAME", help="name or short name of the dataset")


def filtered(parser: ArgumentParser) -> None:
    parser.add_argument("--filter", default="", metavar="QUERY",
                        help="as in the table's address: state=proposed&flag=near&sort=-id (default: all)")  # fmt: skip


def numbered(what: str) -> Arguments:
    """The number of one thing in a dataset, as options["number"]."""

    def add(parser: ArgumentParser) -> None:
        parser.add_argument("number", type=int, metavar="ID", help=f"number of the {what}")
        in_dataset(parser)

    return add


def with_reason(parser: ArgumentParser) -> None:
    parser.add_argument("--reason", default="", help="kept with the change")


def limited(usual: int, most: int) -> Arguments:
    def add(parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=_whole(1, most), default=usual, metavar="N",
                            help=f"at most so many, up to {most} (default: %(default)s)")  # fmt: skip

    return add


def _whole(least: int, most: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        if not text.isdecimal() or len(text) > 9 or not least <= int(text) <= most:
            raise ArgumentTypeError(f"“{text}” is no whole number from {least} to {most}.")
        return int(text)

    return whole


def dataset_of(project: Project, options: Options) -> Dataset:
    return named_dataset(project, options["dataset"])


def reason_of(options: Options) -> str:
    """CommandError for one that is longer than what is kept."""
    reason: str = options["reason"].strip()
    if len(reason) > MOST_REASON:
        raise CommandError(f"A reason has at most {MOST_REASON} characters; this one has {len(reason):,}.")
    return reason


def pair(option: str, text: str) -> tuple[str, str]:
    """NAME=VALUE as two; the value as it stands. CommandError without an equals sign."""
    name, sign, value = text.partition("=")
    if not sign:
        raise CommandError(f"{option} wants NAME=VALUE; “{text}” has no equals sign.")
    return name.strip(), value
