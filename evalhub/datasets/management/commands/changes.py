"""What was done to a dataset's examples: manage.py changes list --project SLUG --dataset NAME; undo_change undoes."""

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets.api.curation import ChangeSerializer
from evalhub.datasets.changes import change_told, undone_told
from evalhub.datasets.management.verbs import Options, Verb, VerbCommand, dataset_of, in_dataset, limited
from evalhub.datasets.models import Change


def listed(project: Project, by: User, options: Options) -> Told:
    dataset = dataset_of(project, options)
    changes = list(dataset.changes.select_related("by", "undone_by").order_by("-id")[: options["limit"]])
    count = dataset.changes.count()
    lines = [line(change) for change in changes] or [f"No example of {dataset} has been changed."]
    if count > len(changes):
        lines.append(f"Earlier ones: {count - len(changes):,}.")
    values = {"dataset": dataset.slug, "count": count, "changes": ChangeSerializer(changes, many=True).data}
    return Told(values, lines)


def line(change: Change) -> str:
    """A change as people read it."""
    reason = f", {change.reason}" if change.reason else ""
    undone = f" {undone_told(change)}" if change.undone_at else ""
    return f"{change.pk:>6}  {change.at:%Y-%m-%d %H:%M}  {change.by}: {change_told(change)}{reason}.{undone}"


class Command(VerbCommand):
    help = "The changes of a dataset's examples. undo_change takes one back."
    verbs = (
        Verb("list", Right.VIEW_DATA, listed, "The changes, the newest first.", (in_dataset, limited(50, 500))),
    )  # fmt: skip
