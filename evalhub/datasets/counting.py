"""How many examples a filter leaves: counted where that is cheap, estimated where it is not, and said which."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet

from evalhub.datasets.models import Dataset, Example

COUNTED = 10_000  # examples that are counted one by one
PATIENCE_MS = 30
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Tally:
    """A number of examples; not `exact`: about so many, or with `floor` at least so many."""

    number: int
    exact: bool = True
    floor: bool = False

    def __str__(self) -> str:
        if self.exact:
            return f"{self.number:,}"
        return f"more than {self.number:,}" if self.floor else f"about {rounded(self.number):,}"

    def __bool__(self) -> bool:
        return self.number > 0


def count_of(examples: QuerySet[Example], *, as_planned: QuerySet[Example] | None = None) -> Tally:
    """Exact up to COUNTED where that takes no more than PATIENCE_MS; else PostgreSQL's estimate, or "more than".

    `as_planned` is a form of the same query that PostgreSQL estimates better.
    """
    examples = examples.order_by()
    if connection.vendor != "postgresql":
        number = examples[: COUNTED + 1].count()
        return Tally(number) if number <= COUNTED else Tally(COUNTED, exact=False, floor=True)
    estimate = expected(examples if as_planned is None else as_planned)
    counted = None if estimate > 2 * COUNTED else patiently(examples[: COUNTED + 1].count, PATIENCE_MS)
    if counted is not None and counted <= COUNTED:
        return Tally(counted)
    return _estimated(estimate, COUNTED if counted else 0)


def changed_since(dataset: Dataset, then: datetime) -> Tally:
    """How many examples came, or were changed or decided, after that moment; none is none, whatever is estimated."""
    newer = dataset.examples.filter(updated_at__gt=then)
    return count_of(newer) if newer.exists() else Tally(0)


def beyond(examples: QuerySet[Example], known: int) -> Tally:
    """About how many there are, of which more than `known` have been counted."""
    if connection.vendor != "postgresql":
        return Tally(known, exact=False, floor=True)
    return _estimated(expected(examples), known)


def _estimated(estimate: int, known: int) -> Tally:
    """An estimate that what was counted contradicts says nothing: the examples came after the last ANALYZE."""
    return Tally(max(estimate, known), exact=False, floor=estimate <= known)


def patiently(count: Callable[[], Answer], milliseconds: int) -> Answer | None:
    """What `count` finds; None where PostgreSQL would take longer for it."""
    if connection.vendor != "postgresql":
        return count()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {milliseconds}")
            found = count()
            cursor.execute("SET LOCAL statement_timeout = DEFAULT")
    except OperationalError:
        return None
    return found


def expected(examples: QuerySet[Example]) -> int:
    """The number of rows that PostgreSQL plans with, from its statistics."""
    plan = examples.order_by().values("pk").explain(format="json")
    return int(json.loads(plan)[0]["Plan"]["Plan Rows"]) if plan else 0  # no plan: Django knows that nothing is left


def rounded(number: int) -> int:
    """To three figures: 412,345 → 412,000."""
    return int(float(f"{number:.2e}"))
