"""Names for filters of a dataset's examples: manage.py views list|save|forget --project SLUG --dataset NAME."""

from argparse import ArgumentParser

from django.core.management.base import CommandError

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets import actions
from evalhub.datasets.api.curation import ViewSerializer
from evalhub.datasets.filters import filter_of
from evalhub.datasets.management.verbs import Options, Verb, VerbCommand, dataset_of, filtered, in_dataset


def listed(project: Project, by: User, options: Options) -> Told:
    dataset = dataset_of(project, options)
    views = list(dataset.saved_views.order_by("name"))
    lines = [f"{view.name}: {view.query}" for view in views] or [f"{dataset} has no saved view."]
    return Told({"dataset": dataset.slug, "views": ViewSerializer(views, many=True).data}, lines)


def save(project: Project, by: User, options: Options) -> Told:
    dataset, wanted = dataset_of(project, options), filter_of(options["filter"])
    view = actions.save_view(dataset, name=options["name"], wanted=wanted, by=by)
    values = {"dataset": dataset.slug, "view": ViewSerializer(view).data}
    return Told(values, [f"{view.query} is kept as “{view}”, for everybody who sees {dataset}."])


def forget(project: Project, by: User, options: Options) -> Told:
    dataset = dataset_of(project, options)
    view = dataset.saved_views.filter(name=options["name"]).first()
    if view is None:
        raise CommandError(f"{dataset} has no saved view “{options['name']}”.")
    actions.forget_view(view, by=by)
    values = {"dataset": dataset.slug, "name": view.name, "forgotten": True}
    return Told(values, [f"The view “{view.name}” is gone; no example was touched."])


def called(parser: ArgumentParser) -> None:
    parser.add_argument("--name", required=True, help="what the view is called")


class Command(VerbCommand):
    help = "Saved views: names for filters, shared by all who see the dataset."
    verbs = (
        Verb("list", Right.VIEW_DATA, listed, "The saved views, by name.", (in_dataset,)),
        Verb("save", Right.CURATE, save, "Give a filter a name.", (in_dataset, called, filtered)),
        Verb("forget", Right.CURATE, forget, "Remove a name; no example is touched.", (in_dataset, called)),
    )
