"""One change of everything that a filter leaves: decided, tagged, put into a category or split."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from evalhub.accounts.models import User
from evalhub.datasets.actions.deciding import decide_chunk, kept, many
from evalhub.datasets.actions.locking import lock
from evalhub.datasets.actions.noting import noted
from evalhub.datasets.importing import BadValue, clean_values
from evalhub.datasets.models import Change, ChangedExample, Dataset, Example, Revision
from evalhub.datasets.selection import ExampleFilter, chosen_examples, tagged
from evalhub.datasets.storing import revision_of
from evalhub.errors import Refused
from evalhub.jobs.actions import request_job
from evalhub.jobs.models import Job
from evalhub.progress import Heard, chunks

CHUNK = 1_000
HERE_AND_NOW = 2_000  # examples; a worker changes more
BULK = "bulk_examples"  # the command that a worker carries out
WORDS = {
    "approve": "Approve", "reject": "Reject", "tag": "Tag", "untag": "Take the tag from", "category": "Categorise",
    "split": "Put into a split",
}  # fmt: skip


@dataclass(frozen=True)
class Order:
    """What to do with many examples: a verb of WORDS, with the tag, category or split that it gives."""

    verb: str
    value: str = ""
    reason: str = ""

    @property
    def question(self) -> str:
        """The order as its confirmation asks it, with {examples} for how many."""
        return {
            "approve": "Approve {examples}?", "reject": "Reject {examples}?",
            "tag": f"Tag {{examples}} “{self.value}”?", "untag": f"Take the tag “{self.value}” from {{examples}}?",
            "category": f"Put {{examples}} into the category “{self.value}”?",
            "split": f"Put {{examples}} into the split “{self.value}”?",
        }[self.verb]  # fmt: skip


def sound_order(order: Order) -> Order:
    """The order with its value as it would be stored. Raises Refused for a verb or value that means nothing."""
    if order.verb not in WORDS:
        raise Refused(f"“{order.verb}” cannot be done to examples; {', '.join(WORDS)} can.", field="verb")
    if order.verb in ("approve", "reject"):
        return Order(order.verb, reason=order.reason.strip()[:255])
    if not order.value.strip():
        raise Refused(f"Say which {'tag' if 'tag' in order.verb else order.verb}; nothing was changed.", field="value")
    name = {"tag": "tags", "untag": "tags", "split": "wanted_split"}.get(order.verb, order.verb)
    try:
        value = clean_values({name: [order.value] if name == "tags" else order.value})[name]
    except BadValue as error:
        raise Refused(error.reason, field="value") from error
    return Order(order.verb, value[0] if name == "tags" else value, order.reason.strip()[:255])


@dataclass(frozen=True)
class Foreseen:
    """How many examples a filter leaves, and how many of them an order would make different."""

    number: int
    different: int


def foresee(dataset: Dataset, wanted: ExampleFilter, order: Order, *, by: User) -> Foreseen:
    """What bulk_examples would find, counted to the end in one query. `order` is a sound one."""
    different = Count("pk", filter=~_as_wanted(dataset, order, by))
    found = chosen_examples(dataset, wanted).order_by().aggregate(number=Count("pk"), different=different)
    return Foreseen(**found)


def _as_wanted(dataset: Dataset, order: Order, by: User) -> Q:
    """The examples that the order leaves as they are: as standing.py and _edit have it."""
    if order.verb in ("approve", "reject"):
        there = Q(state=Example.State.APPROVED if order.verb == "approve" else Example.State.REJECTED)
        once = Q(state=Example.State.PROPOSED, first_approver=by)
        return there | once if order.verb == "approve" and dataset.second_approval else there
    if order.verb in ("tag", "untag"):
        return tagged(order.value) if order.verb == "tag" else ~tagged(order.value)
    return Q(**{"category" if order.verb == "category" else "wanted_split": order.value})


def request_bulk(
    dataset: Dataset, wanted: ExampleFilter, order: Order, *, by: User, expected: int, request_key: str | None = None
) -> Job:
    """Let a worker do it; the same `request_key` twice is one job. Raises Refused as bulk_examples does, at once."""
    if asked := dataset.project.jobs.filter(request_key=request_key).first() if request_key else None:
        return asked
    order = sound_order(order)
    found = foresee(dataset, wanted, order, by=by)
    _refuse_surprise(found.number, expected)
    if not found.different:
        raise _nothing(found.number)
    options = {
        "dataset": dataset.slug, "filter": wanted.query, "verb": order.verb, "value": order.value,
        "reason": order.reason, "expect": expected,
    }  # fmt: skip
    title = order.question.format(examples=many(found.different)).rstrip("?")
    return request_job(dataset.project, command=BULK, title=title, options=options, by=by, request_key=request_key)


def _refuse_surprise(number: int, expected: int | None) -> None:
    if expected is not None and number != expected:
        raise Refused(
            f"The filter leaves {many(number)} now, not {expected:,}. Look at them again; nothing was changed."
        )


def _nothing(number: int) -> Refused:
    return Refused(f"Nothing was changed: {many(number)} match, and none would be different.")


def bulk_examples(
    dataset: Dataset,
    wanted: ExampleFilter,
    order: Order,
    *,
    by: User,
    expected: int | None = None,
    progress: Heard | None = None,
) -> Change:
    """Do `order` to every example that `wanted` leaves, in one transaction; what is so already is left alone.

    What somebody took out of the filter before its turn came is left alone too, and counted in `passed_over`.
    Raises Refused if the filter leaves another number than `expected`, or if no example would be different.
    """
    order = sound_order(order)
    with transaction.atomic():
        pks = list(chosen_examples(dataset, wanted).order_by("id").values_list("pk", flat=True))
        _refuse_surprise(len(pks), expected)
        verb = order.verb
        change = Change.objects.create(
            dataset=dataset, verb=verb, value=order.value, reason=order.reason, query=wanted.query, by=by,
            at=timezone.now(),
        )  # fmt: skip
        for chunk in chunks(pks, CHUNK, progress):
            left = _still_left(dataset, wanted, chunk)
            change.passed_over += len(chunk) - len(left)
            change.count += _done(change, left)
        if not change.count:
            raise _nothing(len(pks))
        target = f"{many(change.count)} of dataset {dataset.slug}"
        noted(dataset, by, "change_examples", target, change=change.pk, what=order.verb, value=order.value,
              reason=order.reason)  # fmt: skip
        return kept(change)


def _still_left(dataset: Dataset, wanted: ExampleFilter, pks: Sequence[int]) -> list[int]:
    """Lock these examples; those of them that the filter leaves now that nobody else can change them."""
    lock(pks)
    return list(chosen_examples(dataset, wanted).filter(pk__in=pks).order_by("id").values_list("pk", flat=True))


def _done(change: Change, pks: Sequence[int]) -> int:
    if change.verb in ("approve", "reject"):
        return decide_chunk(change, pks, approving=change.verb == "approve")
    rows = Example.objects.select_for_update().filter(dataset=change.dataset, pk__in=pks).order_by("id")
    return revise(list(rows), _edit(change), change)


def _edit(change: Change) -> Callable[[Example], dict[str, object]]:
    """What an order other than a decision makes of an example: field → new value."""
    value = change.value

    def edited(example: Example) -> dict[str, object]:
        if change.verb == "tag":
            return {"tags": example.tags if value in example.tags else [*example.tags, value]}
        if change.verb == "untag":
            return {"tags": [tag for tag in example.tags if tag != value]}
        return {"category" if change.verb == "category" else "wanted_split": value}

    return edited


def revise(examples: Sequence[Example], edit: Callable[[Example], dict[str, object]], change: Change) -> int:
    """Give each example a revision where `edit` makes it different, and the change what it was; returns how many."""
    found: list[tuple[Example, dict[str, object]]] = []
    for example in examples:
        values = {name: value for name, value in edit(example).items() if getattr(example, name) != value}
        if values:
            found.append((example, {name: getattr(example, name) for name in values}))
            put(example, values, change)
    store_revised([example for example, _ in found], by=change.by, reason=change.reason or told(change))
    ChangedExample.objects.bulk_create(
        ChangedExample(change=change, example=example, before=before) for example, before in found
    )
    return len(found)


def put(example: Example, values: dict[str, object], change: Change) -> None:
    for name, value in values.items():
        setattr(example, name, value)
    example.revision_number += 1
    example.updated_at = change.at


def told(change: Change) -> str:
    """A bulk change in two words, where nobody gave a reason."""
    return {"tag": f"tagged {change.value}", "untag": f"tag {change.value} taken away"}.get(
        change.verb, f"{change.verb} {change.value}"
    )


def store_revised(examples: Sequence[Example], *, by: User, reason: str) -> None:
    """Store examples whose tags, category or split were changed, each with its revision."""
    fields = ["tags", "category", "wanted_split", "revision_number", "updated_at"]
    Example.objects.bulk_update(examples, fields, batch_size=CHUNK // 2)
    Revision.objects.bulk_create([revision_of(example, by=by, reason=reason) for example in examples])
