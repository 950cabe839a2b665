"""All checks over real-shaped examples: seconds of one core, memory, and the recall of planted near duplicates.

`python -m benchmarks checks` takes 52,000 examples, `checks_million` 1,000,000 and some minutes.
`python -m benchmarks.checks COUNT` is the process that is measured; it prints what it found as JSON.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import Measure, Outcome
from benchmarks.rows import EVERY, texts
from evalhub.datasets.checks.near import Near
from evalhub.datasets.checks.neighbours import WORDS, words
from evalhub.datasets.checks.report import Finding
from evalhub.datasets.checks.run import CHUNK, check
from evalhub.datasets.checks.text import OtherSet, Text
from evalhub.datasets.checks.thresholds import Thresholds

ROOT = Path(__file__).resolve().parent.parent
COUNT, MANY = 52_000, 1_000_000
REPEATS = 3
TESTED = 2_000  # prompts of a test set that is looked for
MEMORY_GB = 24
METHOD = (
    "Examples of 20, 60 and 80 words (instruction, input, output) out of real sentences; one in {every} repeats the "
    "one before but for 1 to 6 words, and those pairs with a Jaccard index of .8 or more (runs of three words) are to "
    "be found. All checks, with a test set of {tested:,} prompts and no tokenizer, in a process of its own on one "
    "core. CPU seconds, without making the texts; the largest resident memory of the process. {repeats}."
)


def run() -> Outcome:
    """52,000 examples, several times."""
    measured = [_process(COUNT) for _ in range(REPEATS)]
    return Outcome(
        name="checks",
        title="All checks over 52,000 examples",
        method=METHOD.format(every=EVERY, tested=TESTED, repeats=f"Median of {REPEATS} runs"),
        measures=[
            Measure("All checks", "s", _each(measured, "seconds"), limit=40),
            Measure("Near duplicates alone", "s", _each(measured, "near_seconds"), limit=10),
            Measure("Planted pairs missed", "%", _each(measured, "missed_percent"), limit=1),
            Measure("Largest memory", "MB", _each(measured, "megabytes")),
        ],
        facts={"last_run": measured[-1]},
    )


def run_million() -> Outcome:
    """1,000,000 examples, once."""
    measured = [_process(MANY)]
    return Outcome(
        name="checks_million",
        title="All checks over 1,000,000 examples",
        method=METHOD.format(every=EVERY, tested=TESTED, repeats="One run"),
        measures=[
            Measure("All checks", "s", _each(measured, "seconds")),
            Measure("Largest memory", "MB", _each(measured, "megabytes"), limit=MEMORY_GB * 1000),
            Measure("Planted pairs missed", "%", _each(measured, "missed_percent"), limit=1),
        ],
        facts={"last_run": measured[-1]},
    )


def _each(measured: list[dict[str, Any]], name: str) -> list[float]:
    return [one[name] for one in measured]


def _process(count: int) -> dict[str, Any]:
    """What a process of its own measures, on one core."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.checks", str(count)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-1500:])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(count: int) -> dict[str, Any]:
    """Seconds of all checks and of near duplicates alone (of the smaller dataset only), memory, pairs missed."""
    tested = OtherSet("tested", "test set", [text.prompt for text in texts(TESTED, seed=2)])
    making = Making(texts(count))
    begun = time.process_time()
    report = check(making, Thresholds(), others=[tested], total=count)
    seconds = time.process_time() - begun - making.seconds
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    expected = planted(texts(count))
    missed = sum(not together for together in found_together(report.findings, expected))
    return {
        "seconds": round(seconds, 1),
        "near_seconds": round(near_seconds(count), 1) if count <= COUNT else None,
        "megabytes": round(megabytes),
        "planted": len(expected),
        "missed": missed,
        "missed_percent": round(100 * missed / max(len(expected), 1), 3),
        "findings": dict(Counter(finding.kind for finding in report.findings)),
    }


class Making:
    """An iterator that knows how long making its things took."""

    def __init__(self, things: Iterator[Text]) -> None:
        self._things, self.seconds = things, 0.0

    def __iter__(self) -> Iterator[Text]:
        return self

    def __next__(self) -> Text:
        begun = time.process_time()
        try:
            return next(self._things)
        finally:
            self.seconds += time.process_time() - begun


def near_seconds(count: int) -> float:
    """CPU seconds of finding clusters of near duplicates and the nearest neighbours, without the other checks."""
    given, near = list(texts(count)), Near(Thresholds())
    begun = time.process_time()
    for start in range(0, count, CHUNK):
        near.take(given[start : start + CHUNK])
    near.close(np.arange(count, dtype=np.uint64))
    list(near.findings())
    return time.process_time() - begun


def planted(given: Iterable[Text]) -> list[tuple[int, int]]:
    """Ids of the planted pairs of an index of .8 or more, compared directly."""
    pairs = ((before, after) for before, after in pairwise(given) if after.id % EVERY == 0)
    return [(before.id, after.id) for before, after in pairs if index(before.whole, after.whole) >= 0.8]


def index(one: str, other: str) -> float:
    first, second = (
        set(zip(*(found[at:] for at in range(WORDS)), strict=False)) for found in (words(one), words(other))
    )
    return len(first & second) / len(first | second)


def found_together(findings: Iterable[Finding], pairs: list[tuple[int, int]]) -> list[bool]:
    """Whether each pair stands in one cluster."""
    groups = {finding.id: finding.group for finding in findings if finding.kind == "near"}
    return [first in groups and groups[first] == groups.get(second) for first, second in pairs]


if __name__ == "__main__":
    json.dump(measure(int(sys.argv[1])), sys.stdout)
