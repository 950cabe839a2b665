"""Do raters agree? Krippendorff's α, intraclass correlations, weighted κ, exact and near agreement.

Ratings come as a matrix (units, raters) with NaN for missing cells; a unit is one answer. Units of the
same item are not independent: `items` names the item of each unit, and resampling draws items.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from evalhub.reports.statistics.intervals import percentile_estimate, resample_weights
from evalhub.reports.statistics.result import Array, Counts, Estimate, Settings, nothing

Items = NDArray[np.intp]
SAME = "undefined: every rating is the same"
ALONE = "undefined: no answer has two ratings"


def counts_of(ratings: Array, items: Items) -> Counts:
    """How many items, raters and ratings the cells of `ratings` (U, R) come from."""
    filled = ~np.isnan(ratings)
    return Counts(len(np.unique(items[filled.any(axis=1)])), int(filled.any(axis=0).sum()), int(filled.sum()))


def _paired(ratings: Array, items: Items) -> tuple[Array, Items]:
    """Units with two ratings or more, and their items numbered from 0."""
    kept = (~np.isnan(ratings)).sum(axis=1) >= 2
    return ratings[kept], np.unique(items[kept], return_inverse=True)[1].astype(np.intp)


def _ratio(numerator: Array, denominator: Array) -> Array:
    """1 − numerator / denominator, NaN where there is nothing to divide by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator > 1e-12, 1 - numerator / denominator, np.nan)


class Coincidences:
    """Krippendorff's coincidences as counts per unit and value, so that resampled items are one product away.

    The ordinal metric is the squared difference of mid-ranks in the pooled ratings (Krippendorff 2011, eq. 8),
    so all three levels reduce to sums of squares of scores given to the C distinct values.
    """

    def __init__(self, ratings: Array, items: Items, level: str) -> None:
        self.level = level
        self.values, places = np.unique(ratings[~np.isnan(ratings)], return_inverse=True)
        self.table = np.zeros((len(ratings), len(self.values)))  # (U, C)
        np.add.at(self.table, (np.nonzero(~np.isnan(ratings))[0], places), 1)
        self.items = items
        self.size = self.table.sum(axis=1)  # ratings of each unit

    def alpha(self, weights: Array) -> Array:
        """α for each row of item weights (B, I)."""
        if self.level == "interval":
            return self._interval(weights)
        unit = weights[:, self.items]  # (B, U)
        marginals = unit @ self.table  # (B, C)
        total = marginals.sum(axis=1)
        if self.level == "ordinal":
            return self._ordinal(unit, marginals, total)
        agreeing = (self.table * (self.table - 1)).sum(axis=1) / (self.size - 1)
        expected = (total**2 - (marginals**2).sum(axis=1)) / np.maximum(total - 1, 1)
        return _ratio(total - unit @ agreeing, expected)

    def _interval(self, weights: Array) -> Array:
        """Distances between fixed scores need only sums by item: of ratings, scores, squares, distances within."""
        scores = self.values - self.values.mean()
        first, second = self.table @ scores, self.table @ scores**2
        within = 2 * (self.size * second - first**2) / (self.size - 1)
        total, one, two, observed = (weights @ _by_item(np.stack([self.size, first, second, within], 1), self.items)).T
        return _ratio(observed, 2 * (total * two - one**2) / np.maximum(total - 1, 1))

    def _ordinal(self, unit: Array, marginals: Array, total: Array) -> Array:
        scores = (np.cumsum(marginals, axis=1) - marginals / 2) / total[:, None]  # mid-ranks as shares (B, C)
        first = scores @ self.table.T  # (B, U): sum of the scores of each unit's ratings
        within = (unit * self.size / (self.size - 1)) @ self.table  # (B, C)
        observed = 2 * ((within * scores**2).sum(axis=1) - (unit / (self.size - 1) * first**2).sum(axis=1))
        spread = total * (marginals * scores**2).sum(axis=1) - (marginals * scores).sum(axis=1) ** 2
        return _ratio(observed, 2 * spread / np.maximum(total - 1, 1))


