"""Examples whose prompt repeats, or nearly repeats, a prompt of a test set or of a benchmark."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from evalhub.datasets.checks.near import percent
from evalhub.datasets.checks.neighbours import Prompt, Runs, Sketches, pairs_across
from evalhub.datasets.checks.report import Finding
from evalhub.datasets.checks.text import OtherSet, Text
from evalhub.datasets.checks.thresholds import Thresholds

TESTED = "test"  # such an example is not trained on


class Contamination:
    """The runs of words of every guarded prompt, then of the prompt of every example that may be trained on."""

    def __init__(self, settings: Thresholds, others: Sequence[OtherSet]) -> None:
        self._settings = settings
        self._others = [other for other in others if other.prompts]
        self._ids = array("q")
        self._runs = Runs()
        self._ends = list(accumulate(len(other.prompts) for other in self._others))
        for other in self._others:
            self._runs.add(other.prompts)

    def take(self, texts: Sequence[Text]) -> None:
        if self._others:
            trained = [text for text in texts if text.side != TESTED]
            self._ids.extend(text.id for text in trained)
            self._runs.add(Prompt(text.prompt, text.heads) for text in trained)

    def findings(self) -> Iterator[Finding]:
        if not self._others or not self._ids:
            return
        for pair in pairs_across(Sketches(self._runs), self._ends[-1], threshold=self._settings.contamination):
            other = self._others[bisect_right(self._ends, pair.second)]
            alike = "" if pair.similarity == 1 else f" ({percent(pair.similarity)} alike)"
            does = "nearly repeats" if alike else "repeats"
            reason = f"The prompt {does} one of the {other.kind} “{other.name[:120]}”{alike}."
            yield Finding(self._ids[pair.first], "contamination", reason)
