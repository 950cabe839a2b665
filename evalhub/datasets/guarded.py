"""What must not be trained on: the frozen test sets of a project, and the prompts of its benchmarks."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, QuerySet

from evalhub.accounts.models import Project
from evalhub.datasets.checks.neighbours import Prompt
from evalhub.datasets.models import Dataset, Example, Split, Version, VersionExample

PROMPT = ("instruction", "input", "system", "history")
Place = tuple[int, int]  # id and revision of an example: its texts at that time


@dataclass(frozen=True)
class Guarded:
    """A text that tests models: of a frozen test set, of a benchmark, or of the version that is being frozen."""

    example: int
    dataset: str  # slug
    version: int  # 0 for the latter two
    values: Mapping[str, Any]
    benchmark: bool = False


@dataclass(frozen=True)
class Watch:
    """What there was to guard at a moment: the frozen versions, and {benchmark's slug: {examples, newest}}."""

    versions: tuple[int, ...]
    benchmarks: dict[str, dict[str, Any]]


def prompt_text(values: Mapping[str, Any]) -> str:
    """What a model is asked, in one text."""
    turns = (turn["content"] for turn in values.get("history") or [])
    return "\n".join([values.get("system") or "", *turns, values["instruction"], values.get("input") or ""])


def prompt(values: Mapping[str, Any]) -> Prompt:
    """What a model is asked, as it is compared with others: what many are asked in the same words is left out."""
    heads = (values.get("system") or "", values["instruction"])
    return Prompt(prompt_text(values), tuple(head for head in heads if head))


def watch(project: Project) -> Watch:
    """What is guarded now: unequal to what it was where something has come or changed since."""
    versions = Version.objects.filter(dataset__project=project).order_by("id").values_list("id", flat=True)
    counted = _benchmarks(project).annotate(n=Count("examples"), newest=Max("examples__updated_at"))
    found = counted.order_by("slug").values_list("slug", "n", "newest")
    benchmarks = {slug: {"examples": n, "newest": newest.isoformat() if newest else ""} for slug, n, newest in found}
    return Watch(tuple(versions), benchmarks)


def all_of(project: Project, *, but: Collection[Place] = ()) -> Iterator[Guarded]:
    """Every guarded text once, the oldest test set first; without those `but` that are compared elsewhere.

    An edited example is two texts: models may have been tested with either.
    """
    yield from _tested(VersionExample.objects.filter(version__dataset__project=project), but)
    for dataset in _benchmarks(project):
        yield from _prompts(dataset, dataset.examples.all())


def added_since(version: Version) -> Iterator[Guarded]:
    """What came to be guarded after a version was frozen, but for what the version tests itself."""
    project, entries = version.dataset.project, version.entries.filter(split=Split.TEST)
    own = set(entries.values_list("example_id", "revision_number"))
    later = VersionExample.objects.filter(version__dataset__project=project, version__frozen_at__gt=version.frozen_at)
    yield from _tested(later, own)
    known = version.settings.get("gate", {}).get("benchmarks", {})
    for dataset in _benchmarks(project):
        newest = known.get(dataset.slug, {}).get("newest")
        yield from _prompts(dataset, dataset.examples.filter(**({"updated_at__gt": newest} if newest else {})))


def trained_on(project: Project, *, but: Collection[Place]) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """Every text that a frozen version trains on, once, without those `but` that are compared elsewhere."""
    entries = VersionExample.objects.filter(version__dataset__project=project, split=Split.TRAIN)
    found = entries.order_by("-id").values_list("id", "example_id", "revision_number")
    first = {(example, revision): pk for pk, example, revision in found.iterator(chunk_size=5000)}
    fresh = sorted(pk for place, pk in first.items() if place not in but)
    for start in range(0, len(fresh), 1000):
        some = VersionExample.objects.filter(pk__in=fresh[start : start + 1000]).order_by("id")
        for pk, revision, values in some.values_list("example_id", "revision_number", "values"):
            yield (pk, revision), values


def trained_versions(dataset: Dataset) -> list[int]:
    """Numbers of its frozen versions that have a training side: models may have been trained on them."""
    with_train = dataset.versions.filter(counts__train__gt=0)
    return list(with_train.order_by("number").values_list("number", flat=True))


def _benchmarks(project: Project) -> QuerySet[Dataset]:
    return project.datasets.filter(is_benchmark=True).order_by("slug")


def _tested(entries: QuerySet[VersionExample], but: Collection[Place]) -> Iterator[Guarded]:
    names = ("example_id", "revision_number", "version__dataset__slug", "version__number", "values")
    found = entries.filter(split=Split.TEST).order_by("version_id", "position").values_list(*names)
    seen = set(but)
    for pk, revision, slug, number, values in found.iterator(chunk_size=1000):
        if (pk, revision) not in seen:
            seen.add((pk, revision))
            yield Guarded(pk, slug, number, values)


def _prompts(dataset: Dataset, examples: QuerySet[Example]) -> Iterator[Guarded]:
    kept = examples.exclude(state=Example.State.REJECTED).order_by("id").values("id", *PROMPT)
    for values in kept.iterator(chunk_size=1000):
        yield Guarded(values["id"], dataset.slug, 0, values, benchmark=True)
