"""Keeps a benchmark's outcome: <date>-<name>.json with every repeat, and a short table in Markdown."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

FOLDER = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Measure:
    """One quantity: repeats of ours, repeats of the peer where there is one, and the limit we set ourselves."""

    name: str
    unit: str
    ours: Sequence[float]
    peer: Sequence[float] = ()
    limit: float | None = None

    @property
    def value(self) -> float:
        return median(self.ours)

    @property
    def peer_value(self) -> float | None:
        return median(self.peer) if self.peer else None

    @property
    def ratio(self) -> float | None:
        """How many times more the peer needs."""
        return self.peer_value / self.value if self.peer_value is not None and self.value else None

    @property
    def holds(self) -> bool | None:
        return None if self.limit is None else self.value <= self.limit

    def summary(self) -> dict[str, Any]:
        derived = {"median": self.value, "peer_median": self.peer_value, "ratio": self.ratio, "holds": self.holds}
        return {**asdict(self), **derived}


@dataclass(frozen=True)
class Outcome:
    """What one benchmark found. `failures` name what could not be measured, and why."""

    name: str
    title: str
    method: str
    measures: Sequence[Measure]
    peer: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    failures: Sequence[str] = ()

    @property
    def holds(self) -> bool:
        return not self.failures and all(measure.holds is not False for measure in self.measures)


def keep(outcome: Outcome, machine: dict[str, Any]) -> Path:
    """Write both files; `machine` is what it was like before the measurement. Returns the table's path."""
    FOLDER.mkdir(exist_ok=True)
    stem = f"{time.strftime('%Y-%m-%d')}-{outcome.name}"
    record: dict[str, Any] = {
        "name": outcome.name,
        "date": time.strftime("%Y-%m-%d"),
        "title": outcome.title,
        "method": outcome.method,
        "peer": outcome.peer,
        "machine": machine,
        "facts": outcome.facts,
        "measures": [measure.summary() for measure in outcome.measures],
        "failures": list(outcome.failures),
    }
    (FOLDER / f"{stem}.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    table = FOLDER / f"{stem}.md"
    table.write_text(markdown(outcome, machine), encoding="utf-8")
    return table


def markdown(outcome: Outcome, machine: dict[str, Any]) -> str:
    """The table that people read."""
    peer = outcome.peer or "peer"
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, load {machine['load']}"
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    lines = [f"# {outcome.title}", "", outcome.method, "", f"{time.strftime('%Y-%m-%d')} · {where} · {versions}", ""]
    if any(measure.peer for measure in outcome.measures):
        lines += [f"| median | evalhub | limit | {peer} | {peer} ÷ evalhub |", "|---|--:|--:|--:|--:|"]
        lines += [row(measure, beside_peer=True) for measure in outcome.measures]
    else:
        lines += ["| median | evalhub | limit |", "|---|--:|--:|"]
        lines += [row(measure, beside_peer=False) for measure in outcome.measures]
    lines += ["", *(f"Not measured: {failure}" for failure in outcome.failures)]
    return "\n".join(lines).rstrip() + "\n"


def row(measure: Measure, *, beside_peer: bool) -> str:
    limit = "" if measure.limit is None else f"{'≤' if measure.holds else 'missed: ≤'} {measure.limit:g}"
    cells = [f"{measure.name}, {measure.unit}", f"{measure.value:g}", limit]
    if beside_peer:
        cells.append("" if measure.peer_value is None else f"{measure.peer_value:g}")
        cells.append("" if measure.ratio is None else f"{measure.ratio:.1f}")
    return "| " + " | ".join(cells) + " |"
