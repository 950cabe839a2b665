"""What every number carries with it: interval, n, method, settings, or the reason why it is undefined."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """Confidence level, number of resamples, and the seed that makes a run repeatable."""

    level: float = 0.95
    resamples: int = 10_000
    seed: int = 0


@dataclass(frozen=True)
class Counts:
    """What a number rests on."""

    n_items: int = 0
    n_raters: int = 0
    n_ratings: int = 0


@dataclass(frozen=True)
class Estimate:
    """A number with its interval. `undefined` gives the reason where the number or its interval is missing."""

    point: float | None
    low: float | None
    high: float | None
    n_items: int
    n_raters: int
    n_ratings: int
    method: str
    level: float
    resamples: int
    seed: int
    undefined: str = ""

    @property
    def excludes_zero(self) -> bool:
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def with_counts(self, counts: Counts) -> "Estimate":
        """The same number, resting on `counts`."""
        return replace(self, n_items=counts.n_items, n_raters=counts.n_raters, n_ratings=counts.n_ratings)


def estimate(
    point: float | None,
    low: float | None,
    high: float | None,
    *,
    method: str,
    settings: Settings,
    counts: Counts = Counts(),
    undefined: str = "",
) -> Estimate:
    """An Estimate from its parts."""
    return Estimate(
        point,
        low,
        high,
        counts.n_items,
        counts.n_raters,
        counts.n_ratings,
        method,
        settings.level,
        settings.resamples,
        settings.seed,
        undefined,
    )


def nothing(reason: str, *, settings: Settings = Settings(), counts: Counts = Counts()) -> Estimate:
    """No number, and why."""
    return estimate(None, None, None, method="none", settings=settings, counts=counts, undefined=reason)
