"""manage.py export_ratings NAME --project SLUG --out FILE: the long table of a study, one row per value."""

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.urls import reverse

from evalhub.accounts.commands import Progress, Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right, may
from evalhub.errors import Refused
from evalhub.jobs.commands import QueueableCommand
from evalhub.studies import export
from evalhub.studies.management.base import study_named
from evalhub.studies.models import RatingScore, Study


class Command(QueueableCommand):
    right, writes, in_one_step = Right.READ_REPORTS, "out", False
    help = "Write all ratings of a study as a long table that import_ratings reads back to the same values."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("study", help="Name or slug.")
        parser.add_argument("--format", choices=["csv", "jsonl"], default="csv")
        parser.add_argument("--out", type=Path, required=True, metavar="FILE")
        parser.add_argument("--no-texts", action="store_true", help="Leave tasks and answers out.")

    def title(self, options: dict[str, Any]) -> str:
        return f"Export the ratings of {options['study']}"

    def check_request(self, project: Project, by: User, options: dict[str, Any]) -> None:
        readable_study(project, by, options["study"])

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        study = readable_study(project, by, options["study"])
        write = export.as_csv if options["format"] == "csv" else export.as_jsonl
        values = RatingScore.objects.filter(rating__assignment__item__study=study).count()
        out: Path = options["out"]
        part = out.with_name(f"{out.name}.part")
        try:
            with part.open("w", encoding="utf-8", newline="") as file, closing(self.bar(f"Writing {out.name}")) as bar:
                file.writelines(counted(write(study, texts=not options["no_texts"]), values, bar))
            part.replace(out)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise CommandError(f"{out} cannot be written: {error.strerror}.") from error
        link = reverse("studies:detail", args=[project.slug, study.slug])
        return Told({"study": study.slug, "values": values}, [f"{values:,} values of {study.name}."], link=link)


def readable_study(project: Project, by: User, name: str) -> Study:
    """Raises Refused for a study that is not closed, except for who designs studies; CommandError for none."""
    study = study_named(project, name)
    if study.state != Study.State.CLOSED and not may(by, project, Right.DESIGN):
        raise Refused("This study is still under way; its ratings can be exported when it has closed.")
    return study


def counted(lines: Iterator[str], total: int, bar: Progress) -> Iterator[str]:
    """The same lines, with a bar that counts values: a line each, but for the head."""
    for done, line in enumerate(lines):
        yield line
        bar(min(done, total), total)
