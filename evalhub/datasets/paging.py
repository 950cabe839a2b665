"""A page of many examples by the place where it begins, not by its number: as quick at the end as at the start.

The address carries the last example's place in the order (?after=1204,57: length 1204, id 57), so it stays the same
page while others add and decide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.core.exceptions import ValidationError
from django.db.models import BooleanField, DateTimeField, Expression, F, Field, Func, GeneratedField, QuerySet, Value
from django.db.models.functions import Left

from evalhub.datasets.models import Example
from evalhub.datasets.selection import ORDERS, fields_of, moment

PER_PAGE = 100
SHOWN = 400  # characters of each text that a row needs
LONG = ("instruction", "input", "output", "system", "history", "metadata")
Place = tuple[Any, ...]
"""What an order goes by: (value of its field, id), or the id alone."""


@dataclass(frozen=True)
class Cut:
    """The part of a list that a page shows; `before` and `after` are places for the address, "" at an end."""

    examples: list[Example]
    before: str
    after: str


class _Past(Func):
    """(a, b) > (x, y), given as a, b, x, y. Rows are compared as SQL does (SQL-92, 8.2), by walking an index."""

    output_field = BooleanField()

    def __init__(self, *parts: Expression | F, sign: str) -> None:
        half = len(parts) // 2
        super().__init__(Func(*parts[:half], template="(%(expressions)s)"),
                         Func(*parts[half:], template="(%(expressions)s)"),
                         template="%(expressions)s", arg_joiner=f" {sign} ")  # fmt: skip


def field_named(name: str) -> "Field[Any, Any]":
    """The field of an example; of a generated one, what it generates."""
    field = Example._meta.get_field(name)
    return cast("Field[Any, Any]", field.output_field if isinstance(field, GeneratedField) else field)


def place_of(example: Example, order: str) -> str:
    """Where an example stands in an order, for the address."""
    values = [getattr(example, name.lstrip("-")) for name in fields_of(order)]
    return ",".join(value.isoformat() if isinstance(value, datetime) else str(value) for value in values)


def place_from(text: str, order: str) -> Place | None:
    """What an address says, or None if it says nothing that can be a place in this order."""
    value, _, number = text.replace("\0", "").rpartition(",")
    if not number.isdecimal() or len(number) > 18:
        return None
    if order.lstrip("-") == "id":
        return None if value else (int(number),)
    known = _value_from(value, field_named(ORDERS[order][1]))
    return None if known is None else (known, int(number))


def _value_from(text: str, field: "Field[Any, Any]") -> Any:
    """What the text says as a value of the field; None if that is nothing, or more than the field can hold."""
    if isinstance(field, DateTimeField):
        return moment(text)
    try:
        return field.clean(text, None)
    except ValidationError:
        return None


def beyond(examples: QuerySet[Example], place: Place, order: str, *, back: bool = False) -> QuerySet[Example]:
    """Those after `place` in the order, or with `back` those before it, nearest first."""
    falls = order.startswith("-") != back
    names = [name.lstrip("-") for name in fields_of(order)]
    values = [Value(part, output_field=field_named(name)) for name, part in zip(names, place, strict=True)]
    past = _Past(*map(F, names), *values, sign="<" if falls else ">")
    return examples.filter(past).order_by(*(f"{'-' if falls else ''}{name}" for name in names))


def light(examples: QuerySet[Example]) -> QuerySet[Example]:
    """Examples as a row shows them: of each text its beginning, in `instruction_start`, `input_start`, `output_start`.

    A text may have 2 MB, and a page a hundred of them.
    """
    starts = {f"{name}_start": Left(name, SHOWN) for name in ("instruction", "input", "output")}
    return examples.defer(*LONG).annotate(**starts)


def cut(
    examples: QuerySet[Example], order: str, query: Mapping[str, Any], *, size: int = PER_PAGE, whole: bool = False
) -> Cut:
    """The page that ?after= or ?before= names, else the first; rows come light unless `whole`.

    First the ids, for which an index mostly suffices, then the rows.
    """
    before = place_from(str(query.get("before", "")), order)
    after = None if before else place_from(str(query.get("after", "")), order)
    start = before or after
    rows = beyond(examples, start, order, back=before is not None) if start else examples
    pks = list(rows.values_list("pk", flat=True)[: size + 1])
    more, pks = len(pks) > size, pks[:size][:: -1 if before else 1]
    shown = in_order(pks, whole=whole)
    first, last = (place_of(shown[0], order), place_of(shown[-1], order)) if shown else ("", "")
    back, ahead = (more, True) if before else (after is not None, more)
    return Cut(shown, first if back else "", last if ahead else "")


def in_order(pks: Sequence[int], *, whole: bool) -> list[Example]:
    """The examples with these ids, in the order of the ids."""
    rows = Example.objects.filter(pk__in=pks)
    found = {example.pk: example for example in (rows if whole else light(rows))}
    return [found[pk] for pk in pks if pk in found]