def krippendorff_alpha(ratings: Array, items: Items, *, level: str, settings: Settings) -> Estimate:
    """Krippendorff's α of ratings (U, R); level is nominal, ordinal or interval (Krippendorff 2011).

    1 is perfect, 0 is chance, below 0 is worse than chance and is shown so.
    """
    kept, places = _paired(ratings, items)
    counts = counts_of(kept, places)
    if not len(kept):
        return nothing(ALONE, settings=settings, counts=counts_of(ratings, items))
    table = Coincidences(kept, places, level)
    point = table.alpha(np.ones((1, counts.n_items)))[0]
    if np.isnan(point):
        return nothing(SAME, settings=settings, counts=counts)
    draws = np.concatenate([table.alpha(weights) for weights in resample_weights(counts.n_items, settings)])
    return percentile_estimate(point, draws, settings=settings, counts=counts, bounds=(-1, 1))


@dataclass(frozen=True)
class IntraclassCorrelations:
    """ICC(1,1), ICC(2,1) and ICC(2,k) of McGraw & Wong 1996 (absolute agreement)."""

    icc_1_1: Estimate
    icc_2_1: Estimate
    icc_2_k: Estimate
    k: int


def _icc(sums: Array, k: int) -> tuple[Array, Array, Array]:
    """The three coefficients from sums over answers (B, 4 + k): n, Σ mean, Σ mean², Σ squares, Σ of each column."""
    n, means, squared_means, squares = sums[:, :4].T
    with np.errstate(divide="ignore", invalid="ignore"):
        grand = means / n
        ss_rows = k * (squared_means - n * grand**2)
        ss_columns = (sums[:, 4:] ** 2 / n[:, None]).sum(axis=1) - n * k * grand**2
        ss_error = squares - n * k * grand**2 - ss_rows - ss_columns
        rows, columns, error = ss_rows / (n - 1), ss_columns / (k - 1), ss_error / ((n - 1) * (k - 1))
        inside = (ss_columns + ss_error) / (n * (k - 1))  # within rows, one-way
        one = (rows - inside) / (rows + (k - 1) * inside)
        two = (rows - error) / (rows + (k - 1) * error + k * (columns - error) / n)
        mean = (rows - error) / (rows + (columns - error) / n)
    one, two, mean = (np.where(rows + inside > 1e-12, each, np.nan) for each in (one, two, mean))
    return one, two, mean


def _by_item(columns: Array, items: Items) -> Array:
    """Sums of the rows of `columns` (U, K) by item (I, K)."""
    sums = np.zeros((int(items.max()) + 1, columns.shape[1]))
    np.add.at(sums, items, columns)
    return sums


def intraclass(ratings: Array, items: Items, *, settings: Settings) -> IntraclassCorrelations:
    """Intraclass correlations of ratings (U, R).

    ICC(1,1) needs as many ratings for every answer, whoever gave them; ICC(2,·) needs the same raters throughout.
    """
    kept, places = _paired(ratings, items)
    counts = counts_of(kept, places)
    sizes = (~np.isnan(kept)).sum(axis=1)
    if len(kept) < 2 or len(np.unique(sizes)) != 1:
        reason = ALONE if len(kept) < 2 else "undefined: answers have different numbers of ratings"
        none = nothing(reason, settings=settings, counts=counts)
        return IntraclassCorrelations(none, none, none, int(sizes.max(initial=0)))
    k = int(sizes[0])
    packed = kept[~np.isnan(kept)].reshape(len(kept), k)
    packed = packed - packed.mean()
    means = packed.mean(axis=1)
    table = np.column_stack([np.ones_like(means), means, means**2, (packed**2).sum(axis=1), packed])
    sums = _by_item(table, places)
    points = _icc(sums.sum(axis=0, keepdims=True), k)
    blocks = [_icc(weights @ sums, k) for weights in resample_weights(counts.n_items, settings)]
    found = [
        percentile_estimate(
            point[0], np.concatenate([block[i] for block in blocks]), settings=settings, counts=counts, bounds=(-1, 1)
        )
        for i, point in enumerate(points)
    ]
    if counts.n_raters != k:
        crossed = nothing("undefined: not every rater rated every answer", settings=settings, counts=counts)
        found[1:] = [crossed, crossed]
    return IntraclassCorrelations(found[0], found[1], found[2], k)


@dataclass(frozen=True)
class PairOfRaters:
    """Two raters on the answers both rated: quadratic-weighted κ, exact and near agreement (shares)."""

    first: int
    second: int
    kappa: Estimate
    exact: float
    near: float
    n_answers: int


