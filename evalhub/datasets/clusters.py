"""Examples that the last check found to be the same or nearly the same."""

from django.db.models import Q, QuerySet

from evalhub.datasets.models import Example
from evalhub.datasets.selection import flagged

CLUSTERING = ("copies", "near", "conflicts")
MOST = 12  # members shown and decided about together


def members_of(example: Example) -> list[Example]:
    """The example and its duplicates, by id; it alone where there are none."""
    groups = flagged(example.dataset).filter(example=example, kind__in=CLUSTERING, group__isnull=False)
    alike = Q(pk__in=())
    for run, kind, group in groups.values_list("run", "kind", "group"):
        alike |= Q(flags__run=run, flags__kind=kind, flags__group=group)
    return list(_of(example).filter(alike | Q(pk=example.pk)).distinct().order_by("id")[:MOST])


def _of(example: Example) -> QuerySet[Example]:
    return Example.objects.filter(dataset=example.dataset_id)
