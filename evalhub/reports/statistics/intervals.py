"""Confidence intervals: bootstrap over items (percentile, BCa, studentised), Student's t, Wilson.

The item is the unit that is sampled. Resampling is done with counts: row b of a weight matrix says how
often each item was drawn, so that a mean over the resampled items is one matrix product.
Why the studentised interval is the default: docs/decisions/interval-method.md.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from evalhub.reports.statistics.result import Array, Counts, Estimate, Settings, estimate, nothing

CELLS = 1_000_000  # weights made at once: 8 MB
KEPT = 2_000_000  # weights kept from one call to the next: 16 MB
FEW = 8  # under so many items there is too little to resample
SAME = "undefined: every item has the same value, so nothing can be said about chance"
ONE = "undefined: one item alone has no interval"


def resample_weights(n: int, settings: Settings) -> Iterable[Array]:
    """Blocks (b, n) of counts, settings.resamples rows in all, each row summing to n; the same for the same seed."""
    if n * settings.resamples <= KEPT:
        return _kept_weights(n, settings.resamples, settings.seed)
    return _weights(n, settings.resamples, settings.seed)


def _weights(n: int, resamples: int, seed: int) -> Iterator[Array]:
    rng = np.random.default_rng([seed, n])
    block = max(1, CELLS // max(n, 1))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        draws = rng.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
        yield np.bincount(draws.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


@lru_cache(maxsize=1)
def _kept_weights(n: int, resamples: int, seed: int) -> tuple[Array, ...]:
    """The last weights drawn: one report asks for the same ones again and again."""
    return tuple(_weights(n, resamples, seed))


@dataclass(frozen=True)
class Resampled:
    """Means and standard errors of K columns over n items: as they are (K,), and in B resamples (B, K)."""

    values: Array
    mean: Array
    error: Array
    means: Array
    errors: Array


def resampled(values: Array, settings: Settings) -> Resampled:
    """Resamples the rows of `values` (n, K) without missing cells."""
    n = len(values)
    centre = values.mean(axis=0)
    shifted = values - centre  # small numbers: no cancellation in the squares
    parts = [(w @ shifted / n, w @ shifted**2 / n) for w in resample_weights(n, settings)]
    means, squares = (np.concatenate(part) for part in zip(*parts, strict=True))
    errors = np.sqrt(np.maximum(squares - means**2, 0) / max(n - 1, 1))
    return Resampled(values, centre, values.std(axis=0) / np.sqrt(max(n - 1, 1)), means + centre, errors)


def percentile(sample: Resampled, level: float) -> tuple[Array, Array]:
    """Efron's percentile interval: quantiles of the resampled means."""
    tail = (1 - level) / 2
    low, high = np.quantile(sample.means, [tail, 1 - tail], axis=0)
    return low, high


def bca(sample: Resampled, level: float) -> tuple[Array, Array]:
    """Bias-corrected and accelerated interval (Efron 1987); the acceleration of a mean is its skewness / 6√n."""
    below = (sample.means < sample.mean).mean(axis=0) + (sample.means == sample.mean).mean(axis=0) / 2
    bias = ndtri(np.clip(below, 1e-6, 1 - 1e-6))
    deviation = sample.values - sample.mean
    acceleration = (deviation**3).sum(axis=0) / (6 * (deviation**2).sum(axis=0) ** 1.5)

    def bound(share: float) -> Array:
        z = bias + ndtri(share)
        shares = ndtr(bias + z / (1 - acceleration * z))
        return np.array([np.quantile(sample.means[:, k], share) for k, share in enumerate(shares)])

    return bound((1 - level) / 2), bound((1 + level) / 2)


def studentised(sample: Resampled, level: float) -> tuple[Array, Array]:
    """Bootstrap-t (Efron & Tibshirani 1993, ch. 12): quantiles of (mean* − mean) / error*, turned round.

    Resamples in which every value is the same have no error and are left out.
    """
    tail = (1 - level) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(sample.errors > 1e-6 * sample.error, (sample.means - sample.mean) / sample.errors, np.nan)
    lower, upper = np.nanquantile(t, [tail, 1 - tail], axis=0)
    return sample.mean - upper * sample.error, sample.mean - lower * sample.error


def student_t(sample: Resampled, level: float) -> tuple[Array, Array]:
    """Student's t interval: no resampling at all."""
    half = stdtrit(len(sample.values) - 1, (1 + level) / 2) * sample.error
    return sample.mean - half, sample.mean + half


METHODS = {"percentile": percentile, "BCa": bca, "studentised": studentised, "t": student_t}


