"""Approve and reject: one example, one instead of others, one of its duplicates, or several."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from evalhub.accounts.models import User
from evalhub.datasets.actions.locking import lock, locked, locked_with
from evalhub.datasets.actions.noting import noted
from evalhub.datasets.clusters import cluster_of
from evalhub.datasets.models import Change, ChangedExample, Dataset, Example
from evalhub.datasets.prompts import PROMPT
from evalhub.datasets.selection import same_prompt
from evalhub.datasets.standing import Standing, approved, rejected
from evalhub.errors import Refused

CHUNK = 1_000
Seen = tuple[int, str]
"""Revision and state of an example as somebody saw it."""


def approve(example: Example, *, by: User, expected_state: str = "", expected_revision: int | None = None) -> Example:
    """Let an example into the next version; where the dataset asks for two approvals, the first is kept.

    Raises Refused if it is approved already, if `by` gave the first approval, or if its state or revision is not the
    expected one.
    """
    with transaction.atomic():
        current = locked(example, state=expected_state, revision=expected_revision)
        change = decide(current.dataset, [current.pk], approving=True, by=by)
        if not change.count and current.state == Example.State.APPROVED:
            raise Refused("This example is already approved.")
        if not change.count:
            raise Refused("You have approved this example already; a second person has to approve it as well.")
        noted(current.dataset, by, "approve", f"example {current.pk}", **{"from": current.state})
    return _fresh(current)


def reject(
    example: Example, *, by: User, reason: str = "", expected_state: str = "", expected_revision: int | None = None
) -> Example:
    """Keep an example out of later versions; it stays to be seen.

    Raises Refused if it is rejected already, or if its state or revision is not the expected one.
    """
    with transaction.atomic():
        current = locked(example, state=expected_state, revision=expected_revision)
        change = decide(current.dataset, [current.pk], approving=False, by=by, reason=reason)
        if not change.count:
            raise Refused("This example is already rejected.")
        details = {"from": current.state} | ({"reason": reason} if reason else {})
        noted(current.dataset, by, "reject", f"example {current.pk}", **details)
    return _fresh(current)


def _fresh(example: Example) -> Example:
    return Example.objects.select_related("dataset").get(pk=example.pk)


def approve_instead(example: Example, *, by: User, expected_revision: int | None = None) -> list[Example]:
    """Approve, and reject the approved examples that ask exactly the same, in one change; returns those.

    Raises Refused as approve does.
    """
    with transaction.atomic():
        same = list(same_prompt(example).values_list("pk", flat=True))
        current, others = locked_with(example, same, revision=expected_revision)
        change = decide(current.dataset, [current.pk], approving=True, by=by)
        if _fresh(current).state != Example.State.APPROVED or not change.count:
            raise Refused("A second person has to approve it first, or it is approved already. Nothing was changed.")
        rivals = [other.pk for other in others if _is_rival(other, current)]
        change.count += decide_chunk(change, rivals, approving=False)
        change.reason = f"replaced by {example}" if rivals else ""
        change.save(update_fields=["count", "reason"])
        noted(current.dataset, by, "approve", f"example {current.pk}", instead_of=rivals)
    return list(Example.objects.filter(pk__in=rivals).order_by("id"))


def _is_rival(other: Example, example: Example) -> bool:
    same = all(getattr(other, name) == getattr(example, name) for name in PROMPT)
    return same and other.state == Example.State.APPROVED


def keep_one(example: Example, *, by: User, expected_revision: int | None = None) -> int:
    """Reject all duplicates of an example that the last check found and nobody has rewritten since; returns how many.

    Raises Refused for none, if the one to keep is rejected, or if its revision is not the expected one.
    """
    with transaction.atomic():
        held = lock({example.pk, *cluster_of(example)})
        current = locked(example, revision=expected_revision)
        if current.state == Example.State.REJECTED:
            raise Refused("This one is rejected itself, so none of the others was. Look at them again.")
        others = [pk for pk in cluster_of(current) if pk in held and pk != current.pk]
        change = decide(current.dataset, others, approving=False, by=by, reason=f"Duplicate of {current}")
        if not change.count:
            raise Refused("There is no other example left to reject; nothing was changed.")
        noted(current.dataset, by, "reject", f"{many(change.count)} like example {current.pk}", change=change.pk)
    return change.count


def decide_many(
    dataset: Dataset,
    *,
    pks: Sequence[int],
    approving: bool,
    by: User,
    reason: str = "",
    seen: Mapping[int, Seen] | None = None,
) -> Change:
    """Approve or reject several at once; those in that state already are left alone.

    With `seen`, those that are not as they were seen are left alone too, and counted in `passed_over`. Without any that
    is different the change is not kept (pk None).
    """
    with transaction.atomic():
        same = pks if seen is None else _as_seen(dataset, pks, seen)
        change = decide(dataset, same, approving=approving, by=by, reason=reason, passed_over=len(pks) - len(same))
        if change.count:
            verb, target = "approve" if approving else "reject", f"{many(change.count)} of dataset {dataset.slug}"
            noted(dataset, by, verb, target, change=change.pk)
    return change


def _as_seen(dataset: Dataset, pks: Sequence[int], seen: Mapping[int, Seen]) -> list[int]:
    """Lock these examples; those that have the revision and state with which they were seen."""
    rows = Example.objects.select_for_update().filter(dataset=dataset, pk__in=pks).order_by("id")
    return [pk for pk, *now in rows.values_list("pk", "revision_number", "state") if seen.get(pk) == tuple(now)]


def many(count: int) -> str:
    return "1 example" if count == 1 else f"{count:,} examples"


def decide(
    dataset: Dataset, pks: Sequence[int], *, approving: bool, by: User, reason: str = "", passed_over: int = 0
) -> Change:
    """A change that holds the examples which are different now; without any it is not kept (pk None)."""
    verb = "approve" if approving else "reject"
    change = Change(dataset=dataset, verb=verb, reason=reason[:255], by=by, at=timezone.now(), passed_over=passed_over)
    change.save()
    for start in range(0, len(pks), CHUNK):
        change.count += decide_chunk(change, pks[start : start + CHUNK], approving=approving)
    return kept(change)


def kept(change: Change) -> Change:
    """The change with its count, or removed where it changed nothing."""
    if change.count:
        change.save(update_fields=["count", "passed_over"])
    else:
        change.delete()
    return change


def decide_chunk(change: Change, pks: Sequence[int], *, approving: bool) -> int:
    """Approve or reject these as a part of a change; returns how many are different now."""
    rows = Example.objects.select_for_update().filter(dataset=change.dataset, pk__in=pks).order_by("id")
    two = change.dataset.second_approval
    befores: dict[int, Standing] = {}
    groups: dict[Standing, list[int]] = defaultdict(list)
    for pk, state, first, second in rows.values_list("pk", "state", "first_approver", "second_approver"):
        was = Standing(state, first, second)
        now = approved(was, by=change.by_id, two=two) if approving else rejected(was)
        if now != was:
            befores[pk] = was
            groups[now].append(pk)
    for standing, members in groups.items():
        stand(members, standing, at=change.at)
    ChangedExample.objects.bulk_create(
        ChangedExample(change=change, example_id=pk, before=before(was)) for pk, was in befores.items()
    )
    return len(befores)


def before(was: Standing) -> dict[str, object]:
    return {"state": was.state, "first_approver_id": was.first, "second_approver_id": was.second}


def stand(pks: Sequence[int], standing: Standing, *, at: datetime) -> None:
    """Give examples their state and approvers, as of `at`."""
    Example.objects.filter(pk__in=pks).update(
        state=standing.state, first_approver=standing.first, second_approver=standing.second, updated_at=at
    )
