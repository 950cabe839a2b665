"""What rests on a row, so that it cannot be deleted: found by the foreign keys, so that no room above is imported.

A key with PROTECT holds the row, directly or through what would be deleted with it. What is named is the whole that the
holding row is a part of: of an answer its run, of a study's item the study, of a frozen example the version.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import CASCADE, PROTECT, Model, Q

APART = "accounts"  # a project owns everything; it is nothing that rests on data
MOST_NAMED = 3


@dataclass(frozen=True)
class Resting:
    """How many things of one kind rest on a row, and what the first of them are called."""

    kind: str
    count: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        more = [f"{self.count - len(self.names):,} more"] if self.count > len(self.names) else []
        return f"{self.count:,} {self.kind} ({', '.join([*(f'“{name}”' for name in self.names), *more])})"


def resting_on(row: Model) -> list[Resting]:
    """Empty where the row may be deleted."""
    held: dict[type[Model], Q] = {}
    for model, lookup in _holders(type(row), ""):
        whole, path = _whole(model)
        rows = model._default_manager.filter(**{lookup: row}).values(path).order_by()
        held[whole] = held.get(whole, Q()) | Q(pk__in=rows)
    return [found for whole, chosen in held.items() if (found := _counted(whole, chosen)).count]


def _counted(model: type[Model], chosen: Q) -> Resting:
    rows = model._default_manager.filter(chosen).order_by("pk")
    count, meta = rows.count(), model._meta
    kind = str(meta.verbose_name if count == 1 else meta.verbose_name_plural)
    return Resting(kind, count, tuple(str(row) for row in rows[:MOST_NAMED]) if count else ())


def _holders(model: type[Model], path: str) -> Iterator[tuple[type[Model], str]]:
    """(model, lookup that leads from it to the row) of each key with PROTECT."""
    for relation in _relations(model):
        lookup = f"{relation.field.name}__{path}" if path else relation.field.name
        if relation.on_delete is PROTECT:
            yield relation.related_model, lookup
        elif relation.on_delete is CASCADE:
            yield from _holders(relation.related_model, lookup)


def _relations(model: type[Model]) -> list[Any]:
    """The foreign keys that point at a model, also those without a name for the way back."""
    fields: list[Any] = list(model._meta.get_fields(include_hidden=True))
    return [field for field in fields if field.auto_created and (field.one_to_many or field.one_to_one)]


def _whole(model: type[Model]) -> tuple[type[Model], str]:
    """What a row of this model is a part of (itself, if of nothing), and the lookup that leads there."""
    path: list[str] = []
    while (part_of := _part_of(model)) is not None:
        path.append(part_of.name)
        model = part_of.related_model
    return model, "__".join(path) or "pk"


def _part_of(model: type[Model]) -> Any:
    keys: list[Any] = [field for field in model._meta.concrete_fields if field.many_to_one or field.one_to_one]
    owners = (key for key in keys if key.remote_field.on_delete is CASCADE)
    return next((key for key in owners if key.related_model._meta.app_label != APART), None)
