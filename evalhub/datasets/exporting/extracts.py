"""What is exported: a version, a filter or a selection of examples, as rows in order and in constant memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from evalhub.datasets.card import data_card
from evalhub.datasets.cardwords import markdown
from evalhub.datasets.entries import DETAILS, FROZEN, has_details
from evalhub.datasets.filters import filter_of
from evalhub.datasets.models import Dataset, Example, Split, Version
from evalhub.datasets.selection import ExampleFilter, chosen_examples
from evalhub.errors import Refused

PAGE = 500  # rows read at once
SMALL = 5000  # rows that are streamed at once; more are a job
FROZEN_COLUMNS = (*FROZEN, "split")  # of versions of before the details were frozen with the texts
VERSION_COLUMNS = (*FROZEN, "language", "tags", "split", "metadata")
CURRENT = (*FROZEN, "language", "tags", "wanted_split", "state", "metadata")
CURRENT_COLUMNS = tuple("split" if name == "wanted_split" else name for name in CURRENT)
Values = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for: a version, or one side of it; otherwise current examples, by ids or by a filter."""

    number: int | None = None
    split: str = ""
    filter: ExampleFilter = field(default_factory=ExampleFilter)
    ids: tuple[int, ...] = ()

    @classmethod
    def from_texts(cls, *, number: int | None = None, split: str = "", query: str = "", ids: str = "") -> "Wanted":
        """As commands, forms and jobs carry it; `query` as in a page's address, `ids` with commas. Raises Refused."""
        if split and split not in Split.values:
            raise Refused(f"There is no side “{split[:40]}”; there are {', '.join(Split.values)}.", field="split")
        return cls(number, split, filter_of(query), _numbers(ids))

    def as_texts(self) -> dict[str, Any]:
        ids = ",".join(map(str, self.ids))
        return {"number": self.number, "split": self.split, "query": self.filter.query, "ids": ids}


def _numbers(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() and len(part) < 19 for part in parts):
        raise Refused("The ids of examples are whole numbers with commas between them.", field="ids")
    return tuple(dict.fromkeys(int(part) for part in parts))


@dataclass(frozen=True)
class Extract:
    """Rows to export: what they are called, how many, their columns, and an iterator over them from the start."""

    name: str  # of the file, without its ending
    title: str  # for people
    count: int
    columns: tuple[str, ...]
    rows: Callable[[], Iterator[Values]]
    about: Callable[[], str]  # Markdown, for a card


def extract(dataset: Dataset, wanted: Wanted) -> Extract:
    """Raises Refused for a version that is not there, and where nothing is left to export."""
    found = _current(dataset, wanted) if wanted.number is None else _frozen(dataset, wanted.number, wanted.split)
    if not found.count:
        raise Refused(f"There is nothing to export: {found.title} holds no example.")
    return found


def _frozen(dataset: Dataset, number: int, split: str) -> Extract:
    versions = dataset.versions.select_related("dataset", "frozen_by")
    version = versions.filter(number=number).first()
    if version is None:
        raise Refused(f"{dataset} has no version {number}.", field="version")
    return of_version(version, split)


def of_version(version: Version, split: str = "") -> Extract:
    """A version, or one side of it, also where that side is empty."""
    side = f", {Split(split).label.lower()}" if split else ""
    return Extract(
        name=f"{version.dataset.slug}-v{version.number}" + (f"-{split}" if split else ""),
        title=f"{version}{side}",
        count=version.counts[split or "total"],
        columns=VERSION_COLUMNS if has_details(version) else FROZEN_COLUMNS,
        rows=lambda: version_rows(version, split),
        about=lambda: markdown(data_card(version)),
    )


def version_rows(version: Version, split: str = "") -> Iterator[Values]:
    """The frozen values with their split, in order, a page at a time: nothing is held open between the pages."""
    entries = version.entries.filter(split=split) if split else version.entries.all()
    pages = entries.order_by("position").values_list("position", "values", "split")
    nothing = DETAILS if has_details(version) else {}  # of a row that is replayed out of an older version
    last = 0
    while page := list(pages.filter(position__gt=last)[:PAGE]):
        yield from ({**nothing, **values, "split": side} for _, values, side in page)
        last = page[-1][0]


def _current(dataset: Dataset, wanted: Wanted) -> Extract:
    examples = _chosen(dataset, wanted)
    named = "selection" if wanted.ids else "filtered" if wanted.filter.pairs or wanted.split else "examples"
    return Extract(
        name=f"{dataset.slug}-{named}",
        title={"selection": "the selection", "filtered": "the filter"}.get(named, str(dataset)),
        count=examples.count(),
        columns=CURRENT_COLUMNS,
        rows=lambda: example_rows(examples),
        about=lambda: _about(dataset),
    )


def _about(dataset: Dataset) -> str:
    credit = dataset.credit.strip() or "Not noted."
    return f"# {dataset}\n\n{dataset.description.strip()}\n\nCurrent examples, not frozen.\n\n{credit}\n"


def _chosen(dataset: Dataset, wanted: Wanted) -> QuerySet[Example]:
    if wanted.ids:
        return dataset.examples.filter(pk__in=wanted.ids)
    chosen = chosen_examples(dataset, wanted.filter)
    return chosen.filter(wanted_split=wanted.split) if wanted.split else chosen


def example_rows(examples: QuerySet[Example]) -> Iterator[Values]:
    """Current values by id, a page at a time."""
    pages = examples.order_by("pk").values_list("pk", *CURRENT)
    last = 0
    while page := list(pages.filter(pk__gt=last)[:PAGE]):
        yield from (dict(zip(CURRENT_COLUMNS, values, strict=True)) for _, *values in page)
        last = page[-1][0]


def sides_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """{side: its rows}; rows without a side go to train."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["split"] or Split.TRAIN.value, []).append(row)
    return found
