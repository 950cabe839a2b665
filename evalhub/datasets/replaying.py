"""Replay: general examples from another dataset's frozen version among the training examples, against forgetting."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from evalhub.datasets.checks.neighbours import Prompt, contaminated
from evalhub.datasets.entries import Entry, details_digest, row_digest
from evalhub.datasets.guarded import prompt
from evalhub.datasets.models import Dataset, Split, Version
from evalhub.errors import Refused

SPARE = 2  # so many times the examples needed are looked at, since some will repeat what is there
MOST_SHARE = 0.5


@dataclass(frozen=True)
class Replay:
    """Which share (0 to 0.5) of all training examples comes from a version of the dataset `dataset` (name or slug)."""

    dataset: str
    share: float
    version: int | None = None  # else the last one


@dataclass(frozen=True)
class Replayed:
    """What was drawn from which version, and how many were passed over, since they repeat a text of the dataset."""

    version: Version
    share: float
    seed: int
    entries: list[Entry]
    passed_over: int

    def as_json(self) -> dict[str, Any]:
        dataset = self.version.dataset
        return {
            "dataset": dataset.slug, "name": dataset.name, "version": self.version.number, "share": self.share,
            "count": len(self.entries), "seed": self.seed, "passed_over": self.passed_over,
        }  # fmt: skip


def source_of(dataset: Dataset, wish: Replay) -> Version:
    """The frozen version to draw from. Raises Refused."""
    if not 0 < wish.share <= MOST_SHARE:
        raise Refused("The share of replayed examples lies above 0 and is at most a half.", field="replay")
    others = dataset.project.datasets.exclude(pk=dataset.pk)
    found = others.filter(slug=wish.dataset).first() or others.filter(name=wish.dataset).first()
    if found is None:
        raise Refused(f"This project has no other dataset “{wish.dataset}” to replay from.", field="replay")
    if found.is_benchmark:
        raise Refused(f"{found} is a benchmark: its prompts are never trained on.", field="replay")
    versions = found.versions.filter(number=wish.version) if wish.version else found.versions
    if (version := versions.select_related("dataset").first()) is None:
        named = f"{found} has no version {wish.version}." if wish.version else f"{found} has no frozen version yet."
        raise Refused(f"{named} Replayed examples are drawn from a frozen version.", field="replay")
    return version


def drawn(
    source: Version,
    share: float,
    *,
    trained: int,
    seed: int,
    there: Callable[[Mapping[str, Any]], bool],
    apart_from: Iterable[Prompt],
) -> Replayed:
    """A seeded sample of the training side of `source`, so large that it is `share` of all training examples.

    `trained` is how many other training examples there are. Examples that are `there` already, or nearly repeat one of
    the texts `apart_from`, are passed over. Raises Refused where too few are left.
    """
    count = round(trained * share / (1 - share))
    pool = dict(_pool(source))
    shuffled = sorted(pool, key=lambda mark: hashlib.sha256(f"{seed}:{mark}".encode()).hexdigest())
    new = [mark for mark in shuffled if not there(pool[mark])]
    order = new[: SPARE * count + 100]
    texts = [prompt(pool[mark]) for mark in order]
    repeated = {pair.first for pair in contaminated(texts, apart_from)}
    kept = [mark for at, mark in enumerate(order) if at not in repeated]
    if len(kept) < count or not count:
        twice = len(shuffled) - len(new)
        raise Refused(_too_few(source, share, count, len(kept), len(repeated), twice=twice), field="replay")
    entries = [_entry(mark, pool[mark]) for mark in kept[:count]]
    looked_at = shuffled.index(kept[count - 1]) + 1
    return Replayed(source, share, seed, entries, looked_at - count)


def _entry(mark: tuple[int, int], values: Mapping[str, Any]) -> Entry:
    digest = row_digest(values, Split.TRAIN)
    return Entry(*mark, Split.TRAIN, digest, details=details_digest(values))


def _pool(source: Version) -> Iterable[tuple[tuple[int, int], Mapping[str, Any]]]:
    """{(example, revision): values} of what the version trains on itself, without what it replays in turn."""
    own = source.entries.filter(split=Split.TRAIN, example__dataset_id=source.dataset_id).order_by("position")
    for pk, revision, values in own.values_list("example_id", "revision_number", "values").iterator(chunk_size=1000):
        yield (pk, revision), values


def _too_few(source: Version, share: float, count: int, kept: int, repeated: int, *, twice: int) -> str:
    if not count:
        return f"{share:.0%} of so few training examples is less than one example; choose a larger share or no replay."
    lost = f", of which {repeated:,} nearly repeat a validation or test text" if repeated else ""
    lost += f", and {twice:,} more are in this dataset already" if twice else ""
    return (
        f"{source} has too few training examples for a share of {share:.0%}: {count:,} are needed, "
        f"{kept + repeated:,} were looked at{lost}. Choose a smaller share, or another version."
    )
