"""The frozen versions of a dataset: manage.py versions list|show --project SLUG --dataset NAME."""

from argparse import ArgumentParser

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets.api.versions import VersionSerializer
from evalhub.datasets.comparing import version_of
from evalhub.datasets.management.verbs import Options, Verb, VerbCommand, dataset_of, in_dataset
from evalhub.datasets.models import Split, Version


def listed(project: Project, by: User, options: Options) -> Told:
    dataset = dataset_of(project, options)
    versions = list(dataset.versions.select_related("dataset", "frozen_by"))
    lines = [line(version) for version in versions] or [f"{dataset} has no version yet."]
    return Told({"dataset": dataset.slug, "versions": VersionSerializer(versions, many=True).data}, lines)


def shown(project: Project, by: User, options: Options) -> Told:
    dataset = dataset_of(project, options)
    version = version_of(dataset, options["number"])
    settings = [f"  {name}: {value}" for name, value in version.settings.items() if not isinstance(value, dict)]
    values = {"dataset": dataset.slug, "version": VersionSerializer(version).data}
    return Told(values, [line(version), f"  hash: {version.data_hash}", *settings])


def line(version: Version) -> str:
    """A version as people read it."""
    counts = ", ".join(f"{version.counts[side]:,} {side}" for side in Split.values)
    note = f" {version.note}" if version.note else ""
    return f"v{version.number}  {version.frozen_at:%Y-%m-%d %H:%M}  {version.frozen_by}: {counts}.{note}"


def which(parser: ArgumentParser) -> None:
    parser.add_argument("--version", dest="number", type=int, required=True, metavar="N")


class Command(VerbCommand):
    help = "The frozen versions of a dataset. freeze_version makes one, data_card tells what it holds."
    verbs = (
        Verb("list", Right.VIEW_DATA, listed, "The versions, the newest first.", (in_dataset,)),
        Verb("show", Right.VIEW_DATA, shown, "One version: counts, settings, hash.", (in_dataset, which)),
    )
