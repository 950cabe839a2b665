"""Questions about datasets: filtered examples, counts. Reads only, in a constant number of queries."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.db.models import F, Func, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.lookups import GreaterThan
from django.utils import timezone

from evalhub.accounts.models import Project
from evalhub.datasets.counting import Tally, count_of
from evalhub.datasets.flagging import having
from evalhub.datasets.models import CheckRun, Dataset, Example, Flag, Split, Version
from evalhub.datasets.prompts import asks_as
from evalhub.datasets.searching import found, planned

TITLE = 90  # characters of a text shown as its title


PROVENANCES = (("file", "Imported"), ("hand", "Proposed"), ("study", "From a study"))
STATES = (*Example.State.choices, ("once", "Approved once"))
SPLITS = (*Split.choices, ("none", "Not split yet"))
ORDERS = {
    "id": ("Oldest first", "id"), "-id": ("Newest first", "id"),
    "length": ("Shortest first", "output_length"), "-length": ("Longest first", "output_length"),
    "category": ("By category", "category"), "source": ("By source", "source"),
    "-changed": ("Last changed first", "updated_at"), "changed": ("Last changed last", "updated_at"),
}  # fmt: skip
"""Order in the address → (what it is called, the field that it goes by; then by id)."""


@dataclass(frozen=True)
class ExampleFilter:
    """What a list of examples is narrowed to, and its order; mirrored in the address."""

    search: str = ""
    category: str = ""
    state: str = ""
    split: str = ""
    flag: str = ""
    source: str = ""
    language: str = ""
    tag: str = ""
    provenance: str = ""
    least: str = ""
    most: str = ""
    since: str = ""
    order: str = "id"

    @classmethod
    def from_query(cls, query: Mapping[str, Any]) -> "ExampleFilter":
        """From the address's ?q=&category=…; values that mean nothing are left out."""
        given = {name: str(query.get(name, "")).replace("\0", "").strip()[:255] for name in ADDRESSED}
        order = given["sort"] if given["sort"] in ORDERS else "id"
        return cls(
            search=given["q"][:200], category=given["category"][:120], flag=given["flag"][:30],
            source=given["source"], language=given["language"][:20], tag=given["tag"][:120],
            state=one_of(given["state"], STATES), split=one_of(given["split"], SPLITS),
            provenance=one_of(given["from"], PROVENANCES), least=_whole(given["min"]), most=_whole(given["max"]),
            since=given["since"] if moment(given["since"]) else "", order=order,
        )  # fmt: skip

    @property
    def pairs(self) -> dict[str, str]:
        """Name in the address → value, of what is asked for."""
        found = {name: getattr(self, field) for name, field in ADDRESSED.items()}
        return {name: value for name, value in found.items() if value and (name, value) != ("sort", "id")}

    @property
    def narrowing(self) -> dict[str, str]:
        """As `pairs`, without the order."""
        return {name: value for name, value in self.pairs.items() if name != "sort"}

    @property
    def query(self) -> str:
        return urlencode(self.pairs)

    def without(self, name: str) -> str:
        return urlencode({key: value for key, value in self.pairs.items() if key != name})


ADDRESSED = {
    "q": "search", "category": "category", "state": "state", "split": "split", "flag": "flag", "source": "source",
    "language": "language", "tag": "tag", "from": "provenance", "min": "least", "max": "most", "since": "since",
    "sort": "order",
}  # fmt: skip
"""Name in the address → field of ExampleFilter."""


def one_of(value: str, choices: Sequence[tuple[str, str]]) -> str:
    return value if value in dict(choices) else ""


def _whole(text: str) -> str:
    return text if text.isdecimal() and len(text) < 10 else ""


