"""All checks over a dataset in one pass: `check`. Hashes and numbers stay in memory, texts do not."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from evalhub.datasets.checks import markers, personal, refusals, secrets
from evalhub.datasets.checks.balance import Spread
from evalhub.datasets.checks.contamination import Contamination
from evalhub.datasets.checks.copies import Copies
from evalhub.datasets.checks.distinct import Variety
from evalhub.datasets.checks.habits import Habits
from evalhub.datasets.checks.languages import Languages
from evalhub.datasets.checks.lengths import Lengths, Tokenize
from evalhub.datasets.checks.near import Near
from evalhub.datasets.checks.readiness import readiness
from evalhub.datasets.checks.report import CheckReport, Diversity, Finding
from evalhub.datasets.checks.scanning import Scan, Scanning
from evalhub.datasets.checks.text import OtherSet, Text
from evalhub.datasets.checks.thresholds import Thresholds
from evalhub.datasets.checks.verbs import Tasks
from evalhub.progress import Heard

CHUNK = 2000  # texts held at once
SCANS: dict[str, Scan] = {
    "personal": personal.scan,
    "secrets": secrets.scan,
    "markers": markers.scan,
    "refusals": refusals.scan,
}


class Taker(Protocol):
    """It is handed every text once, in chunks."""

    def take(self, texts: Sequence[Text]) -> None: ...


class Look(Taker, Protocol):
    """One check: when it has taken all texts it says what it found."""

    def findings(self) -> Iterator[Finding]: ...


def check(
    texts: Iterable[Text],
    settings: Thresholds,
    *,
    others: Sequence[OtherSet] = (),
    gate: Callable[[], Iterable[Finding]] | None = None,
    tokenize: Tokenize | None = None,
    heard: Heard | None = None,
    total: int = 0,
) -> CheckReport:
    """What is wrong with these examples, and their shape. At most one finding per kind and example.

    `others`: prompts that none of them may repeat. `gate`: what else keeps them from being frozen. `tokenize`: texts →
    how many tokens each has for the model that is to be tuned; without it lengths are in characters and nothing is said
    of what would be cut off. `total`: how many texts there are, so that `heard` can be told how much is done; its scale
    is its own.
    """
    checking = _Checking(settings, others, tokenize)
    progress = _Progress(heard, total)
    checking.read(texts, progress)
    found = checking.findings(progress)
    return checking.report(_once([*found, *gate()]) if gate else found)


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """The first finding of each kind and example."""
    found: dict[tuple[str, int], Finding] = {}
    for finding in findings:
        found.setdefault((finding.kind, finding.id), finding)
    return list(found.values())


class _Checking:
    """The checks of one run."""

    def __init__(self, settings: Thresholds, others: Sequence[OtherSet], tokenize: Tokenize | None) -> None:
        self.settings = settings
        self.count = 0
        self.copies, self.near, self.languages = Copies(), Near(settings), Languages(settings)
        self.lengths = Lengths(settings, tokenize)
        self.spread, self.variety, self.tasks = Spread(), Variety(), Tasks()
        self.looks: list[Look] = [self.copies, self.near, self.languages, self.lengths, Habits(settings)]
        self.looks += [Scanning(kind, scan) for kind, scan in SCANS.items()]
        self.looks += [Contamination(settings, others)]

    def read(self, texts: Iterable[Text], progress: "_Progress") -> None:
        """Hand every text to every check."""
        takers: list[Taker] = [*self.looks, self.spread, self.variety, self.tasks]
        for chunk in _chunks(texts, CHUNK):
            for taker in takers:
                taker.take(chunk)
            self.count += len(chunk)
            progress.read(self.count)

    def findings(self, progress: "_Progress") -> list[Finding]:
        """What each check found, one after the other."""
        self.near.close(self.copies.wholes)
        found: list[Finding] = []
        for at, look in enumerate(self.looks):
            found += look.findings()
            progress.compared((at + 1) / len(self.looks))
        return found

    def report(self, findings: Sequence[Finding]) -> CheckReport:
        usable, checks = readiness(self.count, findings, self.settings)
        return CheckReport(
            total=self.count,
            usable=usable,
            checks=(*checks, self.spread.balanced(self.settings.lopsided), self.spread.sourced()),
            balance=self.spread.balance(self.languages.spoken),
            lengths=self.lengths.histograms,
            diversity=Diversity(self.near.clusters, self.near.nearest, self.variety.distinct, self.tasks.verbs),
            findings=findings,
        )


class _Progress:
    """Four fifths of the way is reading, the last fifth comparing."""

    def __init__(self, heard: Heard | None, total: int) -> None:
        self._heard, self._total, self._read = heard, total, 0

    def read(self, count: int) -> None:
        self._read = count
        self._tell(count)

    def compared(self, share: float) -> None:
        """`share` of the comparing is done, 0 to 1."""
        self._tell(self._read + round(share * (self._goal - self._read)))

    @property
    def _goal(self) -> int:
        return max(self._total, self._read) * 5 // 4

    def _tell(self, done: int) -> None:
        if self._heard:
            self._heard(done, self._goal)


def _chunks(texts: Iterable[Text], size: int) -> Iterator[list[Text]]:
    stream = iter(texts)
    while chunk := list(islice(stream, size)):
        yield chunk
