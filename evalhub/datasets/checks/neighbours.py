"""Near duplicates among texts: MinHash sketches, locality-sensitive hashing, and the exact Jaccard index to confirm.

A text is the set of its runs of three words (case, punctuation and width of characters aside; each Chinese, Japanese
or Korean character is a word), without the runs of what many are asked in the same words (`Prompt.heads`). The Jaccard
index of two texts is the share of their runs that both have. Sketches find candidates (Broder 1997; Leskovec, Rajaraman
and Ullman, Mining of Massive Datasets, chapter 3) and each candidate is compared exactly: a pair that is reported is
never wrong, and one is missed with the probability that `Bands.missed` states.
"""

import hashlib
import random
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, count, islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.8
WORDS = 3  # per run
CHUNK = 4000  # texts, or candidates, worked on at once
TEMPLATE_SHARE, TEMPLATE_TEXTS = 0.05, 20  # a head that more texts than both have in the same words is a template
MOST = 0.5  # and so is a run in the heads of more than this share of the texts, whatever stands around it
LEAST_LEFT = 5  # runs of its own beside those; with fewer it is another text with a word or two changed: compared whole
SAMPLE = 200  # texts whose heads are kept, to see which runs these are
WINDOW = 15  # neighbours compared within a bucket; a larger bucket is also compared with its first text
WINDOW_ACROSS = 100  # texts of the other side that a text is compared with within a bucket
ROOM = 4 * (0.8 * 0.2 / 126) ** 0.5  # four standard errors of a sketch's estimate
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+")

Integers = NDArray[np.unsignedinteger[Any]]
Positions = NDArray[np.intp]


@dataclass(frozen=True)
class Bands:
    """How sketches are cut for hashing: texts that agree on all `rows` of any band are candidates."""

    bands: int = 21
    rows: int = 6

    def missed(self, similarity: float) -> float:
        """Probability that a pair of this Jaccard index is no candidate: (1 - s^rows)^bands."""
        return float((1 - similarity**self.rows) ** self.bands)


class Prompt(NamedTuple):
    """A text, and those parts of it that say what to do rather than with what: they may be the same for many texts."""

    text: str
    heads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pair:
    """Two texts by their positions and their Jaccard index (0 to 1)."""

    first: int
    second: int
    similarity: float


def near_duplicates(texts: Iterable[str | Prompt], *, threshold: float = THRESHOLD, seed: int = 7) -> list[Pair]:
    """Pairs of a Jaccard index of `threshold` or more, by position, first < second.

    Of many texts that are all alike, each is paired with some of the others, enough to hold the cluster together.
    Raises ValueError for a threshold below .5, where the sketches would miss too much.
    """
    runs = Runs()
    runs.add(texts)
    return pairs_within(Sketches(runs, seed=seed), threshold=threshold)


def pairs_within(sketches: "Sketches", *, threshold: float = THRESHOLD) -> list[Pair]:
    """As near_duplicates, of texts that have been taken already."""
    found = [
        Pair(min(one[0], other[0]), max(one[0], other[0]), alike) for one, other, alike in sketches.pairs(threshold)
    ]
    copies = [Pair(group[0], copy, 1.0) for group in sketches.groups for copy in group[1:]]
    return sorted(found + copies, key=lambda pair: (pair.first, pair.second))


def contaminated(
    texts: Iterable[str | Prompt],
    guarded: Iterable[str | Prompt],
    *,
    threshold: float = THRESHOLD,
    seed: int = 7,
) -> list[Pair]:
    """For each of `texts` that is a near duplicate of one of `guarded`, the closest one: (text, guarded)."""
    runs = Runs()
    guards = runs.add(guarded)
    runs.add(texts)
    return pairs_across(Sketches(runs, seed=seed), guards, threshold=threshold)


def pairs_across(sketches: "Sketches", guards: int, *, threshold: float = THRESHOLD) -> list[Pair]:
    """As contaminated, of texts that have been taken already: the first `guards` of them are guarded."""
    sides = [([at for at in group if at < guards], [at for at in group if at >= guards]) for group in sketches.groups]
    has = np.array([[bool(side) for side in both] for both in sides], dtype=bool).reshape(-1, 2)
    closest = {at: Pair(at - guards, here[0], 1.0) for here, there in sides if here for at in there}
    for one, other, alike in sketches.pairs(threshold, crossing=has):
        for near, far in ((one, other), (other, one)):
            for at in (at for at in near if at >= guards and far[0] < guards):
                if at not in closest or closest[at].similarity < alike:
                    closest[at] = Pair(at - guards, far[0], alike)
    return [closest[at] for at in sorted(closest)]


