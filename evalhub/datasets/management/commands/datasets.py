"""Datasets themselves: manage.py datasets list|create|show|describe|readiness|thresholds … --project SLUG."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets import actions
from evalhub.datasets.api.checks import as_json
from evalhub.datasets.api.collections import DatasetSerializer, counted
from evalhub.datasets.checking import standing
from evalhub.datasets.checks.thresholds import Thresholds, described
from evalhub.datasets.management.commands.check_examples import check_line
from evalhub.datasets.management.verbs import Options, Verb, VerbCommand, dataset_of, in_dataset, pair
from evalhub.datasets.models import Dataset
from evalhub.datasets.selection import datasets_by_name

YES_NO = {"yes": True, "no": False}


# --- the dataset --------------------------------------------------------------------------------
def listed(project: Project, by: User, options: Options) -> Told:
    found = facts(*datasets_by_name(project))
    return Told({"datasets": found}, [line(each) for each in found] or [f"{project} has no dataset yet."])


def shown(project: Project, by: User, options: Options) -> Told:
    return told(dataset_of(project, options))


def create(project: Project, by: User, options: Options) -> Told:
    words = {name: options[name] or "" for name in ("description", "credit")}
    return told(actions.create_dataset(project, name=options["name"], by=by, **words))


def describe(project: Project, by: User, options: Options) -> Told:
    """What is not named stays as it is."""
    dataset = dataset_of(project, options)
    given = {name: options[name] for name in ("description", "credit") if options[name] is not None}
    benchmark, two = YES_NO.get(options["benchmark"] or ""), YES_NO.get(options["second_approval"] or "")
    if not given and benchmark is None and two is None:
        raise CommandError("Say what to change: --description, --credit, --benchmark or --second-approval.")
    if given or benchmark is not None:
        words = {"description": dataset.description, "credit": dataset.credit} | given
        actions.describe_dataset(dataset, by=by, is_benchmark=benchmark, **words)
    if two is not None:
        actions.ask_second_approval(dataset, wanted=two, by=by)
    return told(dataset)


def told(dataset: Dataset) -> Told:
    (values,) = facts(datasets_by_name(dataset.project).get(pk=dataset.pk))
    words = [f"  {name}: {values[name]}" for name in ("description", "credit") if values[name]]
    return Told({"dataset": values}, [line(values), *words])


def facts(*datasets: Dataset) -> list[dict[str, Any]]:
    """Datasets of datasets_by_name as the API answers them."""
    return [dict(DatasetSerializer(dataset).data) for dataset in counted(datasets)]


def line(values: dict[str, Any]) -> str:
    """A dataset as people read it."""
    counts = ", ".join(f"{values[state]:,} {state}" for state in ("approved", "proposed", "rejected"))
    about = "" if values["counts_are_exact"] else "about "
    version = f"v{values['last_version']}" if values["last_version"] else "no version yet"
    benchmark = "; a benchmark" if values["is_benchmark"] else ""
    two = "; two people approve" if values["second_approval"] else ""
    return f"{values['name']} ({values['slug']}): {about}{counts}; {version}{benchmark}{two}."


# --- whether it is ready ------------------------------------------------------------------------
def readiness(project: Project, by: User, options: Options) -> Told:
    dataset = dataset_of(project, options)
    known = standing(dataset)
    said = [] if known.run else [f"{dataset} has not been checked yet: check_examples does it."]
    if known.changed:
        said.append(f"Examples changed since the last check: {known.changed}.")
    if known.overtaken:
        said.append("What other datasets test has changed since the last check.")
    return Told({"dataset": dataset.slug, **as_json(known)}, [*said, *map(check_line, known.checks)])


# --- its thresholds -----------------------------------------------------------------------------
def thresholds(project: Project, by: User, options: Options) -> Told:
    return told_thresholds(dataset_of(project, options))


def keep_thresholds(project: Project, by: User, options: Options) -> Told:
    """Those that are not named stay as they are, or with --usual become the usual ones."""
    dataset, chosen = dataset_of(project, options), dict(pair("--set", text) for text in options["chosen"])
    if not chosen and not options["usual"]:
        raise CommandError("Say which: --set NAME=VALUE, or --usual for the usual ones.")
    former = {} if options["usual"] else dataset.thresholds
    return told_thresholds(actions.keep_thresholds(dataset, by=by, thresholds={**former, **chosen}))


def told_thresholds(dataset: Dataset) -> Told:
    values, own = Thresholds.from_json(dataset.thresholds).as_json(), dataset.thresholds
    lines = [
        f"{'*' if limits.name in own else ' '} {limits.name:<20} {values[limits.name]:>9g}  {limits.about}"
        for limits in described()
    ]
    return Told({"dataset": dataset.slug, "thresholds": values, "kept": own}, lines)


# --- what the verbs are told --------------------------------------------------------------------
def named(parser: ArgumentParser) -> None:
    parser.add_argument("--name", required=True, help="what the dataset is called")


def words(parser: ArgumentParser) -> None:
    parser.add_argument("--description", help="one line about it")
    parser.add_argument("--credit", help="source and licence")


def switches(parser: ArgumentParser) -> None:
    parser.add_argument("--benchmark", choices=list(YES_NO), help="its prompts test models and are never trained on")
    parser.add_argument("--second-approval", choices=list(YES_NO), help="two different people approve each example")


def values_set(parser: ArgumentParser) -> None:
    parser.add_argument("--set", dest="chosen", action="append", default=[], metavar="NAME=VALUE",
                        help="a threshold of every later run; the others stay as they are")  # fmt: skip
    parser.add_argument("--usual", action="store_true", help="first go back to the usual thresholds")


class Command(VerbCommand):
    help = "Datasets: list, make, describe, see whether one is ready. delete_dataset deletes one."
    verbs = (
        Verb("list", Right.VIEW_DATA, listed, "The project's datasets with their counts."),
        Verb("create", Right.CURATE, create, "Make an empty dataset.", (named, words)),
        Verb("show", Right.VIEW_DATA, shown, "One dataset with its counts.", (in_dataset,)),
        Verb("describe", Right.CURATE, describe, "Change what is said about a dataset, and how it is used.",
             (in_dataset, words, switches)),
        Verb("readiness", Right.VIEW_DATA, readiness, "The checks before training, of the last run.", (in_dataset,)),
        Verb("thresholds", Right.VIEW_DATA, thresholds, "Thresholds of the checks; * marks its own.", (in_dataset,)),
        Verb("keep-thresholds", Right.CURATE, keep_thresholds, "Keep thresholds for every later run of the checks.",
             (in_dataset, values_set)),
    )  # fmt: skip
