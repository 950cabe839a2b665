"""manage.py close_study NAME --project SLUG: end the rating; --reveal also shows which arm wrote what."""

from argparse import ArgumentParser
from contextlib import closing
from typing import Any

from django.urls import reverse

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.jobs.commands import QueueableCommand
from evalhub.progress import told
from evalhub.studies import actions
from evalhub.studies.management.base import study_named
from evalhub.studies.progress import study_progress


class Command(QueueableCommand):
    right = Right.DESIGN
    help = "Close a study: no rating is accepted any more, and its report is final."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("study", help="Name or slug.")
        parser.add_argument("--reveal", action="store_true", help="Also reveal the arms; this is logged.")

    def title(self, options: dict[str, Any]) -> str:
        return f"Close {options['study']}{' and reveal its arms' if options['reveal'] else ''}"

    def check_request(self, project: Project, by: User, options: dict[str, Any]) -> None:
        study_named(project, options["study"])

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        study = study_named(project, options["study"])
        steps = [actions.close_study, *([actions.reveal] if options["reveal"] else [])]
        with closing(self.bar(f"Closing {study.name}")) as bar:
            for step in told(steps, len(steps), bar, every=1):
                study = step(study, by=by)
        progress = study_progress(study)
        revealed = study.revealed_at is not None
        values = {"study": study.slug, "state": study.state, "ratings": progress.done, "wanted": progress.wanted}
        said = f"{study.name} is closed with {progress.done:,} of {progress.wanted:,} ratings"
        lines = [f"{said}{', and its arms are revealed' if revealed else ''}."]
        link = reverse("studies:detail", args=[project.slug, study.slug])
        return Told(values | {"revealed": revealed}, lines, link=link)
