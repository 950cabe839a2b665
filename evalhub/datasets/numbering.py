"""Numbers of versions, each given once: files, reports and the audit log go on to name a version that was deleted."""

from evalhub.accounts.models import AuditEvent
from evalhub.datasets.models import Dataset

DELETED = "delete_version"  # the audit log is never changed, so that it knows the numbers that are gone


def next_number(dataset: Dataset) -> int:
    """The number of the version that is frozen next: above those that are there and those that were deleted."""
    gone = AuditEvent.objects.filter(project=dataset.project_id, verb=DELETED, details__of_dataset=dataset.pk)
    there = dataset.versions.order_by("-number").values_list("number", flat=True)[:1]
    return 1 + max([0, *there, *map(int, gone.values_list("details__number", flat=True))])
