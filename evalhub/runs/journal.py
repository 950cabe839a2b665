"""What a process tells, made into what a page shows. Pure: events in, values out; twice is as good as once."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

LOG_LINES = 200
MOST_POINTS = 800
MOST_SAMPLES = 60
MOST_WARNINGS = 20
VALIDATION = "validation_loss"

Event = dict[str, Any]


@dataclass
class Story:
    """A run's progress and the journal of it, built up event by event."""

    done: int = 0
    total: int = 0
    unit: str = "steps"
    eta_seconds: float | None = None
    message: str = ""
    last_sign: float = 0.0  # Unix seconds of the last event
    metrics: dict[tuple[int, bool], Event] = field(default_factory=dict)
    samples: dict[tuple[int, str], Event] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    log: deque[Event] = field(default_factory=lambda: deque(maxlen=LOG_LINES))

    def take(self, events: Iterable[Event]) -> None:
        for event in events:
            self.last_sign = max(self.last_sign, float(event.get("t", 0)))
            handler = getattr(self, f"_on_{event.get('kind')}", None)
            if handler:
                handler(event)

    def progress(self) -> dict[str, Any]:
        """The columns of Run that the events speak of."""
        return {
            "done": self.done,
            "total": self.total,
            "unit": self.unit[:20],
            "eta_seconds": self.eta_seconds,
            "message": self.message[:500],
        }

    def journal(self) -> dict[str, Any]:
        """The columns of Journal."""
        return {
            "metrics": thinned(list(self.metrics.values())),
            "samples": list(self.samples.values())[-MOST_SAMPLES:],
            "warnings": self.warnings[:MOST_WARNINGS],
            "log": list(self.log),
        }

    def _on_progress(self, event: Event) -> None:
        self.done, self.total = int(event["done"]), int(event["total"])
        self.unit = str(event.get("unit") or "steps")
        self.eta_seconds = event.get("eta_seconds")

    def _on_log(self, event: Event) -> None:
        self.message = str(event.get("text", ""))
        self._write(event, self.message, str(event.get("level", "info")))

    def _on_warning(self, event: Event) -> None:
        text = str(event.get("text", ""))
        if text not in self.warnings:
            self.warnings.append(text)
        self._write(event, text, "warning")

    def _on_metric(self, event: Event) -> None:
        values = {name: value for name, value in event.items() if name not in ("t", "kind")}
        self.metrics[int(values.get("step", 0)), VALIDATION in values] = values
        self._write(event, said(values), "metric")

    def _on_sample(self, event: Event) -> None:
        step, about = int(event.get("step", 0)), str(event.get("id", ""))
        self.samples[step, about] = {"step": step, "id": about, "text": str(event.get("text", ""))}

    def _on_resumed(self, event: Event) -> None:
        self._write(event, f"Resumed at {event.get('done', 0)}.", "info")

    def _write(self, event: Event, text: str, level: str) -> None:
        moment = datetime.fromtimestamp(float(event.get("t", 0)), UTC)
        self.log.append({"at": moment.isoformat(timespec="seconds"), "text": text, "level": level})


def said(values: Event) -> str:
    """A metric as a line of the log: "step 120  loss 0.9262  lr 0.0002"."""
    return "  ".join(f"{name} {_short(value)}" for name, value in values.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def thinned(points: list[Event]) -> list[Event]:
    """At most MOST_POINTS points: every validation, and evenly spaced ones of the others."""
    points = sorted(points, key=lambda point: int(point.get("step", 0)))
    stride = -(-len(points) // MOST_POINTS)
    return [point for number, point in enumerate(points) if VALIDATION in point or number % max(1, stride) == 0]