def moment(text: str) -> datetime | None:
    """The moment, in UTC, that an ISO date, or date and time, names; None if it names none of the years 1 to 9999."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else timezone.make_aware(found)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def chosen_examples(dataset: Dataset, wanted: ExampleFilter) -> QuerySet[Example]:
    """The examples that `wanted` leaves, in its order."""
    return found(_narrowed(dataset, wanted), wanted.search).order_by(*fields_of(wanted.order))


def number_of(dataset: Dataset, wanted: ExampleFilter) -> Tally:
    """How many examples `wanted` leaves: exact where that is cheap (counting.py)."""
    examples = _narrowed(dataset, wanted)
    return count_of(found(examples, wanted.search), as_planned=planned(examples, wanted.search))


def _narrowed(dataset: Dataset, wanted: ExampleFilter) -> QuerySet[Example]:
    """By everything but the search."""
    examples = dataset.examples.filter(_standing(wanted), _size(wanted))
    for name in ("category", "source", "language"):
        if value := getattr(wanted, name):
            examples = examples.filter(**{name: value})
    if wanted.tag:
        examples = examples.filter(tagged(wanted.tag))
    if wanted.flag:
        examples = examples.filter(having(dataset, wanted.flag))
    return examples


def fields_of(order: str) -> tuple[str, ...]:
    """An order of ORDERS as Django's order_by takes it: always down to the id."""
    sign = "-" if order.startswith("-") else ""
    name = ORDERS[order][1]
    return (f"{sign}id",) if name == "id" else (f"{sign}{name}", f"{sign}id")


def _standing(wanted: ExampleFilter) -> Q:
    """By state, split and provenance."""
    chosen = Q()
    if wanted.state:
        once = Q(state=Example.State.PROPOSED, first_approver__isnull=False)
        chosen &= once if wanted.state == "once" else Q(state=wanted.state)
    if wanted.split:
        chosen &= Q(wanted_split="" if wanted.split == "none" else wanted.split)
    if wanted.provenance:
        chosen &= Q(batch__isnull=wanted.provenance != "file")
    if wanted.provenance == "study":
        chosen &= Q(origin__has_key="study")
    return chosen


def _size(wanted: ExampleFilter) -> Q:
    """By characters of the output, and by when it last changed."""
    chosen = Q()
    if wanted.least:
        chosen &= Q(output_length__gte=int(wanted.least))
    if wanted.most:
        chosen &= Q(output_length__lte=int(wanted.most))
    if wanted.since:
        chosen &= Q(updated_at__gte=moment(wanted.since))
    return chosen


def tagged(tag: str) -> Q:
    """Whether an example carries the tag; SQLite keeps the list as JSON text, and has no operator for it."""
    if connection.vendor == "postgresql":
        return ~Q(tags=[]) & Q(tags__contains=[tag])
    return Q(GreaterThan(Func(F("tags"), Value(json.dumps(tag)), function="instr", output_field=IntegerField()), 0))


def flagged(dataset: Dataset) -> QuerySet[Flag]:
    """What the last check of the whole dataset found; with the checks of parts since: flagging.py."""
    last = CheckRun.objects.filter(dataset=dataset, query="").order_by("-id").values("pk")[:1]
    return Flag.objects.filter(run=Subquery(last))


def datasets_by_name(project: Project) -> QuerySet[Dataset]:
    """A project's datasets with `last_version`."""
    last = Version.objects.filter(dataset=OuterRef("pk")).order_by("-number").values("number")[:1]
    return project.datasets.annotate(last_version=Subquery(last)).order_by("name")


def approved_of(dataset: Dataset) -> Tally:
    """How many examples the next version would freeze: counted to the end, since that is being decided."""
    return Tally(dataset.examples.filter(state=Example.State.APPROVED).count())


def same_prompt(example: Example) -> QuerySet[Example]:
    """Other examples of the dataset that ask exactly the same, oldest first."""
    same = Example.objects.filter(asks_as(example), dataset=example.dataset_id)
    return same.exclude(pk=example.pk).order_by("id")


def title_of(values: Mapping[str, Any]) -> str:
    """One line that tells an example from others: the title that its input names, else how its text begins."""
    first = next(
        (line.strip() for line in (values.get("input") or values["instruction"]).splitlines() if line.strip()), ""
    )
    bare = first.removeprefix("Title:").strip() or first
    return bare if len(bare) <= TITLE else bare[: TITLE - 1].rstrip() + "…"
