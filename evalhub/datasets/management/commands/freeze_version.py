"""Freeze a dataset's approved examples: manage.py freeze_version --project SLUG --dataset NAME."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.urls import reverse

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets import actions
from evalhub.datasets.leakage import Leaking
from evalhub.datasets.management.base import DatasetCommand, dataset_named
from evalhub.datasets.models import Dataset, Version
from evalhub.datasets.replaying import Replay


class Command(DatasetCommand):
    right = Right.CURATE
    in_one_step = False  # it compares for long and stores in one short transaction; its request key keeps it from twice
    help = (
        "Freeze the approved examples as a numbered version with a hash. A row's own split is honoured; the others are "
        "split by source document, near duplicates together. Refused if one text would stand on two sides, if a "
        "training example nearly repeats what is tested here, in any frozen version or in a benchmark, or if nothing "
        "has changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dataset", required=True, metavar="NAME", help="name or short name of the dataset")
        parser.add_argument("--note", default="", help="what is new in this version")
        parser.add_argument("--seed", type=int, default=7, help="seed of the split (default: %(default)s)")
        parser.add_argument("--shares", default="0.9,0.1,0", metavar="TRAIN,VALIDATION,TEST",
                            help="shares of the split, adding up to 1 (default: %(default)s)")  # fmt: skip
        parser.add_argument("--min-test", type=int, default=0, metavar="N",
                            help="examples that the test set has at least (default: %(default)s)")  # fmt: skip
        parser.add_argument("--new-test-set", action="store_true",
                            help="do not keep what the last version tested on the test side")  # fmt: skip
        parser.add_argument("--replay", default="", metavar="DATASET[@VERSION]",
                            help="mix examples of another dataset's frozen version into train")  # fmt: skip
        parser.add_argument("--replay-share", type=float, default=0.1, metavar="SHARE",
                            help="which share of all training examples they are (default: %(default)s)")  # fmt: skip
        parser.add_argument("--accept-leaks", default="", metavar="REASON",
                            help="freeze in spite of leaks; the reason is kept")  # fmt: skip

    def title(self, options: dict[str, Any]) -> str:
        return f"Freeze {options['dataset']}"

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        dataset = dataset_named(project, options["dataset"])
        if dataset is None:
            raise CommandError(f"The project {project.slug} has no dataset “{options['dataset']}”.")
        try:
            return frozen(self._version(dataset, by, options))
        except Leaking as leaking:
            return leaked(dataset, leaking, self.request_key)

    def _version(self, dataset: Dataset, by: User, options: dict[str, Any]) -> Version:
        shares, replay = _shares(options["shares"]), _replay(options["replay"], options["replay_share"])
        self.say(f"Comparing the approved examples of {dataset} with each other and with what is tested.")
        bar = self.bar(f"Freezing {dataset}")
        try:
            return actions.freeze_version(
                dataset, by=by, note=options["note"], shares=shares, seed=options["seed"], min_test=options["min_test"],
                keep_test=not options["new_test_set"], replay=replay, leak_reason=options["accept_leaks"],
                request_key=self.request_key, progress=bar,
            )  # fmt: skip
        finally:
            bar.close()


def frozen(version: Version) -> Told:
    dataset, replay = version.dataset, version.settings.get("replay")
    counts = ", ".join(f"{version.counts[side]:,} {side}" for side in ("train", "validation", "test"))
    lines = [f"{version}: {counts}. Hash {version.data_hash[:12]}."]
    if replay:
        lines.append(f"{replay['count']:,} of train are replayed from {replay['name']} v{replay['version']}.")
    values = {
        "dataset": dataset.slug, "version": version.number, "counts": version.counts, "data_hash": version.data_hash,
        "replay": replay,
    }  # fmt: skip
    return Told(values, lines, link=reverse("datasets:version", args=[*_address(dataset), version.number]))


def leaked(dataset: Dataset, leaking: Leaking, job: str | None) -> Told:
    """Why nothing was frozen, with the pairs; of a job also the page that shows them."""
    values = {**leaking.facts, "count": len(leaking.leaks), "train": [leak.train for leak in leaking.leaks]}
    link = f"{reverse('datasets:leaks', args=_address(dataset))}?job={job}" if job else ""
    return Told(values, error=leaking.message, link=link)


def _address(dataset: Dataset) -> list[str]:
    return [dataset.project.slug, dataset.slug]


def _shares(text: str) -> tuple[float, float, float]:
    try:
        train, validation, test = (float(part) for part in text.replace("/", ",").split(","))
    except ValueError as error:
        raise CommandError("--shares wants three numbers, such as 0.9,0.1,0.") from error
    return train, validation, test


def _replay(text: str, share: float) -> Replay | None:
    """DATASET, or DATASET@VERSION."""
    name, _, number = text.rpartition("@") if text.rpartition("@")[2].isdecimal() else (text, "", "")
    return Replay(name, share, int(number) if number else None) if text else None
