"""Look for what is wrong with a dataset's examples: manage.py check_examples --project SLUG --dataset NAME."""

from argparse import ArgumentParser
from typing import Any

from django.db.models import Count
from django.urls import reverse

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets import actions
from evalhub.datasets.checks.report import Check, CheckReport
from evalhub.datasets.checks.thresholds import described
from evalhub.datasets.management.base import DatasetCommand, named_dataset
from evalhub.datasets.management.verbs import pair
from evalhub.datasets.models import CheckRun

MARKS = {"good": " ", "warn": "?", "bad": "!"}


class Command(DatasetCommand):
    right, in_one_step = Right.CURATE, False
    help = (
        "Check the approved examples: copies, contradictions, near duplicates, leaks, lengths, languages, personal "
        "data, secrets, left-over markers, refusals, formats, and copies of what is tested. Examples are flagged with "
        "a reason; none is changed. Exit status 0: the checks ran, whatever they found."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dataset", required=True, metavar="NAME", help="name or short name of the dataset")
        parser.add_argument("--filter", default="", metavar="QUERY",
                            help="only these, as in a page's address: category=deck&min=500, or ids=3,7")  # fmt: skip
        parser.add_argument("--model", default="", metavar="NAME",
                            help="lengths in this model's tokens, and what it would cut off")  # fmt: skip
        names = ", ".join(f"{limits.name} ({limits.default:g})" for limits in described())
        parser.add_argument("--set", dest="chosen", action="append", default=[], metavar="NAME=VALUE",
                            help=f"a threshold of this run: {names}")  # fmt: skip

    def title(self, options: dict[str, Any]) -> str:
        return f"Check {'a part of ' if options['filter'] else ''}{options['dataset']}"

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        dataset = named_dataset(project, options["dataset"])
        chosen = dict(pair("--set", text) for text in options["chosen"])
        bar = self.bar(f"Checking {dataset}")
        run = actions.check_examples(
            dataset,
            by=by,
            query=options["filter"],
            thresholds=chosen,
            model=options["model"],
            request_key=self.request_key,
            progress=bar,
        )
        bar.close()
        link = reverse("datasets:check", args=[project.slug, dataset.slug, run.pk])
        return Told(values(run), lines(run), link=link)


def values(run: CheckRun) -> dict[str, Any]:
    """A run as a script wants it."""
    flags = dict(run.flags.order_by().values_list("kind").annotate(n=Count("id")))
    shape = {name: value for name, value in run.report.items() if name != "checks"}
    facts = {"check": run.pk, "dataset": run.dataset.slug, "examples": run.examples, "seconds": round(run.seconds, 2)}
    return {**facts, "settings": run.settings, "checks": run.report["checks"], "flags": flags, "shape": shape}


def lines(run: CheckRun) -> list[str]:
    """A run as people read it."""
    report = CheckReport.from_json(run.report)
    told = [f"{run.examples:,} examples of {run.dataset} checked in {run.seconds:,.1f} s: {report.usable:,} usable."]
    return [*told, *map(check_line, report.checks)]


def check_line(check: Check) -> str:
    """One check as people read it."""
    return f"  {MARKS[check.tone]} {check.label:<34} {check.value:>12}  {check.note}"
