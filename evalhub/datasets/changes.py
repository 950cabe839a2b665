"""Changes in words, and a person's last one. Reads only."""

from datetime import timedelta

from django.utils import timezone

from evalhub.accounts.models import User
from evalhub.datasets.models import Change, Dataset

FRESH = timedelta(minutes=10)  # as long as a change is offered for undo beside the examples
TOLD = {
    "approve": "{examples} approved", "reject": "{examples} rejected", "edit": "{examples} edited",
    "tag": "{examples} tagged “{value}”", "untag": "Tag “{value}” taken from {examples}",
    "category": "{examples} put into the category “{value}”", "split": "{examples} put into the split “{value}”",
}  # fmt: skip


def change_told(change: Change) -> str:
    """As in "1,204 examples rejected"."""
    examples = "1 example" if change.count == 1 else f"{change.count:,} examples"
    return TOLD.get(change.verb, "{examples} changed").format(examples=examples, value=change.value)


def passed_over_told(change: Change) -> str:
    """A sentence about what was no longer as it was seen, or as the filter asks, when its turn came; empty for none."""
    if not change.passed_over:
        return ""
    why = "they no longer matched when their turn came" if change.query else "somebody changed them in the meantime"
    return f" {change.passed_over:,} left alone, because {why}."


def last_change(dataset: Dataset, *, by: User) -> tuple[Change, str] | None:
    """The last change by this person that is fresh and can be undone, with its words."""
    fresh = dataset.changes.filter(by=by, undone_at=None, at__gte=timezone.now() - FRESH)
    change = fresh.order_by("-id").first()
    return (change, change_told(change)) if change else None


def undone_told(change: Change) -> str:
    """What undoing a change did."""
    examples = "1 example" if change.restored == 1 else f"{change.restored:,} examples"
    rest = f" {change.left_alone:,} left alone, because somebody changed them since." if change.left_alone else ""
    return f"Undone: {examples} restored.{rest}"
