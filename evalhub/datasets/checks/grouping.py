"""Which positions hold equal keys, and how a group's members are named in a reason."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Positions = NDArray[np.intp]


def equal(keys: Keys) -> Iterator[Positions]:
    """Positions of each key that occurs more than once, the earliest first."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if keys.size else np.empty(0, np.intp)
    ends = np.append(starts[1:], keys.size)
    several = np.flatnonzero(ends - starts > 1)
    for at in several[np.argsort(order[starts[several]])]:
        yield order[starts[at] : ends[at]]


def company(ids: Sequence[int], member: int) -> str:
    """The others of a group: "example 3", "example 3 and 1 other", "example 3 and 12 others"."""
    first = ids[1] if ids[0] == member else ids[0]
    more = len(ids) - 2
    return f"example {first}" if not more else f"example {first} and {more:,} other{'s' if more > 1 else ''}"
