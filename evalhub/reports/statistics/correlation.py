"""Which metric follows people here: Spearman, Kendall τ-b and Pearson, within items, pooled, and by system.

Signed, never absolute. Metric and human scores come as matrices (n items, A arms), NaN for missing cells.
"""

from dataclasses import dataclass, replace

import numpy as np

from evalhub.reports.statistics.intervals import mean_estimates, percentile_estimate, resample_weights
from evalhub.reports.statistics.result import Array, Counts, Estimate, Settings, nothing

FLAT = "undefined: metric or scores do not vary"
FEW_SYSTEMS = 5


def midranks(values: Array) -> Array:
    """Ranks from 1, ties sharing their mean."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[places].astype(float)


def pearson(x: Array, y: Array) -> float:
    """Pearson's r; NaN where x or y does not vary."""
    x, y = x - x.mean(), y - y.mean()
    scale = np.sqrt((x**2).sum() * (y**2).sum())
    return float((x * y).sum() / scale) if scale > 1e-12 else float("nan")


def spearman(x: Array, y: Array) -> float:
    """Spearman's ρ: Pearson's r of the mid-ranks."""
    return pearson(midranks(x), midranks(y))


def kendall(x: Array, y: Array) -> float:
    """Kendall's τ-b (Kendall 1945): concordant minus discordant pairs, corrected for ties."""
    first, second = (np.sign(v[:, None] - v[None, :]) for v in (x, y))
    scale = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / scale) if scale else float("nan")


COEFFICIENTS = ("spearman", "kendall", "pearson")


@dataclass(frozen=True)
class WithinItems:
    """A coefficient within items over arms, averaged over items; `left_out` items did not vary or were too small."""

    estimate: Estimate
    left_out: int


def within_items(metric: Array, human: Array, *, coefficient: str, settings: Settings) -> WithinItems:
    """The mean over items of the coefficient over that item's arms."""
    per_item = item_coefficients(metric, human, coefficient)
    used = ~np.isnan(per_item)
    left_out = int((~used).sum())
    if not used.any():
        return WithinItems(nothing(FLAT, settings=settings), left_out)
    return WithinItems(mean_estimates(per_item[used, None], settings, bounds=(-1, 1))[0], left_out)


def item_coefficients(metric: Array, human: Array, coefficient: str) -> Array:
    """The coefficient of each row (n,) over its arms; NaN where a side does not vary or fewer than two have both."""
    both = ~np.isnan(metric) & ~np.isnan(human)
    x, y = (_centred(np.where(both, values, np.nan), coefficient) for values in (metric, human))
    scale = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(scale > 1e-12, (x * y).sum(axis=1) / scale, np.nan))


def _centred(values: Array, coefficient: str) -> Array:
    """What the coefficient is a cosine of: centred values, centred mid-ranks, or signs of pairs; 0 where missing."""
    if coefficient == "pearson":
        counts = np.maximum((~np.isnan(values)).sum(axis=1, keepdims=True), 1)
        return np.asarray(np.nan_to_num(values - np.nansum(values, axis=1, keepdims=True) / counts))
    signs = np.nan_to_num(np.sign(values[:, :, None] - values[:, None, :]))
    return np.asarray(
        signs.reshape(len(values), values.shape[1] ** 2) if coefficient == "kendall" else signs.sum(axis=2)
    )


def _weighted_ranks(values: Array, weights: Array) -> Array:
    """Mid-ranks of values (U,) in samples given by weights (B, U)."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(values[order]) > 0])
    groups = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = np.cumsum(groups, axis=1) - groups / 2
    ranks = np.empty_like(weights)
    ranks[:, order] = np.repeat(middle, np.diff(np.r_[starts, len(values)]), axis=1)
    return ranks


def _weighted_pearson(x: Array, y: Array, weights: Array) -> Array:
    total = weights.sum(axis=1, keepdims=True)
    x = x - (weights * x).sum(axis=1, keepdims=True) / total
    y = y - (weights * y).sum(axis=1, keepdims=True) / total
    scale = np.sqrt((weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(scale > 1e-12, (weights * x * y).sum(axis=1) / scale, np.nan)


def _partial(xy: Array, xz: Array, yz: Array) -> Array:
    """Correlation of x and y with z held fixed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))


def pooled(metric: Array, human: Array, *, settings: Settings, control: Array | None = None) -> Estimate:
    """Spearman's ρ over all answers, items resampled; with `control` (n, A) its partial, that rank held fixed."""
    settings = replace(settings, resamples=min(settings.resamples, 2_000))
    filled = ~np.isnan(metric) & ~np.isnan(human) & (True if control is None else ~np.isnan(control))
    columns = [m[filled] for m in (metric, human, *([] if control is None else [control]))]
    items = np.unique(np.nonzero(filled)[0], return_inverse=True)[1]
    if len(items) < 3:
        return nothing("undefined: fewer than three answers have both", settings=settings)
    n = int(items.max()) + 1

    def rho(weights: Array) -> Array:
        ranks = [_weighted_ranks(column, weights) for column in columns]
        straight = _weighted_pearson(ranks[0], ranks[1], weights)
        if control is None:
            return straight
        return _partial(straight, *(_weighted_pearson(rank, ranks[2], weights) for rank in ranks[:2]))

    draws = np.concatenate([rho(weights[:, items]) for weights in resample_weights(n, settings)])
    point = rho(np.ones((1, len(items))))[0]
    if not np.isfinite(point):
        return nothing(FLAT, settings=settings, counts=Counts(n))
    return percentile_estimate(point, draws, settings=settings, counts=Counts(n), bounds=(-1, 1))


@dataclass(frozen=True)
class BySystem:
    """Spearman's ρ of the arms' means, and how many systems that rests on."""

    estimate: Estimate
    systems: int
    anecdotal: bool


def by_system(metric: Array, human: Array, *, settings: Settings) -> BySystem:
    """System level: under 3 systems undefined, under 5 anecdotal. Items that miss a cell are left out."""
    settings = replace(settings, resamples=min(settings.resamples, 2_000))
    systems = metric.shape[1]
    complete = ~np.isnan(metric).any(axis=1) & ~np.isnan(human).any(axis=1)
    n = int(complete.sum())
    if systems < 3 or n == 0:
        reason = "undefined: fewer than three systems" if n else "undefined: no item has every score"
        return BySystem(nothing(reason, settings=settings, counts=Counts(n)), systems, True)
    both = np.concatenate([metric[complete], human[complete]], axis=1)
    means = np.concatenate([weights @ both / n for weights in resample_weights(n, settings)])
    draws = np.array([spearman(row[:systems], row[systems:]) for row in means])
    centre = both.mean(axis=0)
    point = spearman(centre[:systems], centre[systems:])
    found = percentile_estimate(point, draws, settings=settings, counts=Counts(n), bounds=(-1, 1))
    return BySystem(found, systems, systems < FEW_SYSTEMS)
