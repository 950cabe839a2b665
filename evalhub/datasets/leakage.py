"""The leakage gate: what is trained on must be no near duplicate of what is tested on, here or in any frozen test set.

Compared are the prompts (system text, earlier turns, instruction, input) by checks.neighbours; a text of which nothing
is left but a template is compared by nothing, its exact copies are found by splitting.leaks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evalhub.accounts.models import Project
from evalhub.datasets.checks.neighbours import THRESHOLD, Pair, clusters, contaminated, near_duplicates
from evalhub.datasets.models import Dataset, Split, Version, VersionExample
from evalhub.datasets.selection import title_of
from evalhub.errors import Refused

MOST_KEPT = 100  # pairs shown, and kept with a version that was frozen in spite of them


@dataclass(frozen=True)
class Leak:
    """A training example and the test example that it nearly repeats. Ids are of Example; `similarity` is 0 to 1."""

    train: int
    train_title: str
    test: int
    test_title: str
    test_dataset: str  # slug
    version: int  # whose test set it is; 0: the version that is being frozen
    similarity: float

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


def prompt_text(values: Mapping[str, Any]) -> str:
    """What a model is asked, in one text."""
    turns = (turn["content"] for turn in values.get("history") or [])
    return "\n".join([values.get("system") or "", *turns, values["instruction"], values.get("input") or ""])


def kin(prompts: Mapping[int, str]) -> tuple[list[list[int]], list[Pair]]:
    """Groups of example ids whose prompts are near duplicates, and the pairs (of ids) that hold them together."""
    ids = list(prompts)
    pairs = near_duplicates(prompts.values())
    groups = [[ids[member] for member in group] for group in clusters(pairs)]
    return groups, [Pair(ids[pair.first], ids[pair.second], pair.similarity) for pair in pairs]


def within(
    pairs: Iterable[Pair], sides: Mapping[int, str], values: Mapping[int, Mapping[str, Any]], slug: str
) -> list[Leak]:
    """Pairs of one version of which one is trained on and the other tested."""
    found = []
    for pair in pairs:
        for train, test in ((pair.first, pair.second), (pair.second, pair.first)):
            if sides[train] == Split.TRAIN and sides[test] == Split.TEST:
                titles = title_of(values[train]), title_of(values[test])
                found.append(Leak(train, titles[0], test, titles[1], slug, 0, round(pair.similarity, 4)))
    return found


def across(
    project: Project,
    train: Mapping[int, Mapping[str, Any]],
    *,
    tested_here: set[int],
    after: Version | None = None,
) -> list[Leak]:
    """Training examples (id: values) that nearly repeat an example of a frozen test set of the project.

    Examples of `tested_here` are left out: they are compared within their own version.
    """
    guarded = list(_guarded(project, tested_here, after))
    if not guarded or not train:
        return []
    ids = list(train)
    pairs = contaminated(
        (prompt_text(values) for values in train.values()), (prompt_text(entry.values) for entry in guarded)
    )
    return [_leak(ids[pair.first], train[ids[pair.first]], guarded[pair.second], pair.similarity) for pair in pairs]


def since(version: Version) -> list[Leak]:
    """Training examples of a frozen version that nearly repeat what was put into a test set after it."""
    later = Version.objects.filter(dataset__project=version.dataset.project, frozen_at__gt=version.frozen_at)
    if not later.exists():
        return []
    entries = version.entries.order_by("position")
    tested = set(entries.filter(split=Split.TEST).values_list("example_id", flat=True))
    train = dict(entries.filter(split=Split.TRAIN).values_list("example_id", "values"))
    return across(version.dataset.project, train, tested_here=tested, after=version)


def refuse_leaks_since(version: Version) -> None:
    """Raises Leaking if training on this version would train on what a later version tests."""
    if found := since(version):
        raise Leaking(version, found, "Freeze a new version: there one of each is rejected, or a reason is given.")


def _guarded(project: Project, tested_here: set[int], after: Version | None) -> Iterator[VersionExample]:
    """Each frozen test text of the project once, the oldest first; with `after`, only of versions frozen later."""
    tested = VersionExample.objects.filter(version__dataset__project=project, split=Split.TEST)
    if after:
        tested = tested.filter(version__frozen_at__gt=after.frozen_at)
    entries = tested.select_related("version__dataset").order_by("version_id", "position")
    seen: set[tuple[int, int]] = set()
    for entry in entries.iterator(chunk_size=1000):
        mark = (entry.example_id, entry.revision_number)
        if entry.example_id not in tested_here and mark not in seen:
            seen.add(mark)
            yield entry


def _leak(train: int, values: Mapping[str, Any], entry: VersionExample, similarity: float) -> Leak:
    dataset: Dataset = entry.version.dataset
    titles = title_of(values), title_of(entry.values)
    return Leak(train, titles[0], entry.example_id, titles[1], dataset.slug, entry.version.number, round(similarity, 4))


def described(threshold: float = THRESHOLD) -> dict[str, Any]:
    """How leaks were looked for, to be kept with a version."""
    return {"near_duplicate": threshold, "compared": "prompts: runs of three words, without those of templates"}
