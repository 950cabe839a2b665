"""The runs of the checks and what they flagged: manage.py checks list|show|flags --project SLUG --dataset NAME."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets.api.checks import FlagSerializer
from evalhub.datasets.checks.kinds import KINDS
from evalhub.datasets.management.commands.check_examples import lines, values
from evalhub.datasets.management.verbs import Options, Verb, VerbCommand, dataset_of, in_dataset, limited, numbered
from evalhub.datasets.models import CheckRun


def listed(project: Project, by: User, options: Options) -> Told:
    dataset = dataset_of(project, options)
    runs = list(dataset.checks.select_related("created_by").defer("report", "settings")[: options["limit"]])
    told = {"dataset": dataset.slug, "count": dataset.checks.count(), "checks": [facts(run) for run in runs]}
    return Told(told, [line(run) for run in runs] or [f"{dataset} has not been checked yet: check_examples does it."])


def shown(project: Project, by: User, options: Options) -> Told:
    run = run_of(project, options)
    return Told({**facts(run), **values(run)}, [line(run), *lines(run)])


def flags(project: Project, by: User, options: Options) -> Told:
    """What a run flagged, until the same examples are checked again."""
    run, kind = run_of(project, options), options["kind"]
    found = run.flags.filter(kind=kind) if kind else run.flags.all()
    shown = list(found.order_by("id")[: options["limit"]])
    told = {"check": run.pk, "count": found.count(), "flags": FlagSerializer(shown, many=True).data}
    return Told(told, [f"{flag.example_id:>8}  {flag.kind:<14}  {flag.reason}" for flag in shown] or ["No flags."])


def run_of(project: Project, options: Options) -> CheckRun:
    dataset = dataset_of(project, options)
    run = dataset.checks.select_related("dataset", "created_by").filter(pk=options["number"]).first()
    if run is None:
        raise CommandError(f"{dataset} has no check {options['number']}.")
    return run


def facts(run: CheckRun) -> dict[str, Any]:
    """A run without its report, as a script wants it."""
    return {"check": run.pk, "filter": run.query, "examples": run.examples, "read_at": run.read_at,
            "seconds": round(run.seconds, 2), "by": str(run.created_by)}  # fmt: skip


def line(run: CheckRun) -> str:
    """A run as people read it in a list."""
    part = f" of {run.query}" if run.query else ""
    return f"{run.pk:>6}  {run.read_at:%Y-%m-%d %H:%M}  {run.created_by}: {run.examples:,} examples{part}."


def of_kind(parser: ArgumentParser) -> None:
    parser.add_argument("--kind", default="", choices=["", *KINDS], metavar="KIND", help=f"one of {', '.join(KINDS)}")


RUN = numbered("check")


class Command(VerbCommand):
    help = "The runs of the checks. check_examples makes one."
    verbs = (
        Verb("list", Right.VIEW_DATA, listed, "The runs, the newest first.", (in_dataset, limited(50, 500))),
        Verb("show", Right.VIEW_DATA, shown, "One run: thresholds, and what was counted.", (RUN,)),
        Verb("flags", Right.VIEW_DATA, flags, "What a run flagged, and why.", (RUN, of_kind, limited(500, 100_000))),
    )
