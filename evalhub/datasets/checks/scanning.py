"""Checks that look at each text by itself: what a scan reports becomes one finding per example."""

import re
from collections.abc import Callable, Iterator, Sequence

from evalhub.datasets.checks.report import MOST_REASON, Finding
from evalhub.datasets.checks.text import Text

Scan = Callable[[Text], str]  # the reason, "" where nothing was found
_CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]*`", re.DOTALL)


class Scanning:
    """One kind of finding, of each text by itself."""

    def __init__(self, kind: str, scan: Scan) -> None:
        self._kind, self._scan = kind, scan
        self._found: list[Finding] = []

    def take(self, texts: Sequence[Text]) -> None:
        for text in texts:
            if reason := self._scan(text):
                self._found.append(Finding(text.id, self._kind, reason[:MOST_REASON]))

    def findings(self) -> Iterator[Finding]:
        yield from self._found


def without_code(text: str) -> str:
    """The text without fenced code and code spans of Markdown."""
    return _CODE.sub(" ", text) if "`" in text or "~~~" in text else text


def listed(counts: dict[str, int], most: int = 3) -> str:
    """ "e-mail address, 2 phone numbers and 1 other kind" from {what: how many}."""
    named = [what if number == 1 else f"{number:,} × {what}" for what, number in counts.items()]
    rest = len(named) - most
    return ", ".join(named[:most]) + (f" and {rest} more kind{'s' if rest > 1 else ''}" if rest > 0 else "")
