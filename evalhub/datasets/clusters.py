"""Examples that the last check found to be the same or nearly the same, as long as they have the texts that it read."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db.models import Q

from evalhub.datasets.models import Example, Flag, Revision
from evalhub.datasets.selection import flagged

CLUSTERING = ("copies", "near", "conflicts")
MOST = 12  # members shown together


def cluster_of(example: Example) -> list[int]:
    """Ids of the example and all its duplicates, in order; it alone where there are none.

    Of the others, those that were given other texts since the check are left out. The example itself is in sight of
    whoever keeps it: an edit on the way takes nothing from it.
    """
    groups = flagged(example.dataset).filter(example=example, kind__in=CLUSTERING, group__isnull=False)
    found = list(groups.values_list("run", "run__read_at", "kind", "group"))
    if not found:
        return [example.pk]
    alike = Q()
    for run, _, kind, group in found:
        alike |= Q(run=run, kind=kind, group=group)
    members = set(Flag.objects.filter(alike).values_list("example", flat=True))
    return sorted(members - _rewritten(members, since=found[0][1]) | {example.pk})


def members_of(example: Example) -> list[Example]:
    """The example and its duplicates, by id; of many the first, and the example in any case."""
    return shown_of(example, cluster_of(example))


def shown_of(example: Example, cluster: Sequence[int]) -> list[Example]:
    """MOST of a cluster, as `members_of`."""
    others = [pk for pk in cluster if pk != example.pk][: MOST - 1]
    found = Example.objects.filter(pk__in=others) if others else ()
    return sorted([example, *found], key=lambda member: member.pk)


def _rewritten(pks: Collection[int], *, since: datetime) -> set[int]:
    """Those of these examples that have other texts than at that moment."""
    edited = dict(Example.objects.filter(pk__in=pks, revision_number__gt=1).values_list("pk", "fingerprint"))
    revisions = Revision.objects.filter(example__in=edited).order_by("number") if edited else Revision.objects.none()
    then: dict[int, str] = {}
    for pk, at, mark in revisions.values_list("example", "created_at", "fingerprint"):
        if pk not in then or at <= since:
            then[pk] = mark
    return {pk for pk, mark in edited.items() if then.get(pk, mark) != mark}
