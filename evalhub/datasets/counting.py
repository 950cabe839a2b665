"""How many examples a filter leaves: counted where that is cheap, estimated where it is not, and said which."""

import json
from dataclasses import dataclass

from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet

from evalhub.datasets.models import Example

COUNTED = 10_000  # examples that are counted one by one
PATIENCE_MS = 30


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


def count_of(examples: QuerySet[Example], *, as_planned: QuerySet[Example] | None = None) -> Tally:
    """Exact up to COUNTED where that takes no more than PATIENCE_MS; else PostgreSQL's estimate, or "more than".

    `as_planned` is a form of the same query that PostgreSQL estimates better.
    """
    examples = examples.order_by()
    if connection.vendor != "postgresql":
        number = examples[: COUNTED + 1].count()
        return Tally(number) if number <= COUNTED else Tally(COUNTED, exact=False, floor=True)
    estimate = expected(examples if as_planned is None else as_planned)
    counted = None if estimate > 2 * COUNTED else quickly_counted(examples)
    if counted is not None and counted <= COUNTED:
        return Tally(counted)
    return Tally(max(estimate, counted or 0), exact=False)


def quickly_counted(examples: QuerySet[Example]) -> int | None:
    """The number, or COUNTED + 1 for more, or None where PostgreSQL would take longer than PATIENCE_MS."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {PATIENCE_MS}")
            number = examples[: COUNTED + 1].count()
            cursor.execute("SET LOCAL statement_timeout = DEFAULT")
    except OperationalError:
        return None
    return number


def expected(examples: QuerySet[Example]) -> int:
    """The number of rows that PostgreSQL plans with, from its statistics."""
    plan = json.loads(examples.order_by().explain(format="json"))
    return int(plan[0]["Plan"]["Plan Rows"])


def rounded(number: int) -> int:
    """To three figures: 412,345 → 412,000."""
    return int(float(f"{number:.2e}"))
