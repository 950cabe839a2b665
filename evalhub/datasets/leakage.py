"""The leakage gate: what is trained on must be no near duplicate of what is tested on (guarded.py), here or elsewhere.

Compared are the prompts (system text, earlier turns, instruction, input) by checks.neighbours: without a system text or
an instruction that many have in the same words, unless nothing else is left.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from evalhub.accounts.models import Project
from evalhub.datasets.checks.neighbours import THRESHOLD, Prompt, clusters, contaminated, near_duplicates
from evalhub.datasets.guarded import Guarded, Place, added_since, prompt, trained_on
from evalhub.datasets.models import Split, Version, VersionExample
from evalhub.datasets.selection import title_of
from evalhub.errors import Refused
from evalhub.progress import Heard, told

MOST_KEPT = 100  # pairs shown, and kept with a version that was frozen in spite of them
CHUNK = 1000
Row = tuple[int, Mapping[str, Any]]  # id and values of an example
Mark = TypeVar("Mark")
TextsOf = Callable[[Sequence[int]], Mapping[int, Mapping[str, Any]]]  # of examples by id


@dataclass(frozen=True)
class Leak:
    """A training example and the test example that it nearly repeats. Ids are of Example; `similarity` is 0 to 1."""

    train: int
    train_title: str
    test: int
    test_title: str
    test_dataset: str  # slug
    version: int  # whose test set it is; 0: the version that is being frozen, or a benchmark
    similarity: float
    benchmark: bool = False

    @property
    def percent(self) -> str:
        return f"{self.similarity:.0%}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Leaking(Refused):
    """What is asked for would train on what is tested; `leaks` shows where."""

    def __init__(self, subject: object, leaks: Sequence[Leak], way_on: str) -> None:
        worst = max(leaks, key=lambda leak: leak.similarity)
        count = "1 example nearly repeats" if len(leaks) == 1 else f"{len(leaks):,} examples nearly repeat"
        pair = f"“{worst.train_title}” and “{worst.test_title}” ({worst.similarity:.0%} alike)"
        kept = [leak.as_json() for leak in leaks[:MOST_KEPT]]
        super().__init__(
            f"{subject} would train on what is tested: {count} a tested one, first {pair}. {way_on}",
            facts={"leaks": kept},
        )
        self.leaks = tuple(leaks)


def kin(rows: Iterable[Row], total: int, heard: Heard | None = None) -> list[list[int]]:
    """Groups of example ids whose prompts are near duplicates; `total` of the rows is told as they are gone through."""
    ids: list[int] = []
    pairs = near_duplicates(_prompts(told(rows, total, heard, every=1000), ids))
    return [[ids[member] for member in group] for group in clusters(pairs)]


def across(train: Iterable[Row], guards: Sequence[Guarded], texts_of: TextsOf) -> list[Leak]:
    """Training examples that nearly repeat a guarded text, each with the closest one; `texts_of` gives their titles."""
    if not guards:
        return []
    ids: list[int] = []
    pairs = contaminated(_prompts(train, ids), (prompt(guard.values) for guard in guards))
    texts = texts_of([ids[pair.first] for pair in pairs])
    return [_leak(ids[pair.first], texts[ids[pair.first]], guards[pair.second], pair.similarity) for pair in pairs]


def _prompts(rows: Iterable[tuple[Mark, Mapping[str, Any]]], ids: list[Mark]) -> Iterator[Prompt]:
    """The prompt of each row, whose id (or place) is noted in `ids`."""
    for pk, values in rows:
        ids.append(pk)
        yield prompt(values)


def trained_before(
    project: Project, tests: Sequence[Guarded], here: Collection[Place], leaking: Collection[Place]
) -> list[dict[str, Any]]:
    """Frozen versions of the project that train on near copies of these tests: [{dataset, name, version, examples}].

    A model that was trained on one of them has seen what it would be tested with. `here`: what the version to be trains
    on itself, and of that what is `leaking`: both are known already.
    """
    if not tests:
        return []
    places: list[Place] = []
    pairs = contaminated(_prompts(trained_on(project, but=here), places), (prompt(test.values) for test in tests))
    return _versions_with(project, {places[pair.first] for pair in pairs} | set(leaking))


def _versions_with(project: Project, places: Collection[Place]) -> list[dict[str, Any]]:
    """The versions that train on any of these, in the order in which they were frozen, and on how many."""
    names = ("version_id", "version__dataset__slug", "version__dataset__name", "version__number")
    counts: Counter[tuple[Any, ...]] = Counter()
    examples = sorted({pk for pk, _ in places})
    for start in range(0, len(examples), CHUNK):
        some = VersionExample.objects.filter(example_id__in=examples[start : start + CHUNK], split=Split.TRAIN)
        rows = some.filter(version__dataset__project=project).order_by()
        for *version, pk, revision in rows.values_list(*names, "example_id", "revision_number"):
            counts[tuple(version)] += (pk, revision) in places
    return [{"dataset": slug, "name": name, "version": number, "examples": count}
            for (_, slug, name, number), count in sorted(counts.items()) if count]  # fmt: skip


def since(version: Version) -> list[Leak]:
    """Training examples of a frozen version that nearly repeat what came to be tested after it."""
    guards = list(added_since(version))
    if not guards:
        return []
    train = version.entries.filter(split=Split.TRAIN).order_by("position").values_list("example_id", "values")
    return across(train.iterator(chunk_size=CHUNK), guards, lambda ids: dict(train.filter(example_id__in=set(ids))))


def refuse_leaks_since(version: Version) -> None:
    """Raises Leaking if this version would train on what came to be tested later, Refused if it is a benchmark now."""
    if version.dataset.is_benchmark:
        raise Refused(f"{version.dataset} is a benchmark: its prompts test models and are never trained on.")
    if found := since(version):
        raise Leaking(version, found, "Freeze a new version: there one of each is rejected, or a reason is given.")


def _leak(train: int, values: Mapping[str, Any], guard: Guarded, similarity: float) -> Leak:
    titles = title_of(values), title_of(guard.values)
    return Leak(
        train, titles[0], guard.example, titles[1], guard.dataset, guard.version, round(similarity, 4),
        benchmark=guard.benchmark,
    )  # fmt: skip


def described(threshold: float = THRESHOLD) -> dict[str, Any]:
    """How leaks were looked for, to be kept with a version."""
    return {
        "near_duplicate": threshold,
        "compared": "prompts: runs of three words, without what many are asked in the same words",
    }
