"""Distinct-n of instructions and outputs (Li et al. 2016, A Diversity-Promoting Objective Function), over a sample.

The measure falls as texts are added, whatever they say; over a sample of fixed size datasets can be compared.
"""

import random
from collections.abc import Sequence

from evalhub.datasets.checks.neighbours import words
from evalhub.datasets.checks.report import Distinct
from evalhub.datasets.checks.text import Text

SAMPLE = 2000
LONGEST = 3  # words per run
MEASURED = ("instruction", "output")


class Variety:
    """A sample of the texts, drawn evenly while they pass (Vitter 1985, algorithm R)."""

    def __init__(self, *, seed: int = 7) -> None:
        self._random = random.Random(seed)  # noqa: S311 — a sample, not a secret
        self._kept: list[tuple[str, str]] = []
        self._seen = 0

    def take(self, texts: Sequence[Text]) -> None:
        for text in texts:
            self._seen += 1
            if len(self._kept) < SAMPLE:
                self._kept.append((text.instruction, text.output))
            elif (at := self._random.randrange(self._seen)) < SAMPLE:
                self._kept[at] = (text.instruction, text.output)

    @property
    def distinct(self) -> tuple[Distinct, ...]:
        return tuple(_measured(name, [kept[at] for kept in self._kept]) for at, name in enumerate(MEASURED))


def distinct(texts: Sequence[str], n: int) -> float:
    """Different runs of n words per run of n words, 0 to 1; 0 where there is none."""
    runs: list[tuple[str, ...]] = []
    for text in texts:
        found = words(text)
        runs += zip(*(found[at:] for at in range(n)), strict=False)
    return len(set(runs)) / len(runs) if runs else 0.0


def _measured(name: str, texts: list[str]) -> Distinct:
    shares = tuple(distinct(texts, n) for n in range(1, LONGEST + 1))
    if not any(shares):
        return Distinct(name, f"No {name} has words to compare.", len(texts))
    sentence = (
        f"Of all runs of three words in {len(texts):,} {name}s, {_percent(shares[2])} are different; of single words "
        f"{_percent(shares[0])}."
    )
    return Distinct(name, sentence, len(texts), shares)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"
