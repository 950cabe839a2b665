"""Who rates how: severity with shrinkage, agreement with the others, spread; and means with severity removed."""

from dataclasses import dataclass

import numpy as np

from evalhub.reports.statistics.correlation import pearson
from evalhub.reports.statistics.intervals import mean_estimates, percentile_estimate, resample_weights
from evalhub.reports.statistics.result import Array, Counts, Estimate, Settings, nothing

ALONE = "undefined: nobody else rated the same answers"


class Additive:
    """y[i, a, r] = cell[i, a] + severity[r] + noise, severities summing to zero; scores are (items, arms, raters).

    Cells are swept out, which leaves R normal equations; they are sums over items, so resampling is one product.
    Shrinkage is the ratio of noise to severity variance (empirical Bayes by moments), added to the diagonal.
    """

    def __init__(self, scores: Array) -> None:
        filled = ~np.isnan(scores)
        size = filled.sum(axis=2, keepdims=True)
        used = (filled & (size >= 2)).astype(float)
        values = np.where(used > 0, np.nan_to_num(scores), 0)
        share = used / np.maximum(size, 1)
        centred = used * (values - values.sum(axis=2, keepdims=True) / np.maximum(size, 1))
        self.raters = scores.shape[2]
        self.target = centred.sum(axis=1)  # (n, R)
        diagonal = np.einsum("iar,rs->irs", used, np.eye(self.raters))
        self.normal = diagonal - np.einsum("iar,ias->irs", used, share)  # (n, R, R)
        self.rated = used.sum(axis=(0, 1))
        self.squares = float((centred**2).sum())
        self.cells = float((used.sum(axis=2) > 0).sum())
        self.shrinkage = 0.0
        self.shrinkage = self._shrinkage()

    def solve(self, weights: Array) -> Array:
        """Severities (B, R) for rows of item weights (B, n), mean zero; negative is strict."""
        flat = self.normal.reshape(len(self.normal), -1)
        normal = (weights @ flat).reshape(-1, self.raters, self.raters)
        ridge = (self.shrinkage + 1e-9) * np.eye(self.raters)
        found = np.linalg.solve(normal + ridge, (weights @ self.target)[:, :, None])[:, :, 0]
        return np.asarray(found - found.mean(axis=1, keepdims=True))

    def _shrinkage(self) -> float:
        everything = np.ones((1, len(self.target)))
        raw = self.solve(everything)[0]
        left = self.squares - float(raw @ self.target.sum(axis=0))
        noise = max(left, 0.0) / max(self.rated.sum() - self.cells - self.raters + 1, 1)
        typical = float(np.maximum(self.rated, 1).mean())
        between = float(raw.var(ddof=1)) - noise / typical if self.raters > 1 else 0.0
        return float(noise / max(between, noise / (10 * typical) + 1e-9))


@dataclass(frozen=True)
class RaterProfile:
    """One rater: severity (below zero is strict), agreement with the others, spread of the scores (SD)."""

    severity: Estimate
    leave_one_out: float | None
    spread: float | None
    n_answers: int


def profiles(scores: Array, *, span: float, settings: Settings) -> list[RaterProfile]:
    """A profile of each rater from scores (n items, A arms, R raters) on a scale of length `span`."""
    return [
        RaterProfile(
            severity, _leave_one_out(scores, r), _spread(scores[:, :, r]), int((~np.isnan(scores[:, :, r])).sum())
        )
        for r, severity in enumerate(severities(scores, span=span, settings=settings))
    ]


def severities(scores: Array, *, span: float, settings: Settings) -> list[Estimate]:
    """Severity of each rater with its interval, items resampled."""
    n, raters = len(scores), scores.shape[2]
    counts = [
        Counts(int(rated.any(axis=1).sum()), 1, int(rated.sum())) for rated in np.moveaxis(~np.isnan(scores), 2, 0)
    ]
    if raters < 2 or n < 2 or (~np.isnan(scores)).sum(axis=2).max(initial=0) < 2:
        return [nothing(ALONE, settings=settings, counts=c) for c in counts]
    model = Additive(scores)
    draws = np.concatenate([model.solve(weights) for weights in resample_weights(n, settings)])
    point = model.solve(np.ones((1, n)))[0]
    return [
        percentile_estimate(point[r], draws[:, r], settings=settings, counts=counts[r], bounds=(-span, span))
        for r in range(raters)
    ]


