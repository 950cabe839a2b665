"""What a dataset's curators agree on: names for filters, and whether a second person has to approve."""

from django.db import IntegrityError, transaction

from evalhub.accounts.models import User
from evalhub.datasets.actions.noting import noted
from evalhub.datasets.models import Dataset, SavedView
from evalhub.datasets.reading import storable
from evalhub.datasets.selection import ExampleFilter
from evalhub.errors import Refused

MOST_VIEWS = 50


def save_view(dataset: Dataset, *, name: str, wanted: ExampleFilter, by: User) -> SavedView:
    """Give a filter a name. Raises Refused for no name, a taken one, a filter of nothing, or too many views."""
    name = " ".join(storable(name).split())
    if not name or len(name) > 80:
        raise Refused("A view needs a name of at most 80 characters.", field="name")
    if not wanted.query:
        raise Refused("These are all examples in their usual order; choose a filter first, then give it a name.")
    if dataset.saved_views.count() >= MOST_VIEWS:
        raise Refused(f"A dataset has at most {MOST_VIEWS} saved views. Remove one first.")
    try:
        with transaction.atomic():
            view = SavedView.objects.create(dataset=dataset, name=name, query=wanted.query, created_by=by)
            noted(dataset, by, "save_view", f"“{name}” of dataset {dataset.slug}")
    except IntegrityError as error:
        raise Refused(f"There is a view named “{name}” already. Remove it first, or choose another name.") from error
    return view


def forget_view(view: SavedView, *, by: User) -> None:
    """Remove a name; no example is touched."""
    with transaction.atomic():
        noted(view.dataset, by, "forget_view", f"“{view.name}” of dataset {view.dataset.slug}")
        view.delete()


def ask_second_approval(dataset: Dataset, *, wanted: bool, by: User) -> Dataset:
    """From now on two different people, or one, approve an example. What is approved already stays approved."""
    with transaction.atomic():
        if Dataset.objects.filter(pk=dataset.pk).exclude(second_approval=wanted).update(second_approval=wanted):
            noted(dataset, by, "ask_second_approval" if wanted else "drop_second_approval")
    dataset.second_approval = wanted
    return dataset
