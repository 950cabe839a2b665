"""Freeze a dataset's approved examples: manage.py freeze_version --project SLUG --dataset NAME."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from evalhub.accounts.commands import ProjectCommand, Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets import actions
from evalhub.datasets.management.base import dataset_named


class Command(ProjectCommand):
    right = Right.CURATE
    help = (
        "Freeze the approved examples as a numbered version with a hash. A row's own split is honoured; the others are "
        "split by source document, near duplicates together. Refused if one text would stand on two sides, if a "
        "training example nearly repeats what is tested here or in any frozen version, or if nothing has changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dataset", required=True, metavar="NAME", help="name or short name of the dataset")
        parser.add_argument("--note", default="", help="what is new in this version")
        parser.add_argument("--seed", type=int, default=7, help="seed of the split (default: %(default)s)")
        parser.add_argument("--shares", default="0.8,0.1,0.1", metavar="TRAIN,VALIDATION,TEST",
                            help="shares of the split, adding up to 1 (default: %(default)s)")  # fmt: skip
        parser.add_argument("--new-test-set", action="store_true",
                            help="do not keep what the last version tested on the test side")  # fmt: skip
        parser.add_argument("--accept-leaks", default="", metavar="REASON",
                            help="freeze in spite of leaks; the reason is kept")  # fmt: skip

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        dataset = dataset_named(project, options["dataset"])
        if dataset is None:
            raise CommandError(f"The project {project.slug} has no dataset “{options['dataset']}”.")
        shares = _shares(options["shares"])
        self.say(f"Splitting and freezing the approved examples of {dataset}.")
        version = actions.freeze_version(
            dataset, by=by, note=options["note"], shares=shares, seed=options["seed"],
            keep_test=not options["new_test_set"], leak_reason=options["accept_leaks"],
        )  # fmt: skip
        counts = ", ".join(f"{version.counts[side]:,} {side}" for side in ("train", "validation", "test"))
        facts = {"dataset": dataset.slug, "version": version.number}
        values = {**facts, "counts": version.counts, "data_hash": version.data_hash}
        return Told(values, [f"{version}: {counts}. Hash {version.data_hash[:12]}."])


def _shares(text: str) -> tuple[float, float, float]:
    try:
        train, validation, test = (float(part) for part in text.replace("/", ",").split(","))
    except ValueError as error:
        raise CommandError("--shares wants three numbers, such as 0.8,0.1,0.1.") from error
    return train, validation, test
