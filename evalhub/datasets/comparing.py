"""What differs between two frozen versions of a dataset: added, removed, changed, moved to another side; balance.

Counted by the database, whatever the size; texts are read only for the page that is looked at. An example is the same
in both versions by its id; it has changed if its frozen texts differ.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KT, KeyTextTransform

from evalhub.datasets.difference import Piece, pieces
from evalhub.datasets.entries import FROZEN
from evalhub.datasets.models import Dataset, Split, Version, VersionExample
from evalhub.datasets.selection import title_of
from evalhub.errors import Refused

KINDS = {"added": "Added", "removed": "Removed", "changed": "Changed", "moved": "Side moved"}
CACHE_SECONDS = 24 * 3600
UNNAMED = "no category"
Entries = QuerySet[VersionExample]


@dataclass(frozen=True)
class Move:
    """How many examples went from one side to another."""

    before: str
    after: str
    count: int


@dataclass(frozen=True)
class Share:
    """How many examples a category has on one side, before and after."""

    category: str
    split: str
    before: int
    after: int

    @property
    def difference(self) -> int:
        return self.after - self.before


@dataclass(frozen=True)
class Comparison:
    """Two versions in numbers: `same` have the same texts on the same side; one may have changed and moved as well."""

    dataset: str
    before: int
    after: int
    totals: tuple[int, int]
    added: int
    removed: int
    changed: int
    moved: int
    same: int
    moves: tuple[Move, ...]
    balance: tuple[Share, ...]

    def count(self, kind: str) -> int:
        return int(getattr(self, kind))

    @property
    def is_equal(self) -> bool:
        return not any(self.count(kind) for kind in KINDS)


@dataclass(frozen=True)
class Difference:
    """One example that differs: its title, its sides, and where a text changed, how."""

    example: int
    title: str
    category: str
    before: str  # side; empty where it was added
    after: str  # side; empty where it was removed
    fields: tuple[tuple[str, list[Piece]], ...] = ()


def version_of(dataset: Dataset, number: int) -> Version:
    """Raises Refused where there is none of this number."""
    found = dataset.versions.select_related("dataset", "frozen_by").filter(number=number).first()
    if found is None:
        raise Refused(f"{dataset} has no version {number}.")
    return found


def compare(before: Version, after: Version) -> Comparison:
    """Kept once it is known, since versions never change. Raises Refused for versions of two datasets."""
    if before.dataset_id != after.dataset_id:
        raise Refused(f"{before} and {after} are of two datasets; two versions of one can be compared.")
    key = f"comparison:{before.pk}:{after.pk}"
    found: Comparison | None = cache.get(key)
    if found is None:
        found = _compared(before, after)
        cache.set(key, found, CACHE_SECONDS)
    return found


def _compared(before: Version, after: Version) -> Comparison:
    counts = {kind: differing(before, after, kind).count() for kind in KINDS}
    both = differing(before, after, "changed").filter(_moved_from(before))
    twice = both.count() if counts["changed"] and counts["moved"] else 0
    unlike = counts["added"] + counts["changed"] + counts["moved"] - twice
    return Comparison(
        dataset=after.dataset.slug, before=before.number, after=after.number,
        totals=(before.counts["total"], after.counts["total"]), **counts, same=after.counts["total"] - unlike,
        moves=_moves(before, after), balance=_balance(before, after),
    )  # fmt: skip


def differing(before: Version, after: Version, kind: str) -> Entries:
    """The entries of one kind of difference, in order: of `before` where they were removed, else of `after`."""
    if kind == "added":
        return _without(after, before)
    if kind == "removed":
        return _without(before, after)
    unlike = _texts_differ(before) if kind == "changed" else _moved_from(before)
    return after.entries.alias(**_texts()).filter(unlike).order_by("position")


def _twin(other: Version) -> Entries:
    return other.entries.filter(example=OuterRef("example")).order_by()


def _texts() -> dict[str, KeyTextTransform]:
    """The frozen texts one by one: two JSON values may say the same in other bytes."""
    return {f"frozen_{name}": KT(f"values__{name}") for name in FROZEN}


def _without(version: Version, other: Version) -> Entries:
    return version.entries.filter(~Exists(_twin(other))).order_by("position")


def _texts_differ(before: Version) -> Exists:
    """An edit that touched no frozen text (tags, a wish for a side) makes a revision, but no difference."""
    twin = _twin(before).exclude(revision_number=OuterRef("revision_number"))
    return Exists(twin.alias(**_texts()).exclude(**{name: OuterRef(name) for name in _texts()}))


def _moved_from(before: Version) -> Exists:
    return Exists(_twin(before).exclude(split=OuterRef("split")))


def _moves(before: Version, after: Version) -> tuple[Move, ...]:
    moved = differing(before, after, "moved").annotate(former=Subquery(_twin(before).values("split")[:1]))
    found = moved.order_by().values_list("former", "split").annotate(n=Count("pk"))
    order = list(Split.values)
    return tuple(Move(*row) for row in sorted(found, key=lambda row: (order.index(row[0]), order.index(row[1]))))


def _balance(before: Version, after: Version) -> tuple[Share, ...]:
    """By size of the category, then by side; sides that neither version uses are left out."""
    old, new = category_counts(before), category_counts(after)
    sizes: dict[str, int] = {}
    for (category, _), count in [*old.items(), *new.items()]:
        sizes[category] = sizes.get(category, 0) + count
    return tuple(
        Share(category, side, old.get((category, side), 0), new.get((category, side), 0))
        for category in sorted(sizes, key=lambda name: (-sizes[name], name))
        for side in Split.values
        if (category, side) in old or (category, side) in new
    )


def category_counts(version: Version) -> dict[tuple[str, str], int]:
    """{(category, side): how many}."""
    rows = version.entries.order_by().values_list(KT("values__category"), "split").annotate(n=Count("pk"))
    return {(category or UNNAMED, side): count for category, side, count in rows}


def differences(before: Version, kind: str, entries: Iterable[VersionExample]) -> list[Difference]:
    """What there is to see of these entries (a page of `differing`)."""
    page = list(entries)
    former: Mapping[int, VersionExample] = {}
    if kind in ("changed", "moved"):
        ids = [entry.example_id for entry in page]
        former = {entry.example_id: entry for entry in before.entries.filter(example__in=ids)}
    return [_difference(kind, entry, former.get(entry.example_id)) for entry in page]


def _difference(kind: str, entry: VersionExample, former: VersionExample | None) -> Difference:
    before = former.split if former else entry.split if kind == "removed" else ""
    after = "" if kind == "removed" else entry.split
    fields = _changes(former.values, entry.values) if former else ()
    return Difference(
        entry.example_id, title_of(entry.values), entry.values.get("category", ""), before, after, tuple(fields)
    )


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Sequence[tuple[str, list[Piece]]]:
    names = [name for name in new if old.get(name) != new[name]]
    return [(name, pieces(_as_text(old.get(name)), _as_text(new[name]))) for name in names]


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(f"{turn['role']}: {turn['content']}" for turn in value)
    return str(value or "")
