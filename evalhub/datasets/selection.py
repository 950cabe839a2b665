"""Questions about datasets: filtered examples, counts, readiness. Reads only, in a constant number of queries."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.cache import cache
from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery

from evalhub.accounts.models import Project
from evalhub.datasets.models import Dataset, Example, Split, Version
from evalhub.datasets.quality import QualityReport, Text, quality_report

CACHE_SECONDS = 3600
TITLE = 90  # characters of a text shown as its title


@dataclass(frozen=True)
class ExampleFilter:
    """What a list of examples is narrowed to; mirrored in the address."""

    search: str = ""
    category: str = ""
    state: str = ""
    split: str = ""
    flag: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, Any]) -> "ExampleFilter":
        """From ?q=&category=&state=&split=&flag=; values that mean nothing are left out."""
        state, split = str(query.get("state", "")), str(query.get("split", ""))
        return cls(
            search=str(query.get("q", "")).replace("\0", "").strip()[:200],
            category=str(query.get("category", "")).replace("\0", "")[:120],
            state=state if state in Example.State.values else "",
            split=split if split in (*Split.values, "none") else "",
            flag=str(query.get("flag", ""))[:20],
        )

    @property
    def pairs(self) -> dict[str, str]:
        found = {
            "q": self.search,
            "category": self.category,
            "state": self.state,
            "split": self.split,
            "flag": self.flag,
        }
        return {name: value for name, value in found.items() if value}

    @property
    def query(self) -> str:
        return urlencode(self.pairs)

    def without(self, name: str) -> str:
        return urlencode({key: value for key, value in self.pairs.items() if key != name})


def chosen_examples(dataset: Dataset, wanted: ExampleFilter, report: QualityReport | None = None) -> QuerySet[Example]:
    """The examples that `wanted` leaves, by id."""
    examples = dataset.examples.order_by("id")
    if wanted.search:
        text = wanted.search
        found = Q(instruction__icontains=text) | Q(input__icontains=text) | Q(output__icontains=text)
        examples = examples.filter(found | Q(key__icontains=text) | Q(source__icontains=text))
    if wanted.category:
        examples = examples.filter(category=wanted.category)
    if wanted.state:
        examples = examples.filter(state=wanted.state)
    if wanted.split:
        examples = examples.filter(wanted_split="" if wanted.split == "none" else wanted.split)
    if wanted.flag and report:
        check = report.check(wanted.flag)
        examples = examples.filter(pk__in=check.ids if check else ())
    return examples


def datasets_of(project: Project) -> QuerySet[Dataset]:
    """A project's datasets with `approved`, `proposed`, `rejected` and `last_version`: one query."""
    last = Version.objects.filter(dataset=OuterRef("pk")).order_by("-number").values("number")[:1]
    counts = {state.value: Count("examples", filter=Q(examples__state=state.value)) for state in Example.State}
    return project.datasets.annotate(**counts, last_version=Subquery(last)).order_by("name")


def state_counts(dataset: Dataset) -> dict[str, int]:
    """{state: how many examples}, every state named."""
    found = dict(dataset.examples.order_by().values_list("state").annotate(n=Count("id")))
    return {state: found.get(state, 0) for state in Example.State.values}


def categories(dataset: Dataset) -> list[str]:
    named = dataset.examples.order_by("category").values_list("category", flat=True).distinct()
    return [name for name in named[:200] if name]


def changes_since(dataset: Dataset, version: Version | None) -> int:
    """How many examples are newer than the version, or were changed or decided after it."""
    examples = dataset.examples.all()
    return examples.filter(updated_at__gt=version.frozen_at).count() if version else examples.count()


def readiness(dataset: Dataset) -> QualityReport:
    """The quality report over the approved examples, kept until an example changes."""
    facts = dataset.examples.order_by().aggregate(n=Count("id"), last=Max("updated_at"), newest=Max("id"))
    key = f"readiness:{dataset.pk}:{facts['n']}:{facts['newest']}:{facts['last']}:{bool(dataset.credit)}"
    key = key.replace(" ", "T")
    report: QualityReport | None = cache.get(key)
    if report is None:
        waiting = dataset.examples.filter(state=Example.State.PROPOSED).count()
        report = quality_report(_texts(dataset), waiting=waiting, credited=bool(dataset.credit.strip()))
        cache.set(key, report, CACHE_SECONDS)
    return report


def _texts(dataset: Dataset) -> Iterator[Text]:
    names = ("id", "instruction", "input", "output", "system", "history", "category", "source", "wanted_split")
    approved = dataset.examples.filter(state=Example.State.APPROVED).order_by("id").values_list(*names)
    for pk, instruction, text, output, system, history, category, source, side in approved.iterator(chunk_size=1000):
        context = "\n".join([system, *(turn["content"] for turn in history)])
        yield Text(pk, instruction, text, output, context, category, source, side)


def same_prompt(example: Example) -> QuerySet[Example]:
    """Other examples of the dataset that ask exactly the same."""
    same = {name: getattr(example, name) for name in ("instruction", "input", "system")}
    return Example.objects.filter(dataset=example.dataset_id, **same).exclude(pk=example.pk).order_by("id")


def title_of(values: Mapping[str, Any]) -> str:
    """One line that tells an example from others: the title that its input names, else how its text begins."""
    first = next(
        (line.strip() for line in (values.get("input") or values["instruction"]).splitlines() if line.strip()), ""
    )
    bare = first.removeprefix("Title:").strip() or first
    return bare if len(bare) <= TITLE else bare[: TITLE - 1].rstrip() + "…"
