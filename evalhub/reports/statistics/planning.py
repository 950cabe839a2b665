"""How much rating is enough: items needed for a difference, and where its variance comes from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri, ndtri

from evalhub.reports.statistics.result import Array, Settings

POWER = 0.8
PLAN_FROM = 10  # items: from here on the 95% interval of a variance stays within a factor of 3.4; of 3 items it is 40
HOPELESS = 100_000  # items beyond which no number is named


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


@dataclass(frozen=True)
class Forecast:
    """Items still to rate until an open question is decided with power 0.8, if the difference stays as it is.

    `low` and `high` are the same from the ends of the 95% interval of the variance; `high` None: beyond reach.
    `undefined` gives the reason where there is no forecast.
    """

    items: int | None
    low: int | None
    high: int | None
    ratings_per_item: float
    undefined: str = ""


def forecast(
    differences: Array, margin: float | None, *, ratings_per_item: float, comparisons: int, settings: Settings
) -> Forecast:
    """How many items more until differences (n,) leave zero out, or the negative margin, whichever is nearer."""
    n = len(differences)
    rated = f"{n} item is" if n == 1 else f"{n} items are"
    if n < PLAN_FROM:
        reason = f"undefined: {rated} rated in both arms, and a forecast needs {PLAN_FROM}"
    elif np.ptp(differences) < 1e-12:
        reason = "undefined: every item has the same difference"
    else:
        mean, ends = float(differences.mean()), variance_interval(differences, settings.level)
        needed = [_needed(mean, margin, v, comparisons=comparisons, settings=settings) for v in ends]
        low, items, high = (None if m >= HOPELESS else max(1, m - n) for m in needed)
        if items is not None:
            return Forecast(items, low, high, ratings_per_item)
        reason = "undefined: no number of items within reach would settle so small a difference"
    return Forecast(None, None, None, ratings_per_item, reason)


def _needed(mean: float, margin: float | None, variance: float, *, comparisons: int, settings: Settings) -> int:
    targets = [mean, *([mean + margin] if margin and mean > -margin else [])]
    needed = (items_needed(t, variance, level=settings.level, comparisons=comparisons) for t in targets)
    return min((n for n in needed if n is not None), default=HOPELESS)


def variance_interval(values: Array, level: float) -> Sequence[float]:
    """Low end, sample variance and high end of its χ² interval, for values (n,) that are about normal."""
    freedom, variance = len(values) - 1, float(values.var(ddof=1))
    tail = (1 - level) / 2
    return variance * freedom / chdtri(freedom, tail), variance, variance * freedom / chdtri(freedom, 1 - tail)


def detectable(
    items: int, variance: float, *, level: float = 0.95, power: float = POWER, comparisons: int = 1
) -> float:
    """The smallest difference that so many items detect with `power`."""
    z = float(ndtri(1 - (1 - level) / (2 * comparisons)) + ndtri(power))
    return z * math.sqrt(variance / items)
