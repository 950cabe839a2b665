"""How close the nearest other example is, exactly, for a sample of the examples against all."""

import numpy as np
from numpy.typing import NDArray

from evalhub.datasets.checks.neighbours import CHUNK, Sketches
from evalhub.datasets.checks.report import Histogram

SAMPLE = 500
BINS = 20
Similarities = NDArray[np.float64]
Positions = NDArray[np.intp]


def nearest_similarities(sketches: Sketches, *, sample: int = SAMPLE, seed: int = 7) -> Similarities:
    """The Jaccard index of each of `sample` texts with its nearest neighbour. Shape (sample or fewer,), 0 to 1.

    Texts are drawn evenly. A copy has an index of 1; a text that is nothing but a template is left out.
    """
    sizes = np.array([len(group) for group in sketches.groups], dtype=np.int64)
    if sizes.sum() < 2:
        return np.empty(0)
    total = int(sizes.sum())
    drawn = np.random.default_rng(seed).choice(total, size=min(sample, total), replace=False)
    groups = np.searchsorted(np.cumsum(sizes), drawn, side="right")
    copies, single = groups[sizes[groups] > 1], groups[sizes[groups] == 1]
    single = single[np.diff(sketches.starts)[single] > 0]
    return np.concatenate([np.ones(copies.size), _closest(sketches, single)])


def _closest(sketches: Sketches, chosen: Positions) -> Similarities:
    """Of each chosen group the largest index with any other group."""
    lengths = np.diff(sketches.starts)
    best = np.zeros(chosen.size)
    asked = _Asked(sketches, chosen)
    for first in range(0, lengths.size if chosen.size else 0, CHUNK):
        last = min(first + CHUNK, lengths.size)
        common = asked.common(first, last)
        rows, which = common.nonzero()
        shared = common[rows, which]
        alike = shared / (lengths[first + rows] + lengths[chosen[which]] - shared)
        other = chosen[which] != first + rows
        np.maximum.at(best, which[other], alike[other])
    return best


class _Asked:
    """The runs of the chosen groups: which runs there are, and which groups have each."""

    def __init__(self, sketches: Sketches, chosen: Positions) -> None:
        self._sketches, self._count = sketches, chosen.size
        spans = [np.arange(sketches.starts[group], sketches.starts[group + 1]) for group in chosen]
        hashes = sketches.hashes[np.concatenate([np.empty(0, np.intp), *spans])]
        order = np.argsort(hashes, kind="stable")
        self._owners = np.repeat(np.arange(chosen.size), [span.size for span in spans])[order]
        self._values, self._starts = np.unique(hashes[order], return_index=True)
        self._holders = np.diff(np.append(self._starts, hashes.size))

    def common(self, first: int, last: int) -> NDArray[np.int64]:
        """How many runs the groups first … last - 1 share with each chosen one. Shape (last - first, chosen)."""
        starts = self._sketches.starts[first : last + 1]
        hashes = self._sketches.hashes[starts[0] : starts[-1]]
        at = np.minimum(np.searchsorted(self._values, hashes), self._values.size - 1)
        hit = self._values[at] == hashes
        rows = np.repeat(np.arange(last - first), np.diff(starts))[hit]
        at, holders = at[hit], self._holders[at[hit]]
        within = np.arange(holders.sum()) - np.repeat(np.cumsum(holders) - holders, holders)
        owners = self._owners[np.repeat(self._starts[at], holders) + within]
        cells = np.repeat(rows, holders) * self._count + owners
        return np.bincount(cells, minlength=(last - first) * self._count).reshape(last - first, self._count)


def similarity_histogram(alike: Similarities) -> Histogram:
    """Twenty bins from 0 to 1."""
    if not alike.size:
        return Histogram("nearest", "similarity", "There are too few examples to compare.")
    counts = np.bincount(np.minimum((alike * BINS).astype(np.int64), BINS - 1), minlength=BINS)
    bins = tuple((at / BINS, int(count)) for at, count in enumerate(counts))
    median, close = float(np.median(alike)), float(np.mean(alike >= 0.5))
    sentence = (
        f"Of {alike.size:,} examples drawn, half share {median:.0%} or less of their runs of three words with the "
        f"example nearest to them; {close:.0%} share half or more."
    )
    return Histogram("nearest", "similarity", sentence, bins, 0, float(alike.min()), median, float(alike.max()))
