"""How often do intervals cover the truth? The simulation behind docs/decisions/interval-method.md.

Run: python -m evalhub.reports.statistics.coverage [STUDIES]   (2,000 by default, a few minutes)
"""

import sys
from collections.abc import Callable

import numpy as np

from evalhub.reports.statistics.intervals import METHODS, method_for, resampled
from evalhub.reports.statistics.result import Array, Settings

SIZES = (5, 8, 10, 15, 20, 30, 100)
Draw = Callable[[np.random.Generator, int, int], Array]


def whole(raw: Array) -> Array:
    """Item means (n, columns) of raw scores (n, columns, raters) given as whole points 1–10."""
    return np.asarray(np.clip(np.rint(raw), 1, 10).mean(axis=2))


def scores(quality: float, spread: float, noise: float, raters: int) -> Draw:
    """Item means of whole scores 1–10 by `raters` raters: (n items, columns)."""

    def draw(rng: np.random.Generator, n: int, columns: int) -> Array:
        item = rng.normal(quality, spread, (n, columns, 1))
        return whole(item + rng.normal(0, noise, (n, columns, raters)))

    return draw


def paired(gap: float) -> Draw:
    """Differences of two arms on the same items, whole scores 1–10, two raters, many ties."""

    def draw(rng: np.random.Generator, n: int, columns: int) -> Array:
        item = rng.normal(6, 1.2, (n, columns, 1))
        arms = [item + shift + rng.normal(0, 0.8, (n, columns, 1)) for shift in (0.0, gap)]
        first, second = (whole(a + rng.normal(0, 1, (n, columns, 2))) for a in arms)
        return second - first

    return draw


def ceiling(rng: np.random.Generator, n: int, columns: int) -> Array:
    """Scores 0–100 that lean on the upper end, as good answers do: skewed, with many 100s."""
    raw = 100 - rng.gamma(0.7, 12, (n, columns, 3))
    return np.asarray(np.clip(np.rint(raw / 5) * 5, 0, 100).mean(axis=2))


def two_kinds(rng: np.random.Generator, n: int, columns: int) -> Array:
    """One item in six fails badly, the others are fine."""
    bad = rng.random((n, columns)) < 1 / 6
    return whole(np.where(bad, 2.5, 8)[:, :, None] + rng.normal(0, 1, (n, columns, 1)))


POPULATIONS: dict[str, Draw] = {
    "middle, 2 raters": scores(6, 1.5, 1.0, 2),
    "near the top, 2 raters": scores(9, 1.2, 0.8, 2),
    "difference, none": paired(0.0),
    "difference, 0.5": paired(0.5),
    "0–100 at the ceiling": ceiling,
    "one item in six fails": two_kinds,
}


def coverage(draw: Draw, n: int, studies: int, settings: Settings) -> dict[str, tuple[float, float]]:
    """Share of intervals that cover the population's mean, and their mean length, by method."""
    rng = np.random.default_rng([settings.seed, n, studies])
    truth = draw(np.random.default_rng(1), 400_000, 1).mean()
    values = draw(rng, n, studies)
    sample = resampled(values[:, values.std(axis=0) > 0], settings)  # a constant sample gets no interval at all
    found = {}
    for name, method in METHODS.items():
        low, high = method(sample, settings.level)
        found[name] = (float(((low <= truth) & (truth <= high)).mean()), float((high - low).mean()))
    return found


def false_verdicts(n: int, arms: int, studies: int, settings: Settings) -> float:
    """Share of studies of equal arms in which at least one is called superior or inferior to the baseline.

    Intervals are simultaneous over the arms − 1 comparisons, as the report's are.
    """
    rng = np.random.default_rng([settings.seed, n, arms])
    level, wrong = 1 - (1 - settings.level) / (arms - 1), np.zeros(studies, dtype=bool)
    item = rng.normal(6, 1.2, (n, studies, 1))
    base, *others = (
        whole(item + rng.normal(0, 0.8, (n, studies, 1)) + rng.normal(0, 1, (n, studies, 2))) for _ in range(arms)
    )
    for other in others:
        low, high = METHODS[method_for(n)](resampled(other - base, settings), level)
        wrong |= (low > 0) | (high < 0)
    return float(wrong.mean())


def main(studies: int) -> None:
    """Prints one table: population × n × method."""
    print("| population | n | " + " | ".join(METHODS) + " |\n|---|---|" + "---|" * len(METHODS))  # noqa: T201
    for name, draw in POPULATIONS.items():
        for n in SIZES:
            found = coverage(draw, n, studies, Settings(resamples=2_000, seed=20))
            cells = " | ".join(f"{100 * covered:.1f} ({length:.2f})" for covered, length in found.values())
            print(f"| {name} | {n} | {cells} |", flush=True)  # noqa: T201


def show_false_verdicts(studies: int) -> None:
    """Prints the second table: n × number of arms."""
    print("\n| n | 2 arms | 3 arms | 4 arms |\n|---|---|---|---|")  # noqa: T201
    for n in SIZES:
        settings = Settings(resamples=4_000, seed=20)
        shares = [f"{100 * false_verdicts(n, arms, studies, settings):.1f}" for arms in (2, 3, 4)]
        print(f"| {n} | {' | '.join(shares)} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    main(wanted)
    show_false_verdicts(wanted)
