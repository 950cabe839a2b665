"""Who looks at which example: leases that run out by themselves, so that two curators never get the same one."""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from evalhub.accounts.models import User
from evalhub.datasets.models import Dataset, Example, Lease
from evalhub.datasets.paging import beyond, place_from
from evalhub.datasets.selection import ExampleFilter, chosen_examples

LASTS = timedelta(seconds=90)  # a page says every 30 seconds that somebody is there
TRIES = 20


def hold(example: Example, *, by: User) -> bool:
    """Take or keep the lease of an example; False while somebody else has it. One conditional UPDATE or INSERT."""
    return _held(example.pk, by)


def _held(pk: int, by: User) -> bool:
    until = timezone.now() + LASTS
    free = Q(holder=by) | Q(expires_at__lt=timezone.now())
    if Lease.objects.filter(free, example=pk).update(holder=by, expires_at=until):
        return True
    try:
        with transaction.atomic():
            Lease.objects.create(example_id=pk, holder=by, expires_at=until)
    except IntegrityError:  # somebody else has it, or another page of `by` took it at this moment
        return Lease.objects.filter(example=pk, holder=by).exists()
    return True


def let_go(dataset: Dataset, *, by: User) -> None:
    """Give back all that `by` holds in the dataset."""
    Lease.objects.filter(holder=by, example__dataset=dataset).delete()


def holder_of(example: Example, *, but: User) -> User | None:
    """Who else looks at the example just now."""
    lease = Lease.objects.filter(example=example, expires_at__gte=timezone.now()).exclude(holder=but)
    found = lease.select_related("holder").first()
    return found.holder if found else None


def reviewers_of(dataset: Dataset, *, but: User) -> list[User]:
    """Who else reviews here just now, by name."""
    live = Lease.objects.filter(example__dataset=dataset, expires_at__gte=timezone.now()).exclude(holder=but)
    return sorted({lease.holder for lease in live.select_related("holder")}, key=str)


def next_to_review(
    dataset: Dataset, wanted: ExampleFilter, *, by: User, after: str = "", back: bool = False
) -> Example | None:
    """Lease the first example of the filter after a place (paging.py), or with `back` before it, that is free.

    What `by` held is given back. None at the end.
    """
    chosen = chosen_examples(dataset, wanted)
    place = place_from(after, wanted.order) if after else None
    rows = beyond(_free(chosen, by), place, wanted.order, back=back) if place else _free(chosen, by)
    let_go(dataset, by=by)
    for pk in list(rows.values_list("pk", flat=True)[:TRIES]):
        if _held(pk, by):
            if example := chosen.filter(pk=pk).first():
                return example
            let_go(dataset, by=by)  # somebody decided about it at this moment
    return None


def _free(examples: QuerySet[Example], by: User) -> QuerySet[Example]:
    taken = Lease.objects.filter(expires_at__gte=timezone.now()).exclude(holder=by)
    return examples.exclude(pk__in=taken.values("example"))
