"""Who wins: outcomes item by item, win rates, and Bradley–Terry strengths with ties (Davidson 1970)."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from evalhub.reports.statistics.intervals import percentile_estimate, rate_estimate, resample_weights
from evalhub.reports.statistics.result import Array, Counts, Estimate, Settings, nothing

LIMIT = 15.0  # log strengths beyond this are infinite for every purpose
UNACCEPTABLE = np.inf  # marks an item whose answers were all called unacceptable


@dataclass(frozen=True)
class Wins:
    """Items won by `a`, tied, won by `b`, and those where nobody was acceptable; rate: of a, ties as half."""

    a: int
    b: int
    wins: int
    ties: int
    losses: int
    unacceptable: int
    rate: Estimate


def wins(leads: Array, *, a: int, b: int, settings: Settings) -> Wins:
    """Outcomes of arm a against arm b from leads (n items): a's score minus b's, or the balance of choices.

    NaN: not compared. UNACCEPTABLE: counted apart, for nobody.
    """
    apart = np.isinf(leads)
    fair = leads[~np.isnan(leads) & ~apart]
    outcomes = np.where(np.abs(fair) < 1e-9, 0.5, fair > 0)
    won, tied = int((outcomes == 1).sum()), int((outcomes == 0.5).sum())
    rate = rate_estimate(outcomes, settings)
    return Wins(a, b, won, tied, len(fair) - won - tied, int(apart.sum()), rate)


@dataclass(frozen=True)
class Fit:
    """Log strengths (K,), mean zero; their covariance relative to arm 0 (K, K); log ν of ties (None: no ties)."""

    strengths: Array
    covariance: Array
    log_ties: float | None


def _features(arms: int) -> Array:
    """What each outcome of each pair adds to the log-odds: (P pairs, 3 outcomes, K strengths + 1 for ties)."""
    pairs = list(combinations(range(arms), 2))
    table = np.zeros((len(pairs), 3, arms + 1))
    for p, (i, j) in enumerate(pairs):
        table[p, 0, i] = table[p, 1, j] = table[p, 2, arms] = 1
        table[p, 2, [i, j]] = 0.5
    return table


def _newton(counts: Array, features: Array, free: NDArray[np.intp]) -> tuple[Array, Array]:
    """Maximises the multinomial logit of Davidson's model for counts (B, P, 3): parameters, information (B, d, d)."""
    chosen = features[:, :, free]
    parameters = np.zeros((len(counts), features.shape[2]))
    played = counts.sum(axis=2)
    shown = np.isin(np.arange(3), [0, 1] + [2] * int(features.shape[2] - 1 in free))
    observed = np.einsum("bpo,pod->bd", counts, chosen)
    for _ in range(60):
        odds = np.where(shown, np.einsum("bd,pod->bpo", parameters, features), -np.inf)
        odds = np.exp(odds - odds.max(axis=2, keepdims=True))
        share = odds / odds.sum(axis=2, keepdims=True) * played[:, :, None]
        gradient = observed - np.einsum("bpo,pod->bd", share, chosen)
        mean = np.einsum("bpo,pod->bpd", share, chosen)
        information = np.einsum("bpo,pod,poe->bde", share, chosen, chosen)
        information -= np.einsum("bpd,bpe,bp->bde", mean, mean, 1 / np.maximum(played, 1e-12))
        ridged = information + 1e-8 * np.eye(len(free))
        step = np.clip(np.linalg.solve(ridged, gradient[:, :, None])[:, :, 0], -2, 2)
        parameters[:, free] = np.clip(parameters[:, free] + step, -LIMIT, LIMIT)
        if np.abs(step).max() < 1e-10:
            break
    return parameters, information


def _free(counts: Array, arms: int) -> NDArray[np.intp]:
    """Which parameters are estimated: all strengths but the first, and ν where there are ties."""
    return np.array([*range(1, arms), *([arms] if counts[..., 2].sum() > 0 else [])], dtype=np.intp)


