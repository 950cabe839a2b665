"""Does it matter where an answer stood on the screen? All arms pooled, each score less its arm's mean."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalhub.reports.statistics.intervals import mean_estimates
from evalhub.reports.statistics.result import Array, Counts, Estimate, Settings, nothing


@dataclass(frozen=True)
class PositionEffect:
    """Mean score at each position (1 = left), and how much more the first position gets than the others."""

    by_position: tuple[Estimate, ...]
    first_over_others: Estimate


def _item_means(residuals: Array, items: NDArray[np.intp], n: int) -> Array:
    sums, counts = np.zeros(n), np.zeros(n)
    np.add.at(sums, items, residuals)
    np.add.at(counts, items, 1)
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, sums / counts, np.nan)


def position_effect(
    scores: Array,
    positions: NDArray[np.intp],
    arms: NDArray[np.intp],
    items: NDArray[np.intp],
    *,
    span: float,
    settings: Settings,
) -> PositionEffect:
    """Position effect of scores (m,) shown at positions (m,), 0 where unknown; span: length of the scale."""
    known = positions > 0
    if len(np.unique(positions[known])) < 2:
        reason = "undefined: the positions of the answers were not recorded"
        return PositionEffect((), nothing(reason, settings=settings))
    scores, positions, arms = scores[known], positions[known], arms[known]
    items = np.unique(items[known], return_inverse=True)[1].astype(np.intp)
    n = int(items.max()) + 1
    means = np.array([scores[arms == arm].mean() if (arms == arm).any() else 0.0 for arm in range(arms.max() + 1)])
    residuals = scores - means[arms]
    places = np.unique(positions)
    table = np.stack([_item_means(residuals[positions == p], items[positions == p], n) for p in places], axis=1)
    others = _item_means(residuals[positions != places[0]], items[positions != places[0]], n)
    table = np.column_stack([table, table[:, 0] - others])
    counts = Counts(n, 0, len(scores))
    found = [e.with_counts(counts) for e in mean_estimates(table, settings, bounds=(-span, span))]
    return PositionEffect(tuple(found[:-1]), found[-1])
