"""How long instructions, inputs and outputs are, which outputs are unusual in that, and what would be cut off."""

from array import array
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from evalhub.datasets.checks.bins import histogram
from evalhub.datasets.checks.report import Finding, Histogram
from evalhub.datasets.checks.text import Text
from evalhub.datasets.checks.thresholds import Thresholds

MEASURED = ("instruction", "input", "output")
FEWEST = 20  # outputs before any of them is unusual
CONTEXT = "context"
Tokenize = Callable[[Sequence[str]], Sequence[int]]


class Lengths:
    """Characters of each part of every example, and tokens where the model's tokenizer is given."""

    def __init__(self, settings: Thresholds, tokenize: Tokenize | None) -> None:
        self._settings, self._tokenize = settings, tokenize
        self._ids = array("q")
        self._characters = {name: array("l") for name in MEASURED}
        self._tokens = {name: array("l") for name in (*MEASURED, CONTEXT)}

    def take(self, texts: Sequence[Text]) -> None:
        self._ids.extend(text.id for text in texts)
        for name, lengths in self._characters.items():
            lengths.extend(len(getattr(text, name)) for text in texts)
        for name, lengths in self._tokens.items() if self._tokenize else ():
            lengths.extend(self._count([getattr(text, name) for text in texts]))

    def _count(self, parts: list[str]) -> list[int]:
        """Tokens of each part; the empty ones are not asked for."""
        assert self._tokenize
        counted = iter(self._tokenize([part for part in parts if part]))
        return [next(counted) if part else 0 for part in parts]

    @property
    def histograms(self) -> tuple[Histogram, ...]:
        measured = [(name, "characters", self._characters[name]) for name in MEASURED]
        if self._tokenize:
            measured += [(name, "tokens", self._tokens[name]) for name in MEASURED]
        return tuple(histogram(name, unit, np.array(values)) for name, unit, values in measured)

    def findings(self) -> Iterator[Finding]:
        yield from self._outliers()
        yield from self._truncated()

    def _outliers(self) -> Iterator[Finding]:
        """One for each output that is unusually long, or all but empty."""
        for at, reason in (self._long() | self._short()).items():
            yield Finding(self._ids[at], "lengths", reason)

    def _long(self) -> dict[int, str]:
        """{position: reason} of outputs beyond Tukey's fence, widened; in tokens where they are known."""
        unit, lengths = ("tokens", self._tokens) if self._tokenize else ("characters", self._characters)
        outputs = np.array(lengths["output"], dtype=np.int64)
        if outputs.size < FEWEST:
            return {}
        low, high = np.percentile(outputs, (25, 75))
        fence = high + self._settings.length_fence * max(high - low, 1)
        usual = f"three quarters of the outputs have at most {high:,.0f}"
        beyond = np.flatnonzero(outputs > fence).tolist()
        return {at: f"The output has {outputs[at]:,} {unit}; {usual}." for at in beyond}

    def _short(self) -> dict[int, str]:
        characters = np.array(self._characters["output"])
        few = np.flatnonzero(characters < self._settings.shortest_output).tolist()
        return {at: f"The output has {_counted(int(characters[at]))}." for at in few}

    def _truncated(self) -> Iterator[Finding]:
        if not self._tokenize:
            return
        totals = np.sum([np.array(counts, dtype=np.int64) for counts in self._tokens.values()], axis=0)
        most = self._settings.max_tokens
        for at in np.flatnonzero(totals > most).tolist():
            yield Finding(self._ids[at], "truncated", f"It has {totals[at]:,} tokens; after {most:,} it is cut off.")


def _counted(characters: int) -> str:
    return "1 character" if characters == 1 else f"{characters:,} characters"