def _kappa(sums: Array) -> Array:
    """Quadratic-weighted κ from sums (B, 6): n, Σx, Σy, Σx², Σy², Σ(x−y)².

    κ = 1 − E(x−y)² / (var x + var y + (x̄−ȳ)²), which is Cohen's (1968) with squared distances as weights.
    """
    n, x, y, xx, yy, apart = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = xx / n - (x / n) ** 2 + yy / n - (y / n) ** 2 + (x / n - y / n) ** 2
    return _ratio(apart / n, np.where(spread > 1e-9, spread, 0))


def quadratic_kappa(x: Array, y: Array, items: Items, *, settings: Settings) -> Estimate:
    """Quadratic-weighted κ of two raters' scores (n,), resampling items."""
    places = np.unique(items, return_inverse=True)[1].astype(np.intp)
    centre = (x.mean() + y.mean()) / 2
    x, y = x - centre, y - centre
    sums = _by_item(np.column_stack([np.ones_like(x), x, y, x * x, y * y, (x - y) ** 2]), places)
    counts = Counts(len(sums), 2, 2 * len(x))
    point = _kappa(sums.sum(axis=0, keepdims=True))[0]
    if np.isnan(point):
        return nothing(SAME, settings=settings, counts=counts)
    draws = np.concatenate([_kappa(weights @ sums) for weights in resample_weights(counts.n_items, settings)])
    return percentile_estimate(point, draws, settings=settings, counts=counts, bounds=(-1, 1))


def rater_pairs(ratings: Array, items: Items, *, step: float, settings: Settings) -> list[PairOfRaters]:
    """κ and agreement for each pair of raters (columns of `ratings`) with answers in common."""
    found = []
    for i, j in combinations(range(ratings.shape[1]), 2):
        both = ~np.isnan(ratings[:, i]) & ~np.isnan(ratings[:, j])
        if both.any():
            x, y = ratings[both, i], ratings[both, j]
            kappa = quadratic_kappa(x, y, items[both], settings=settings)
            apart = np.abs(x - y)
            found.append(
                PairOfRaters(i, j, kappa, float((apart == 0).mean()), float((apart <= step).mean()), int(both.sum()))
            )
    return found


@dataclass(frozen=True)
class Agreement:
    """How far raters agree on one criterion. `exact` and `near` are shares of pairs of ratings of one answer."""

    ordinal: Estimate
    interval: Estimate
    icc: IntraclassCorrelations
    exact: Estimate
    near: Estimate
    step: float
    pairs: tuple[PairOfRaters, ...]


def _pair_share(ratings: Array, items: Items, step: float, settings: Settings) -> Estimate:
    """Share of pairs of ratings of one answer at most `step` apart."""
    kept, places = _paired(ratings, items)
    counts = counts_of(kept, places)
    if not len(kept):
        return nothing(ALONE, settings=settings, counts=counts)
    close, pairs = np.zeros(counts.n_items), np.zeros(counts.n_items)
    for i, j in combinations(range(kept.shape[1]), 2):
        apart = np.abs(kept[:, i] - kept[:, j])
        np.add.at(close, places, apart <= step)
        np.add.at(pairs, places, ~np.isnan(apart))
    draws = [(weights @ close) / (weights @ pairs) for weights in resample_weights(counts.n_items, settings)]
    return percentile_estimate(
        close.sum() / pairs.sum(), np.concatenate(draws), settings=settings, counts=counts, bounds=(0, 1)
    )


def near_step(scale_min: float, scale_max: float) -> float:
    """What counts as near: one point, or a tenth of the scale where it has more than 20 points."""
    span = scale_max - scale_min
    return 1.0 if span <= 20 else span / 10


def agreement(ratings: Array, items: Items, *, step: float, settings: Settings) -> Agreement:
    """Everything about agreement on one criterion, from ratings (U, R) given blind."""
    return Agreement(
        ordinal=krippendorff_alpha(ratings, items, level="ordinal", settings=settings),
        interval=krippendorff_alpha(ratings, items, level="interval", settings=settings),
        icc=intraclass(ratings, items, settings=settings),
        exact=_pair_share(ratings, items, 0, settings),
        near=_pair_share(ratings, items, step, settings),
        step=step,
        pairs=tuple(rater_pairs(ratings, items, step=step, settings=settings)),
    )