def clusters(pairs: Iterable[Pair]) -> list[tuple[int, ...]]:
    """Groups of positions held together by pairs, each sorted, the earliest first."""
    parent: dict[int, int] = {}
    for pair in pairs:
        first, second = sorted((_root(parent, pair.first), _root(parent, pair.second)))
        parent[second] = first
    groups: dict[int, list[int]] = {}
    for member in sorted(parent):
        groups.setdefault(_root(parent, member), []).append(member)
    return [tuple(members) for _, members in sorted(groups.items())]


def _root(parent: dict[int, int], member: int) -> int:
    while parent.setdefault(member, member) != member:
        parent[member] = parent[parent[member]]
        member = parent[member]
    return member


def words(text: str) -> list[str]:
    """The words of a text as they are compared."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


@dataclass
class Runs:
    """The runs of words of each text as sorted, distinct hashes (uint32), one text after the other; no words."""

    seed: int = 7
    size: int = 0
    _heads: "_Heads" = field(init=False)
    _hashes: list[Integers] = field(default_factory=list)
    _lengths: list[NDArray[np.int64]] = field(default_factory=list)
    _ids: dict[str, int] = field(default_factory=lambda: defaultdict(count(1).__next__))

    def __post_init__(self) -> None:
        self._mixers = np.random.default_rng(self.seed).integers(0, 2**64, WORDS, dtype=np.uint64) | np.uint64(1)
        self._heads = _Heads(random.Random(self.seed))  # noqa: S311  (a sample, not a secret)

    def add(self, texts: Iterable[str | Prompt]) -> int:
        """Take these texts after those already there; returns how many there are now."""
        stream = (Prompt(text) if isinstance(text, str) else text for text in texts)
        while chunk := list(islice(stream, CHUNK)):
            for prompt in chunk:
                self._heads.add(prompt.heads)
            self._take([words(prompt.text) for prompt in chunk])
        return self.size

    def of_templates(self, texts: int) -> tuple[Integers, Integers]:
        """Runs of heads that many of so many texts have in the same words, and runs in the heads of most. Sorted."""
        repeated, _ = self._hashed([words(head) for head in self._heads.repeated(texts)])
        sample = [words("\n".join(heads)) for heads in self._heads.sample]
        values, counts = _counted(self._hashed(sample)[0])
        return _distinct(repeated), values[counts > MOST * len(sample)]

    def all(self) -> tuple[Integers, NDArray[np.int64]]:
        """All hashes, and how many each text has. Shapes (runs,) and (texts,)."""
        none = np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.int64)
        return np.concatenate([none[0], *self._hashes]), np.concatenate([none[1], *self._lengths])

    def _take(self, texts: list[list[str]]) -> None:
        hashes, lengths = self._hashed(texts)
        self._hashes.append(hashes)
        self._lengths.append(lengths)
        self.size += len(texts)

    def _hashed(self, texts: list[list[str]]) -> tuple[Integers, NDArray[np.int64]]:
        if not texts:
            return np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.int64)
        padded = [found + [""] * (WORDS - len(found)) for found in texts]
        lengths = np.fromiter(map(len, padded), dtype=np.int64, count=len(padded))
        numbered = map(self._ids.__getitem__, chain.from_iterable(padded))
        ids = np.fromiter(numbered, dtype=np.uint64, count=int(lengths.sum()))
        tagged = _distinct(self._tagged(ids, np.repeat(np.arange(len(padded), dtype=np.uint64), lengths)))
        owners = (tagged >> np.uint64(32)).astype(np.intp)
        return tagged.astype(np.uint32), np.bincount(owners, minlength=len(padded))

    def _tagged(self, ids: Integers, owner: Integers) -> Integers:
        """Per run of words within one text: the text's number in the upper half, the run's hash in the lower."""
        last = WORDS - 1
        end = ids.size - last
        mixed = np.zeros(end, dtype=np.uint64)
        for at, factor in enumerate(self._mixers):
            mixed += ids[at : end + at] * factor
        tagged: Integers = owner[:end] << np.uint64(32) | mixed >> np.uint64(32)
        kept: Integers = tagged[owner[:end] == owner[last:]]
        return kept


class _Heads:
    """How often each head stands there, the words of those that do so often, and the heads of a sample of texts."""

    def __init__(self, chance: random.Random) -> None:
        self._chance, self._seen = chance, 0
        self._counts: dict[int, int] = defaultdict(int)
        self._often: dict[int, str] = {}
        self.sample: list[tuple[str, ...]] = []

    def add(self, heads: tuple[str, ...]) -> None:
        for head in heads:
            mark = hash(head)
            self._counts[mark] += 1
            if self._counts[mark] == TEMPLATE_TEXTS + 1:
                self._often[mark] = head
        self._seen += 1
        at = len(self.sample) if len(self.sample) < SAMPLE else self._chance.randrange(self._seen)
        if at < SAMPLE:
            self.sample[at : at + 1] = [heads]

    def repeated(self, texts: int) -> list[str]:
        """Those that more of so many texts have than by chance."""
        limit = max(TEMPLATE_TEXTS, TEMPLATE_SHARE * texts)
        return [head for mark, head in self._often.items() if self._counts[mark] > limit]


class Sketches:
    """Groups of texts with the same runs, and a signature of minima (uint32) for each that has runs of its own.

    `hashes[starts[g] : starts[g + 1]]` are the distinct runs of group g, sorted, without those of templates.
    """

    def __init__(self, runs: Runs, *, seed: int = 7, bands: Bands | None = None) -> None:
        self.bands = bands or Bands()
        hashes, lengths = runs.all()
        self.groups = _same(hashes, lengths)
        self.hashes, self.starts = _without_templates(runs, hashes, lengths, self.groups)
        random = np.random.default_rng(seed)
        minima = self.bands.bands * self.bands.rows
        self._factors, self._shifts = random.integers(0, 2**64, (2, minima), dtype=np.uint64) | np.uint64(1)
        self._folds = random.integers(0, 2**64, self.bands.rows, dtype=np.uint64) | np.uint64(1)

    def pairs(
        self, threshold: float, *, crossing: NDArray[np.bool_] | None = None
    ) -> Iterator[tuple[list[int], list[int], float]]:
        """Two groups (positions of texts) that are alike, and how much.

        `crossing`, shape (groups, 2), says which sides a group is on: then only pairs across the sides are compared.
        """
        if not 0.5 <= threshold <= 1:
            raise ValueError("The threshold lies between 0.5 and 1.")
        filled = np.flatnonzero(np.diff(self.starts))
        signatures = self._minima(filled)
        sides = None if crossing is None else crossing[filled]
        for pair in self._candidates(signatures, sides):
            yield from self._confirmed(signatures, pair, filled, threshold)

    def _minima(self, filled: Positions) -> Integers:
        """Shape (groups with runs, minima): per group the minimum of each hash function over its runs."""
        found = np.empty((filled.size, self._factors.size), dtype=np.uint32)
        for start in range(0, filled.size, CHUNK):
            rows = filled[start : start + CHUNK]
            begin, end = self.starts[rows[0]], self.starts[rows[-1] + 1]
            wide = self.hashes[begin:end].astype(np.uint64)
            for at, (factor, shift) in enumerate(zip(self._factors, self._shifts, strict=True)):
                mixed = (wide * factor + shift) >> np.uint64(32)
                found[start : start + CHUNK, at] = np.minimum.reduceat(mixed, self.starts[rows] - begin)
        return found

    def _candidates(
        self, signatures: Integers, sides: NDArray[np.bool_] | None
    ) -> Iterator[tuple[Positions, Positions]]:
        """Rows (first, second) of signatures that agree on a band, each pair once; on both `sides`, if these matter."""
        seen = np.empty(0, dtype=np.uint64)
        for band in range(self.bands.bands if len(signatures) else 0):
            rows = signatures[:, band * self.bands.rows : (band + 1) * self.bands.rows]
            keys = (rows.astype(np.uint64) * self._folds).sum(axis=1, dtype=np.uint64)
            pairs = _sharing(keys) if sides is None else _across(keys, sides)
            together = _distinct(np.concatenate([_joined(*pair) for pair in pairs]))
            fresh = together[~np.isin(together, seen, assume_unique=True)]
            seen = np.concatenate([seen, fresh])
            yield (fresh >> np.uint64(32)).astype(np.intp), (fresh & np.uint64(0xFFFFFFFF)).astype(np.intp)

    def _confirmed(
        self, signatures: Integers, pairs: tuple[Positions, Positions], filled: Positions, threshold: float
    ) -> Iterator[tuple[list[int], list[int], float]]:
        for start in range(0, pairs[0].size, CHUNK):
            one, other = (side[start : start + CHUNK] for side in pairs)
            likely = (signatures[one] == signatures[other]).mean(axis=1) >= threshold - ROOM
            for a, b in zip(filled[one[likely]].tolist(), filled[other[likely]].tolist(), strict=True):
                alike = jaccard(self._runs(a), self._runs(b))
                if alike >= threshold:
                    yield self.groups[a], self.groups[b], alike

    def _runs(self, group: int) -> Integers:
        return self.hashes[self.starts[group] : self.starts[group + 1]]


def jaccard(one: Integers, other: Integers) -> float:
    """|A ∩ B| / |A ∪ B| of two sorted arrays of distinct values; 1 for two empty ones."""
    common = np.intersect1d(one, other, assume_unique=True).size
    union = one.size + other.size - common
    return common / union if union else 1.0


def _same(hashes: Integers, lengths: NDArray[np.int64]) -> list[list[int]]:
    """Positions of texts with equal runs, together; in order of the first of each group."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    ends = np.cumsum(lengths)
    for position, (end, length) in enumerate(zip(ends.tolist(), lengths.tolist(), strict=True)):
        groups[hashlib.blake2b(hashes[end - length : end].tobytes(), digest_size=16).digest()].append(position)
    return list(groups.values())