def davidson(won: Array, tied: Array) -> Fit:
    """Maximum likelihood of Davidson's (1970) model; without ties it is Bradley & Terry's (1952).

    won[i, j]: how often i beat j; tied[i, j] = tied[j, i]: ties. Strengths must be finite (see `obstacle`).
    """
    arms = len(won)
    pairs = list(combinations(range(arms), 2))
    counts = np.array([[[won[i, j], won[j, i], tied[i, j]] for i, j in pairs]], dtype=float)
    free = _free(counts, arms)
    parameters, information = _newton(counts, _features(arms), free)
    covariance = np.zeros((arms, arms))
    covariance[1:, 1:] = np.linalg.inv(information[0])[: arms - 1, : arms - 1]
    strengths = parameters[0, :arms]
    return Fit(strengths - strengths.mean(), covariance, float(parameters[0, arms]) if arms in free else None)


def _reach(beats: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Transitive closure of (B, K, K) relations."""
    reach = beats | np.eye(beats.shape[-1], dtype=bool)
    for _ in range(beats.shape[-1]):
        reach = (reach.astype(np.uint8) @ reach.astype(np.uint8)) > 0
    return np.asarray(reach)


def _beats(counts: Array, arms: int) -> NDArray[np.bool_]:
    """Who took at least half a point from whom, (B, K, K), from counts (B, P, 3)."""
    table = np.zeros((len(counts), arms, arms), dtype=bool)
    for p, (i, j) in enumerate(combinations(range(arms), 2)):
        table[:, i, j] = counts[:, p, [0, 2]].sum(axis=1) > 0
        table[:, j, i] = counts[:, p, [1, 2]].sum(axis=1) > 0
    return table


def obstacle(counts: Array, arms: int) -> str:
    """Why strengths have no finite estimate for counts (P, 3), or nothing (Ford 1957: strongly connected)."""
    beats = _beats(counts[None], arms)
    linked = _reach(beats | beats.swapaxes(1, 2))
    if not linked.all():
        return "undefined: the arms were never compared with each other"
    if not _reach(beats).all():
        return "undefined: some arms won every comparison with the others, so their strength has no finite estimate"
    return ""


def strengths(leads: Array, *, arms: int, settings: Settings) -> list[Estimate]:
    """Log strength of each arm (mean zero) from leads (n items, P pairs as combinations orders them)."""
    fair = ~np.isnan(leads) & ~np.isinf(leads)
    close = np.abs(np.where(fair, leads, 1)) < 1e-9
    outcomes = np.stack([fair & ~close & (leads > 0), fair & ~close & (leads < 0), fair & close], axis=2).astype(float)
    used = fair.any(axis=1)
    outcomes, n = outcomes[used], int(used.sum())
    settings_counts = Counts(n_items=n)
    if arms < 2 or n == 0:
        return [nothing("undefined: nothing was compared", settings=settings, counts=settings_counts)] * arms
    counts = outcomes.sum(axis=0)
    reason = obstacle(counts, arms)
    if reason:
        return [nothing(reason, settings=settings, counts=settings_counts)] * arms
    draws = np.concatenate([_draw(w, outcomes, arms) for w in resample_weights(n, settings)])
    won, tied = _tables(counts, arms)
    point = davidson(won, tied).strengths
    return [percentile_estimate(point[k], draws[:, k], settings=settings, counts=settings_counts) for k in range(arms)]


def _draw(weights: Array, outcomes: Array, arms: int) -> Array:
    """Strengths in each resample; NaN where they are infinite."""
    counts = np.einsum("bn,npo->bpo", weights, outcomes, optimize=True)
    parameters, _ = _newton(counts, _features(arms), _free(counts, arms))
    found = parameters[:, :arms] - parameters[:, :arms].mean(axis=1, keepdims=True)
    found[~_reach(_beats(counts, arms)).all(axis=(1, 2))] = np.nan
    return np.asarray(found)


def _tables(counts: Array, arms: int) -> tuple[Array, Array]:
    won, tied = np.zeros((arms, arms)), np.zeros((arms, arms))
    for p, (i, j) in enumerate(combinations(range(arms), 2)):
        won[i, j], won[j, i], tied[i, j] = counts[p]
        tied[j, i] = tied[i, j]
    return won, tied


@dataclass(frozen=True)
class Rank:
    """The best and the worst place that the intervals allow; 1 is best."""

    best: int
    worst: int


def ranks(lows: Array) -> list[Rank]:
    """Ranks as ranges from lower bounds of pairwise differences: lows[i, j] of arm i minus arm j; NaN: unknown."""
    above = np.nan_to_num(lows, nan=-1.0) > 0  # i surely above j
    return [Rank(1 + int(above[:, k].sum()), len(above) - int(above[k].sum())) for k in range(len(above))]
