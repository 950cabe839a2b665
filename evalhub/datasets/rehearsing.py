"""What freezing would refuse now: its own gate, asked before anybody freezes, for the readiness panel.

The checks find the same prompt on two sides by themselves. Near duplicates in train and test depend on who follows whom
when the split is made, so freezing is rehearsed as it usually is, with nothing stored.
"""

from collections.abc import Iterator

from evalhub.datasets.checks.near import percent
from evalhub.datasets.checks.report import Finding
from evalhub.datasets.freezing import Plan, decide
from evalhub.datasets.leakage import Leak
from evalhub.datasets.models import Dataset, Example, Split
from evalhub.errors import Refused


def refused_by_freezing(dataset: Dataset) -> list[Finding]:
    """Examples that nearly repeat a tested one, of this dataset (and that one, too) or of another."""
    try:
        return [finding for leak in decide(dataset, Plan()).leaks for finding in _told(dataset, leak)]
    except Refused:  # one prompt on two sides, which copies.py tells
        return []


def tests_something(dataset: Dataset) -> bool:
    """Whether a side of this dataset is tested: since a row asks for it, or the last version tests it."""
    last = dataset.versions.first()
    asked = dataset.examples.filter(wanted_split=Split.TEST, state=Example.State.APPROVED)
    return bool(last and last.counts.get("test")) or asked.exists()


def _told(dataset: Dataset, leak: Leak) -> Iterator[Finding]:
    alike = percent(leak.similarity)
    if leak.test_dataset != dataset.slug:
        kind = "benchmark" if leak.benchmark else "test set"
        reason = f"The prompt nearly repeats one of the {kind} “{leak.test_dataset[:120]}” ({alike} alike)."
        yield Finding(leak.train, "contamination", reason)
        return
    yield Finding(leak.train, "leaks", f"Nearly repeats example {leak.test} ({alike} alike), which is tested.")
    if leak.version == 0:
        yield Finding(leak.test, "leaks", f"Is tested, and example {leak.train} nearly repeats it ({alike} alike).")