def _without_templates(
    runs: Runs, hashes: Integers, lengths: NDArray[np.int64], groups: list[list[int]]
) -> tuple[Integers, NDArray[np.int64]]:
    """The runs of each group without those of templates, and where each group starts. Shapes (runs,), (groups + 1,)."""
    group_of = np.full(lengths.size, -1, dtype=np.int64)
    group_of[[group[0] for group in groups]] = np.arange(len(groups))
    owner = np.repeat(group_of, lengths)
    hashes, owner = hashes[owner >= 0], owner[owner >= 0]
    repeated, often = runs.of_templates(len(groups))
    hashes, owner = _without(hashes, owner, repeated, repeated, least=1)
    if often.size:
        values, counts = _counted(hashes)
        common = values[counts > max(TEMPLATE_TEXTS, TEMPLATE_SHARE * len(groups))]
        often = values[(counts > max(TEMPLATE_TEXTS, MOST * len(groups))) & np.isin(values, often)]
        hashes, owner = _without(hashes, owner, often, common, least=LEAST_LEFT)
    return hashes, np.searchsorted(owner, np.arange(len(groups) + 1))


def _without(
    hashes: Integers, owner: NDArray[np.int64], shared: Integers, common: Integers, *, least: int
) -> tuple[Integers, NDArray[np.int64]]:
    """The runs that are not `shared`; a text with fewer than `least` that are not `common` keeps all."""
    if not shared.size:
        return hashes, owner
    kept = ~np.isin(hashes, shared)
    own = ~np.isin(hashes, common)
    left = np.bincount(owner[own], minlength=int(owner.max(initial=0)) + 1)
    kept |= left[owner] < least
    return hashes[kept], owner[kept]