def method_for(n: int) -> str:
    """The name in METHODS of the interval for n items."""
    return "studentised" if n >= FEW else "t"


NAMES = {
    "studentised": "studentised bootstrap over items",
    "t": "Student's t over items (too few to resample)",
    "percentile": "percentile bootstrap over items",
}
Bounds = tuple[float, float]


def mean_estimates(values: Array, settings: Settings, *, bounds: Bounds, comparisons: int = 1) -> list[Estimate]:
    """One Estimate for the mean of each column of `values` (n items, K); NaN where an item has no value.

    Intervals never leave `bounds`. With `comparisons` > 1 they hold together (Bonferroni over so many).
    """
    found: list[Estimate] = [nothing("undefined: no ratings", settings=settings)] * values.shape[1]
    for columns, complete in by_pattern(values):
        for k, result in zip(columns, _complete(complete, settings, bounds, comparisons), strict=True):
            found[k] = result
    return found


def by_pattern(values: Array) -> Iterator[tuple[list[int], Array]]:
    """Columns of `values` (n, K) that have values in the same rows, with those rows only: they share resamples."""
    present = ~np.isnan(values)
    for pattern in np.unique(present, axis=1).T:
        columns = [k for k in range(values.shape[1]) if (present[:, k] == pattern).all()]
        if pattern.any():
            yield columns, values[pattern][:, columns]


def _complete(values: Array, settings: Settings, bounds: Bounds, comparisons: int) -> list[Estimate]:
    """mean_estimates of columns without missing cells."""
    n = len(values)
    counts = Counts(n_items=n)
    constant = np.ptp(values, axis=0) < 1e-12
    if n > 1 and not constant.all():
        sample = resampled(values[:, ~constant], settings)
        pairs = iter(np.clip(METHODS[method_for(n)](sample, 1 - (1 - settings.level) / comparisons), *bounds).T)
    result = []
    for k in range(values.shape[1]):
        point = float(values[:, k].mean())
        if n == 1 or constant[k]:
            reason = ONE if n == 1 else SAME
            result.append(
                estimate(point, None, None, method="none", settings=settings, counts=counts, undefined=reason)
            )
            continue
        low, high = (float(bound) for bound in next(pairs))
        result.append(estimate(point, low, high, method=NAMES[method_for(n)], settings=settings, counts=counts))
    return result


def quantile_interval(draws: Array, level: float) -> tuple[float, float] | None:
    """Percentile interval of resampled statistics (B,); None where over 5% of the resamples had no value."""
    kept = draws[np.isfinite(draws)]
    if len(kept) < 0.95 * len(draws):
        return None
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def percentile_estimate(
    point: float, draws: Array, *, settings: Settings, counts: Counts, bounds: Bounds = (-np.inf, np.inf)
) -> Estimate:
    """An Estimate from resampled statistics; undefined, with the reason, where it or its interval is missing."""
    if not np.isfinite(point):
        return nothing("undefined: every value is the same", settings=settings, counts=counts)
    found = quantile_interval(draws, settings.level)
    if found is None:
        reason = "undefined interval: the number vanishes in too many resamples"
        return estimate(point, None, None, method="none", settings=settings, counts=counts, undefined=reason)
    low, high = np.clip(found, *bounds)
    return estimate(float(point), float(low), float(high), method=NAMES["percentile"], settings=settings, counts=counts)


def wilson(successes: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a proportion (Wilson 1927; Newcombe 1998, method 3). Ties may count as half."""
    z = float(ndtri((1 + level) / 2))
    share, spread = successes / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z * np.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def rate_estimate(outcomes: Array, settings: Settings) -> Estimate:
    """The mean of outcomes 1, ½, 0, one for each item: percentile bootstrap; Wilson where resampling cannot see enough.

    Wilson takes over under 30 items or where fewer than 5 items were won or lost.
    """
    outcomes = outcomes[~np.isnan(outcomes)]
    n = len(outcomes)
    if n == 0:
        return nothing("undefined: no item was rated in both arms", settings=settings)
    counts = Counts(n_items=n)
    if n < 30 or min((outcomes == 1).sum(), (outcomes == 0).sum()) < 5:
        low, high = wilson(float(outcomes.sum()), n, settings.level)
        return estimate(float(outcomes.mean()), low, high, method="Wilson", settings=settings, counts=counts)
    draws = np.concatenate([w @ outcomes / n for w in resample_weights(n, settings)])
    return percentile_estimate(float(outcomes.mean()), draws, settings=settings, counts=counts, bounds=(0, 1))
