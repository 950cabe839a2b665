"""How the outputs of each category are formatted, and which of them break a habit that nearly all others keep."""

import re
from array import array
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from evalhub.datasets.checks.report import Finding
from evalhub.datasets.checks.text import Text
from evalhub.datasets.checks.thresholds import Thresholds

_BULLET = re.compile(r"^[ \t]*[-*•] \S", re.MULTILINE)
_NUMBERED = re.compile(r"^[ \t]*\d{1,3}[.)] \S", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} \S", re.MULTILINE)
_TRAILING = re.compile(r"[ \t](?:\n|\Z)|\n\Z")
_BOLD = re.compile(r"\*\*[^\s*](?:[^*\n]*[^\s*])?\*\*")
_END = tuple(".!?…。！？؟।:;\"”’»')]}")

# What an output does, how it is told of one that does, and of one that does not.
HABITS: tuple[tuple[Callable[[str], object], str, str], ...] = (
    (_BULLET.search, "has a bulleted list", "has no bulleted list"),
    (_NUMBERED.search, "has a numbered list", "has no numbered list"),
    (_HEADING.search, "has headings", "has no headings"),
    (lambda output: "```" in output, "has a code block", "has no code block"),
    (_BOLD.search, "has bold text", "has no bold text"),
    (_TRAILING.search, "has white space at the end of a line", "has no white space at the end of a line"),
    (lambda output: output.rstrip().endswith(_END), "ends with punctuation", "ends without punctuation"),
    (lambda output: output[:1].islower(), "begins in lower case", "does not begin in lower case"),
    (lambda output: "\n" in output.strip(), "has several lines", "has a single line"),
)


class Habits:
    """A bit per habit for each example, and its category's number."""

    def __init__(self, settings: Thresholds) -> None:
        self._settings = settings
        self._ids, self._marks, self._categories = array("q"), array("H"), array("l")
        self._numbers: dict[str, int] = {}

    def take(self, texts: Sequence[Text]) -> None:
        for text in texts:
            if text.output.strip():
                self._ids.append(text.id)
                self._marks.append(marks(text.output))
                self._categories.append(self._numbers.setdefault(text.category, len(self._numbers)))

    def findings(self) -> Iterator[Finding]:
        all_marks, categories = np.array(self._marks), np.array(self._categories)
        for category, number in self._numbers.items():
            members = np.flatnonzero(categories == number)
            if members.size < self._settings.habit_examples:
                continue
            for at, told in self._breaks(all_marks[members]):
                others = f"“{category}”" if category else "the outputs"
                yield Finding(self._ids[members[at]], "format", f"{told} of {others}.")

    def _breaks(self, found: np.ndarray) -> Iterator[tuple[int, str]]:
        """(position within the category, reason): one for each example that breaks any habit."""
        has = (found[:, None] >> np.arange(len(HABITS))) & 1 == 1
        shares = has.mean(axis=0)
        usual = np.maximum(shares, 1 - shares)
        broken = (has != (shares > 0.5)) & (usual >= self._settings.habit_share)
        for at in np.flatnonzero(broken.any(axis=1)).tolist():
            which = int(np.argmax(np.where(broken[at], usual, 0)))
            words = HABITS[which][1] if has[at, which] else HABITS[which][2]
            yield at, f"The output {words}, unlike {min(usual[which], 0.999):.1%}".replace(".0%", "%")


def marks(output: str) -> int:
    """Bit n is set if the output does what HABITS[n] says."""
    return sum(1 << at for at, (does, _, _) in enumerate(HABITS) if does(output))
