"""What differs between two versions: manage.py compare_versions --project SLUG --dataset NAME --from 1 --to 2."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets.comparing import KINDS, Comparison, compare, version_of
from evalhub.datasets.management.base import DatasetCommand, named_dataset


class Command(DatasetCommand):
    right, in_one_step = Right.VIEW_DATA, False
    help = (
        "Count what was added, removed, changed or moved to another side between two versions, and how balance moved."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dataset", required=True, metavar="NAME", help="name or short name of the dataset")
        parser.add_argument("--from", dest="before", type=int, required=True, metavar="N", help="the earlier version")
        parser.add_argument("--to", dest="after", type=int, required=True, metavar="N", help="the later version")

    def title(self, options: dict[str, Any]) -> str:
        return f"Compare {options['dataset']} v{options['before']} with v{options['after']}"

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        dataset = named_dataset(project, options["dataset"])
        found = compare(version_of(dataset, options["before"]), version_of(dataset, options["after"]))
        return Told(asdict(found), lines(found))


def lines(found: Comparison) -> list[str]:
    """A comparison as people read it."""
    counts = ", ".join(f"{found.count(kind):,} {words.lower()}" for kind, words in KINDS.items())
    said = [f"{found.dataset} v{found.before} → v{found.after}: {counts}; {found.same:,} the same."]
    said += [f"  {move.before} → {move.after}: {move.count:,}" for move in found.moves]
    return said + [
        f"  {share.category}, {share.split}: {share.before:,} → {share.after:,} ({share.difference:+,})"
        for share in found.balance
        if share.difference
    ]