def _counted(values: Integers) -> tuple[Integers, NDArray[np.intp]]:
    ordered = np.sort(values)
    edges = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1], True]) if ordered.size else np.zeros(1, np.intp)
    return ordered[edges[:-1]], np.diff(edges)


def _distinct(values: Integers) -> Integers:
    """Sorted, each once (numpy's own unique hashes first, which takes four times as long here)."""
    return _counted(values)[0]


def _sharing(keys: Integers) -> Iterator[tuple[Positions, Positions]]:
    """Positions (first, second) with equal keys: all of small buckets, a window and the first of large ones."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    for lag in range(1, min(WINDOW, keys.size - 1) + 1):
        same = ordered[lag:] == ordered[:-lag]
        yield order[:-lag][same], order[lag:][same]
    new = np.r_[True, ordered[1:] != ordered[:-1]]
    first = np.maximum.accumulate(np.where(new, np.arange(keys.size), 0))
    yield order[first][~new], order[~new]


def _joined(one: Positions, other: Positions) -> Integers:
    joined: Integers = np.minimum(one, other).astype(np.uint64) << np.uint64(32) | np.maximum(one, other).astype(
        np.uint64
    )
    return joined


def _across(keys: Integers, sides: NDArray[np.bool_]) -> Iterator[tuple[Positions, Positions]]:
    """Positions (guarded, other) with equal keys: all of small buckets, of large ones WINDOW_ACROSS each."""
    guarded, others = (np.flatnonzero(side) for side in sides.T)
    guarded = guarded[np.argsort(keys[guarded], kind="stable")]
    begin, end = (np.searchsorted(keys[guarded], keys[others], side=side) for side in ("left", "right"))
    sizes, turn = end - begin, np.arange(others.size)
    yield np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    for lag in range(min(WINDOW_ACROSS, int(sizes.max(initial=0)))):
        more = sizes > lag
        yield guarded[begin[more] + (turn[more] + lag) % sizes[more]], others[more]
