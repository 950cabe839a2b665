"""Change all examples that a filter leaves: manage.py bulk_examples --project SLUG --dataset NAME --filter …"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.urls import reverse

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets import actions
from evalhub.datasets.actions.bulk import WORDS, Foreseen, Order, foresee, sound_order
from evalhub.datasets.actions.deciding import many
from evalhub.datasets.changes import change_told, passed_over_told
from evalhub.datasets.filters import filter_of
from evalhub.datasets.management.base import DatasetCommand, named_dataset
from evalhub.datasets.models import Dataset
from evalhub.datasets.selection import ExampleFilter


class Command(DatasetCommand):
    right = Right.CURATE
    help = (
        "Approve, reject, tag, untag, categorise or split all examples that a filter leaves. What is so already is "
        "left alone; the change is kept with what was before, and undo_change takes it back. It counts first, and goes "
        "on where --expect names that number, or with --yes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dataset", required=True, metavar="NAME", help="name or short name of the dataset")
        parser.add_argument("--verb", required=True, choices=list(WORDS), help="what to do")
        parser.add_argument("--filter", default="", metavar="QUERY",
                            help="as in the table's address: state=proposed&flag=near (default: all)")  # fmt: skip
        parser.add_argument("--value", default="", help="the tag, category or split to give or take")
        parser.add_argument("--reason", default="", help="kept with the change")
        parser.add_argument("--expect", type=int, default=None, metavar="N",
                            help="go on if the filter leaves this number, else refuse")  # fmt: skip
        parser.add_argument("--yes", action="store_true", help="go on whatever the number is")
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def title(self, options: dict[str, Any]) -> str:
        return f"Change examples of {options['dataset']}: {options['verb']}"

    def check_request(self, project: Project, by: User, options: dict[str, Any]) -> None:
        found = foresee(*asked(project, options), by=by)
        if not options["dry_run"]:
            refuse_unasked(found, options)

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        dataset, wanted, order = asked(project, options)
        found = foresee(dataset, wanted, order, by=by)
        if options["dry_run"]:
            counts = {"matching": found.number, "different": found.different}
            return Told({"dataset": dataset.slug, **counts}, [counted(found)])
        refuse_unasked(found, options)
        self.say(counted(found))
        expected = found.number if options["expect"] is None else options["expect"]
        bar = self.bar(self.title(options))
        try:
            change = actions.bulk_examples(dataset, wanted, order, by=by, expected=expected, progress=bar)
        finally:
            bar.close()
        link = reverse("datasets:changes", args=[project.slug, dataset.slug])
        values = {"dataset": dataset.slug, "change": change.pk, "changed": change.count,
                  "passed_over": change.passed_over}  # fmt: skip
        told = f"{change_told(change)}.{passed_over_told(change)} Change {change.pk} can be undone."
        return Told(values, [told], link=link)


def asked(project: Project, options: dict[str, Any]) -> tuple[Dataset, ExampleFilter, Order]:
    """What is to be done, and to which examples. Raises Refused or CommandError for what means nothing."""
    order = Order(options["verb"], options["value"], options["reason"])
    return named_dataset(project, options["dataset"]), filter_of(options["filter"]), sound_order(order)


def refuse_unasked(found: Foreseen, options: dict[str, Any]) -> None:
    """CommandError, with the count, where nobody has said how many there are."""
    if options["expect"] is None and not options["yes"]:
        raise CommandError(f"{counted(found)} Nothing was changed: say --expect {found.number}, or --yes.")


def counted(found: Foreseen) -> str:
    """What a filter leaves, and what of it would change, as people read it."""
    return f"{many(found.number)} match{'es' if found.number == 1 else ''}, {found.different:,} would change."