def adjusted_means(scores: Array, *, bounds: tuple[float, float], settings: Settings) -> list[Estimate]:
    """Arm means with severities removed, estimated anew in each resample. Beside the raw means, never instead."""
    filled = ~np.isnan(scores)
    n, arms, raters = scores.shape
    if raters < 2 or n < 2 or filled.sum(axis=2).max(initial=0) < 2:
        return [nothing(ALONE, settings=settings)] * arms
    model = Additive(scores)
    size = filled.sum(axis=2)
    cell = np.where(size > 0, np.nansum(scores, axis=2) / np.maximum(size, 1), 0)  # (n, A)
    share = (filled / np.maximum(size, 1)[:, :, None]).reshape(n, -1)  # how much each rater is in each cell

    def means(weights: Array) -> Array:
        rated = np.maximum(weights @ (size > 0), 1e-12)
        load = (weights @ share).reshape(-1, arms, raters) / rated[:, :, None]
        return np.asarray(weights @ cell / rated - np.einsum("bar,br->ba", load, model.solve(weights)))

    draws = np.concatenate([means(weights) for weights in resample_weights(n, settings)])
    point = means(np.ones((1, n)))[0]
    return [
        percentile_estimate(
            point[a], draws[:, a], settings=settings, bounds=bounds,
            counts=Counts(int((size[:, a] > 0).sum()), int(filled[:, a].any(axis=0).sum()), int(filled[:, a].sum())),
        )
        for a in range(arms)
    ]  # fmt: skip


def _leave_one_out(scores: Array, rater: int) -> float | None:
    """Pearson's r of this rater's scores and the mean of the others' on the same answers."""
    others = np.delete(scores, rater, axis=2)
    counts = (~np.isnan(others)).sum(axis=2)
    both = ~np.isnan(scores[:, :, rater]) & (counts > 0)
    if both.sum() < 3:
        return None
    found = pearson(scores[:, :, rater][both], np.nansum(others, axis=2)[both] / counts[both])
    return None if np.isnan(found) else found


def _spread(scores: Array) -> float | None:
    kept = scores[~np.isnan(scores)]
    return float(kept.std(ddof=1)) if len(kept) > 1 else None


def two_way_means(scores: Array, *, bounds: tuple[float, float], settings: Settings) -> list[Estimate]:
    """Arm means with items and raters both resampled (Owen 2007, pigeonhole): speaks about other raters too.

    Undefined under 5 raters, which are too few to stand for a population.
    """
    n, arms, raters = scores.shape
    if raters < 5:
        return [nothing("undefined: fewer than five raters", settings=settings)] * arms
    filled = ~np.isnan(scores)
    rng = np.random.default_rng([settings.seed, n, raters])
    draws = []
    for weights in resample_weights(n, settings):
        drawn = rng.multinomial(raters, np.full(raters, 1 / raters), len(weights)).astype(float)
        draws.append(_drawn_means(scores, weights, drawn))
    both = np.concatenate(draws)
    points = mean_estimates(np.nanmean(scores.reshape(-1, arms, raters), axis=2), settings, bounds=bounds)
    return [
        percentile_estimate(
            point.point if point.point is not None else np.nan, both[:, a], settings=settings, bounds=bounds,
            counts=Counts(point.n_items, int(filled[:, a].any(axis=0).sum()), int(filled[:, a].sum())),
        )
        for a, point in enumerate(points)
    ]  # fmt: skip


def _drawn_means(scores: Array, weights: Array, drawn: Array) -> Array:
    """Arm means (B, A) of scores (n, A, R): over the drawn raters within a cell first, then over the drawn items.

    `weights` (B, n) and `drawn` (B, R) say how often each item and each rater was drawn.
    """
    found = np.full((len(weights), scores.shape[1]), np.nan)
    for a in range(scores.shape[1]):
        raters = drawn @ (~np.isnan(scores[:, a])).T.astype(float)  # (B, n)
        cells = drawn @ np.nan_to_num(scores[:, a]).T / np.maximum(raters, 1)
        used = weights * (raters > 0)
        items = used.sum(axis=1)
        np.divide((used * cells).sum(axis=1), items, out=found[:, a], where=items > 0)
    return found
