"""From a difference to a decision: verdicts by interval, sign-flip p, Holm, effect sizes."""

from enum import StrEnum

import numpy as np

from evalhub.reports.statistics.intervals import CELLS, by_pattern, rate_estimate
from evalhub.reports.statistics.result import Array, Estimate, Settings


class Verdict(StrEnum):
    """What an interval of the difference a − b allows one to say about a."""

    SUPERIOR = "superior"  # above zero
    EQUIVALENT = "equivalent"  # within the margin on both sides
    INFERIOR = "inferior"  # below zero, and not within the margin: b is superior
    NOT_WORSE = "not worse"  # above minus the margin
    UNDECIDED = "undecided"


def verdict(low: float | None, high: float | None, margin: float | None) -> Verdict:
    """The verdict of a simultaneous interval; margin None: none was fixed, so only zero decides.

    Where several hold the first of the list above is said.
    """
    if low is None or high is None:
        return Verdict.UNDECIDED
    rules = {
        Verdict.SUPERIOR: low > 0,
        Verdict.EQUIVALENT: margin is not None and -margin < low and high < margin,
        Verdict.INFERIOR: high < 0,
        Verdict.NOT_WORSE: margin is not None and low > -margin,
    }
    return next((name for name, holds in rules.items() if holds), Verdict.UNDECIDED)


def sign_flips(differences: Array, settings: Settings) -> list[float | None]:
    """Two-sided permutation p of each column of paired differences (n, K), NaN where an item is missing.

    Signs are flipped at random; p = (b + 1) / (B + 1), never 0 (Phipson & Smyth 2010). None without differences.
    """
    found: list[float | None] = [None] * differences.shape[1]
    for columns, complete in by_pattern(differences):
        for k, p in zip(columns, _flipped(complete, settings), strict=True):
            found[k] = float(p)
    return found


def _flipped(complete: Array, settings: Settings) -> Array:
    n = len(complete)
    rng = np.random.default_rng([settings.seed, n, 1])
    observed, beyond = np.abs(complete.sum(axis=0)) - 1e-9, np.zeros(complete.shape[1])
    block = max(1, CELLS // n)
    for start in range(0, settings.resamples, block):
        flips = rng.integers(0, 2, (min(block, settings.resamples - start), n), dtype=np.int8)
        beyond += (np.abs((2.0 * flips - 1) @ complete) >= observed).sum(axis=0)
    return np.asarray((beyond + 1) / (settings.resamples + 1))


def holm(p_values: list[float | None]) -> list[float | None]:
    """Holm's step-down adjustment over the p-values that exist (Holm 1979)."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        adjusted[place] = highest
    return adjusted


def standardised(differences: Array) -> float | None:
    """d_z: mean over standard deviation of the paired differences; None where they do not vary."""
    kept = differences[~np.isnan(differences)]
    if len(kept) < 2 or np.ptp(kept) < 1e-12:
        return None
    return float(kept.mean() / kept.std(ddof=1))


def superiority(differences: Array, settings: Settings) -> Estimate:
    """Probability that an item scores higher in a than in b, ties as half."""
    outcomes = np.where(np.abs(differences) < 1e-9, 0.5, (differences > 0).astype(float))
    return rate_estimate(np.where(np.isnan(differences), np.nan, outcomes), settings)
