"""manage.py open_study --project SLUG --name NAME --arm NAME=RUN …: make a study of finished runs and let raters in."""

from argparse import ArgumentParser
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction
from django.urls import reverse

from evalhub.accounts.commands import Told, text_of
from evalhub.accounts.models import Project, Role, User
from evalhub.accounts.permissions import Right
from evalhub.jobs.commands import QueueableCommand, Step
from evalhub.runs.management.base import generation_named
from evalhub.studies import actions
from evalhub.studies.design import ArmDesign, default_criteria
from evalhub.studies.identity import IdentityWarning
from evalhub.studies.models import Study

STANDS = {
    Study.State.OPEN: "open already",
    Study.State.PAUSED: "paused; its page lets it go on",
    Study.State.CLOSED: "closed; a new one needs another name",
}


class Command(QueueableCommand):
    right, reads = Right.DESIGN, "guidelines"
    help = "Make a study of finished generation runs and open it; or open a draft of that name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--name", required=True, help="The study's name; raters see it.")
        parser.add_argument("--arm", action="append", default=[], metavar="NAME=RUN", help="Two to four of them.")
        parser.add_argument("--baseline", default="", metavar="NAME", help="The arm to compare with; else the first.")
        parser.add_argument("--raters", default="all", metavar="USERNAME,…", help="Else all experts of the project.")
        parser.add_argument("--overlap", type=int, default=2, help="Ratings per item (default 2).")
        parser.add_argument("--items", type=int, help="A stratified sample of so many; else all.")
        parser.add_argument("--margin", type=float, default=0.5, help="Points within which an arm is not worse.")
        parser.add_argument("--primary", default="overall", metavar="KEY", help="The criterion that decides.")
        parser.add_argument("--guidelines", type=Path, metavar="FILE", help="Text that raters can open with g.")
        parser.add_argument("--preference", action="store_true", help="Also ask which answer is better overall.")
        parser.add_argument("--seed", type=int, default=7)
        parser.add_argument("--accept-warnings", action="store_true", help="Open although answers name their model.")

    def title(self, options: dict[str, Any]) -> str:
        return f"Open {options['name']}"

    def check_request(self, project: Project, by: User, options: dict[str, Any]) -> None:
        asked_for(project, options)

    def prepared(self, project: Project, by: User, options: dict[str, Any]) -> Step:
        known, design = asked_for(project, options)
        self.say(f"{'' if known else 'Laying out the items. '}Looking for texts that give their model away.")
        if known is None:
            return partial(self.made_and_opened, project, by, design, options)
        return partial(opened, known, by, self.looked_through(known, options))

    def made_and_opened(self, project: Project, by: User, design: dict[str, Any], options: dict[str, Any]) -> Told:
        """A study that cannot be opened is not made either."""
        with transaction.atomic():
            study = actions.create_study(project, by=by, **design)
            return opened(study, by, self.looked_through(study, options))

    def looked_through(self, study: Study, options: dict[str, Any]) -> list[IdentityWarning]:
        with closing(self.bar(f"Opening {study.name}")) as bar:
            return actions.looked_through(study, accept_warnings=options["accept_warnings"], progress=bar)


def opened(study: Study, by: User, found: list[IdentityWarning]) -> Told:
    return told(actions.let_raters_in(study, by=by, accepted=len(found)), [warning.where for warning in found])


def asked_for(project: Project, options: dict[str, Any]) -> tuple[Study | None, dict[str, Any]]:
    """The draft of this name, or the design of a new one; raises CommandError, or Refused, before any work is done."""
    known = project.studies.filter(name=options["name"]).first()
    if known is None:
        return None, checked_design(project, options)
    check_draft(known, options)
    return known, {}


def check_draft(known: Study, options: dict[str, Any]) -> None:
    """Raise CommandError, or Refused, for a study of this name that is not to be opened now."""
    if stands := STANDS.get(Study.State(known.state)):
        raise CommandError(f"The study “{known.name}” is {stands}.")
    if options["arm"]:
        raise CommandError(f"There is a draft “{known.name}” already; leave --arm out to open it as it is.")
    actions.check_can_open(known)


def checked_design(project: Project, options: dict[str, Any]) -> dict[str, Any]:
    """What create_study is given; raises CommandError, or Refused, before any work is done."""
    arms = [arm(project, text, options["baseline"]) for text in options["arm"]]
    raters, overlap, margin = raters_named(project, options["raters"]), options["overlap"], options["margin"]
    guidelines = text_of(options["guidelines"]) if options["guidelines"] else ""
    actions.check_design(
        project, options["name"], arms=arms, criteria=default_criteria(), raters=raters, overlap=overlap, margin=margin,
        primary=options["primary"],
    )  # fmt: skip
    actions.check_can_be_rated(arms=len(arms), raters=len(raters), overlap=overlap)
    return {
        "name": options["name"], "arms": arms, "raters": raters, "overlap": overlap, "items": options["items"],
        "margin": margin, "primary_criterion": options["primary"], "guidelines": guidelines,
        "ask_preference": options["preference"], "seed": options["seed"],
    }  # fmt: skip


def told(study: Study, warnings: list[str]) -> Told:
    arms, items, raters = list(study.arms.values_list("name", flat=True)), study.items.count(), study.raters.count()
    values = {"study": study.slug, "name": study.name, "state": study.state, "items": items, "arms": arms}
    lines = [
        f"{study} is open: {items:,} items, {study.overlap} {'rating' if study.overlap == 1 else 'ratings'} of each, "
        f"{raters} {'rater' if raters == 1 else 'raters'}, arms {', '.join(arms)}.",
        *([f"Accepted: {len(warnings)} texts that give away who wrote them."] if warnings else []),
    ]
    link = reverse("studies:detail", args=[study.project.slug, study.slug])
    return Told(values | {"raters": raters, "overlap": study.overlap, "warnings": warnings}, lines, link=link)


def arm(project: Project, text: str, baseline: str) -> ArmDesign:
    """ "Tuned=12" → the arm Tuned with the answers of run 12."""
    name, equals, run = text.rpartition("=")
    if not equals or not run.isdigit():
        raise CommandError(f"“{text}” is not NAME=RUN with the number of a generation run.")
    return ArmDesign(name.strip(), generation_named(project, int(run)), baseline=name.strip() == baseline)


def raters_named(project: Project, names: str) -> list[User]:
    experts = User.objects.filter(memberships__project=project, memberships__role=Role.EXPERT).order_by("pk")
    if names == "all":
        return list(experts)
    wanted = list(dict.fromkeys(n.strip() for n in names.split(",") if n.strip()))
    found = {user.username: user for user in User.objects.filter(username__in=wanted)}
    unknown = [name for name in wanted if name not in found]
    if unknown:
        raise CommandError(f"There is no user “{unknown[0]}”.")
    return [found[name] for name in wanted]
