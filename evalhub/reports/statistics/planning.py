"""How much rating is enough: items needed for a difference, and where its variance comes from."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from evalhub.reports.statistics.result import Array

POWER = 0.8


@dataclass(frozen=True)
class VarianceSplit:
    """Variance of one rater's difference on one item: between items, and between raters on the same item."""

    items: float
    raters: float

    def of_mean(self, raters: float) -> float:
        """Variance of d[i] when each item is scored by so many raters."""
        return self.items + self.raters / raters


def variance_split(differences: Array) -> VarianceSplit | None:
    """Components of differences (n items, R raters), NaN where not rated: one-way random effects, by moments.

    (Searle, Casella & McCulloch 1992, ch. 3, unbalanced data.) None without an item that two raters rated.
    """
    filled = ~np.isnan(differences)
    kept = differences[filled.any(axis=1)]
    sizes = (~np.isnan(kept)).sum(axis=1)
    n, total = len(kept), int(sizes.sum())
    if n < 2 or total == n:
        return None
    means = np.nanmean(kept, axis=1)
    inside = float(np.nansum((kept - means[:, None]) ** 2) / (total - n))
    between = float((sizes * (means - np.nansum(kept) / total) ** 2).sum() / (n - 1))
    typical = (total - (sizes**2).sum() / total) / (n - 1)
    return VarianceSplit(max(0.0, (between - inside) / typical), inside)


def items_needed(
    difference: float, variance: float, *, level: float = 0.95, power: float = POWER, comparisons: int = 1
) -> int | None:
    """Items for an interval (two-sided, Bonferroni over `comparisons`) to leave zero out with `power`.

    n = ((z[1 − α/2m] + z[power])² variance / difference²; None for no difference at all.
    """
    if abs(difference) < 1e-9:
        return None
    z = float(ndtri(1 - (1 - level) / (2 * comparisons)) + ndtri(power))
    return max(2, math.ceil(z**2 * variance / difference**2))


def detectable(
    items: int, variance: float, *, level: float = 0.95, power: float = POWER, comparisons: int = 1
) -> float:
    """The smallest difference that so many items detect with `power`."""
    z = float(ndtri(1 - (1 - level) / (2 * comparisons)) + ndtri(power))
    return z * math.sqrt(variance / items)
