"""Who rates what next, and in which order the answers stand.

Raters walk the items in one order, so that a study which stops early leaves a beginning of it complete,
in proportion to its categories. Every step is a conditional write: of two who reach for a slot, one gets it.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import permutations

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from evalhub.studies.models import Assignment, Item, Rater, Study

State = Assignment.State
TRIES = 25  # candidates looked at before the whole claim starts afresh
Seat = tuple[int, int]  # arm id, place from the left


def take_next(study: Study, rater: Rater) -> Assignment | None:
    """A slot for `rater`, leased now: own items handed on and free again, then lapsed leases, then free slots.

    Returns None when nothing is to be had. Raises IntegrityError when another tab of the same rater was quicker.
    """
    return _take_back(study, rater) or _take_lapsed(study, rater) or _take_free(study, rater)


def held_by(rater: Rater) -> Assignment | None:
    """The item that the rater has in hand; its lease may have lapsed, as long as nobody else took it."""
    return with_texts(rater.assignments.filter(state=State.LEASED)).first()


def hand_back(assignment: Assignment, *, state: Assignment.State, **changes: object) -> bool:
    """Turn a leased row into history (skipped or lapsed) and put a fresh one in its place. False when too late."""
    held = Assignment.objects.filter(pk=assignment.pk, state=State.LEASED, rater=assignment.rater)
    if not held.update(state=state, leased_until=None, **changes):
        return False
    Assignment.objects.create(item_id=assignment.item_id, slot=assignment.slot)
    return True


def take_own_back(assignment: Assignment, *, state: Assignment.State) -> bool:
    """Give a handed-on item back to its rater, if a slot is still free: the draft and the order stay.

    The own row is held first, so that a second tab, which finds it taken back, takes no other slot away.
    """
    back = Assignment.objects.filter(pk=assignment.pk, state=State.LAPSED)
    free = Assignment.objects.filter(item=assignment.item_id, state=State.FREE)
    slot = free.select_for_update(skip_locked=True).first() if back.select_for_update().first() else None
    if slot is None:
        return False
    slot.delete()
    return bool(back.update(state=state, slot=slot.slot, leased_until=lease_end(assignment.item.study)))


def lease_end(study: Study) -> datetime:
    return timezone.now() + timedelta(seconds=study.lease_seconds)


def with_texts(assignments: QuerySet[Assignment]) -> QuerySet[Assignment]:
    """Everything that showing an item needs, in a constant number of queries."""
    return assignments.select_related("item__study").prefetch_related("item__answers", "item__study__criteria")


# --- taking ---------------------------------------------------------------------------------------


def _take_back(study: Study, rater: Rater) -> Assignment | None:
    free = Assignment.objects.filter(item=OuterRef("item"), state=State.FREE)
    lapsed = rater.assignments.filter(Exists(free), state=State.LAPSED).order_by("item__position")
    for mine in with_texts(lapsed)[:TRIES]:
        if take_own_back(mine, state=State.LEASED):
            return _fresh(mine)
    return None


def _take_lapsed(study: Study, rater: Rater) -> Assignment | None:
    lapsed = _open_to(study, rater).filter(state=State.LEASED, leased_until__lt=timezone.now())
    for theirs in lapsed[:TRIES]:
        still = Assignment.objects.filter(pk=theirs.pk, state=State.LEASED, leased_until__lt=timezone.now())
        if still.update(state=State.LAPSED, leased_until=None):
            return _seat(study, rater, Assignment.objects.create(item_id=theirs.item_id, slot=theirs.slot))
    return None


def _take_free(study: Study, rater: Rater) -> Assignment | None:
    for slot in _open_to(study, rater).filter(state=State.FREE)[:TRIES]:
        seated = _seat(study, rater, slot)
        if seated is not None:
            return seated
    return None


def _open_to(study: Study, rater: Rater) -> QuerySet[Assignment]:
    """Rows of items that this rater has never had, in the study's order; one row per item is enough to try."""
    had = Assignment.objects.filter(item=OuterRef("item"), rater=rater)
    return Assignment.objects.filter(~Exists(had), item__study=study).order_by("item__position", "slot")


def _seat(study: Study, rater: Rater, slot: Assignment) -> Assignment | None:
    now = timezone.now()
    won = Assignment.objects.filter(pk=slot.pk, state=State.FREE).update(
        state=State.LEASED, rater=rater, claimed_at=now, leased_until=lease_end(study),
        order=balanced_order(study, rater, slot.item_id),
    )  # fmt: skip
    return _fresh(slot) if won else None


def _fresh(assignment: Assignment) -> Assignment:
    return with_texts(Assignment.objects.filter(pk=assignment.pk)).get()


# --- order ----------------------------------------------------------------------------------------


def balanced_order(study: Study, rater: Rater, item: int) -> list[int]:
    """Arm ids from left to right, such that each arm stands equally often in each place.

    First for this rater (within one, at any moment), then over the study, then within the item;
    what is still equal is settled by the study's seed.
    """
    rows = Assignment.objects.filter(item__study=study, state__in=(State.LEASED, State.SUBMITTED))
    seen = list(rows.values_list("rater_id", "item_id", "order"))
    return best_order(
        list(study.arms.values_list("pk", flat=True)),
        [seats(order for r, _, order in seen if r == rater.pk),
         seats(order for _, _, order in seen),
         seats(order for _, i, order in seen if i == item)],
        salt=f"{study.seed}:{study.pk}:{rater.pk}:{item}",
    )  # fmt: skip


def seats(orders: Iterable[Sequence[int]]) -> Counter[Seat]:
    """How often each arm stood in each place."""
    return Counter((arm, place) for order in orders for place, arm in enumerate(order))


def best_order(arms: Sequence[int], counts: Sequence[Counter[Seat]], *, salt: str) -> list[int]:
    """The permutation whose seats were taken least, by each count in turn, then by the hash of `salt`.

    Greedy on the sum of counts keeps every seat within one of the others: after a full round some
    permutation of unused seats always exists (Hall's theorem for regular bipartite graphs).
    """

    def cost(order: Iterable[int]) -> tuple[list[int], str]:
        taken = [sum(2 * count[arm, place] + 1 for place, arm in enumerate(order)) for count in counts]
        return taken, hashlib.sha256(f"{salt}:{list(order)}".encode()).hexdigest()

    return list(min(permutations(arms), key=cost))


def returns_at(study: Study, rater: Rater) -> list[datetime]:
    """When the leases end on items that this rater could have, if nobody had them now; soonest first."""
    held = _open_to(study, rater).filter(state=State.LEASED, leased_until__isnull=False)
    return sorted(until for until in held.values_list("leased_until", flat=True) if until)


def items_left(study: Study, rater: Rater) -> int:
    """Items that may still come to this rater: the one in hand and those with an open slot that they never had."""
    others = (
        _open_to(study, rater).filter(state__in=(State.FREE, State.LEASED)).order_by().values("item").distinct().count()
    )
    free = Assignment.objects.filter(item=OuterRef("item"), state=State.FREE)
    own = rater.assignments.filter(state=State.LEASED).count()
    back = Item.objects.filter(assignments__in=rater.assignments.filter(Exists(free), state=State.LAPSED)).count()
    return others + own + back
