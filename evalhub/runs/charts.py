"""Figures of a run as Vega-Lite specifications. Pure: points in, dicts out; colours are names of CSS tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
HEADROOM = 0.06  # of the range, above and below the curves
REDRAW_SECONDS = 5

Spec = dict[str, Any]


@dataclass(frozen=True)
class Loss:
    """The two curves of a training run: (step, loss per target token)."""

    train: tuple[tuple[int, float], ...]
    validation: tuple[tuple[int, float], ...]
    steps: int  # of the whole run; 0 where it is not known yet

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and value of the lowest validation loss, once there are two to compare."""
        return min(self.validation, key=lambda point: point[1]) if len(self.validation) > 1 else None

    @property
    def rising_since(self) -> int | None:
        """The step of the lowest validation loss, if two later evaluations or more all lie above it."""
        later = [value for step, value in self.validation if self.best and step > self.best[0]]
        return self.best[0] if self.best and len(later) >= 2 else None

    @property
    def empty(self) -> bool:
        return not self.train and not self.validation

    def rows(self) -> list[dict[str, Any]]:
        """One row per step that has an evaluation, or, without any, per step."""
        train = dict(self.train)
        steps = [step for step, _ in self.validation] or [step for step, _ in self.train]
        validation = dict(self.validation)
        return [{"step": step, "train": train.get(step), "validation": validation.get(step)} for step in steps]


def loss_of(metrics: Sequence[dict[str, Any]], steps: int) -> Loss:
    """The curves among a journal's metrics."""
    return Loss(_curve(metrics, "loss"), _curve(metrics, "validation_loss"), steps)


def _curve(metrics: Sequence[dict[str, Any]], name: str) -> tuple[tuple[int, float], ...]:
    return tuple(
        (int(point["step"]), float(point[name])) for point in metrics if isinstance(point.get(name), int | float)
    )


def finding(loss: Loss) -> str:
    """What the figure shows, in one sentence."""
    if loss.empty:
        return "No loss has been reported yet."
    if not loss.best:
        return (
            f"Training loss, {loss.train[-1][1]:.3f} at step {loss.train[-1][0]:,}." if loss.train else "No step yet."
        )
    step, value = loss.best
    since = ", and has risen since" if loss.rising_since is not None else ""
    return f"Training and validation loss. Validation was lowest at step {step:,}, {value:.3f}{since}."


def loss_chart(loss: Loss, *, live: bool = False) -> Spec:
    """Two curves, the lowest validation loss marked, what lies past it shaded."""
    frame = _Frame(loss)
    layers = [
        *_overfit(loss, frame),
        frame.line(loss.train, "train"),
        *frame.ending(loss.train, "train"),
        frame.line(loss.validation, "valid"),
        frame.dots(loss.validation),
        *frame.ending(loss.validation, "validation", digits=3),
    ]
    spec: Spec = {
        "$schema": SCHEMA,
        "description": finding(loss),
        "width": "container",
        "height": 250,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": []},
        "layer": [layer for layer in layers if layer],
    }
    return {**spec, "usermeta": {"again": REDRAW_SECONDS}} if live else spec


class _Frame:
    """The axes that all layers share."""

    def __init__(self, loss: Loss) -> None:
        points = [*loss.train, *loss.validation]
        values = [value for _, value in points] or [0.0, 1.0]
        room = (max(values) - min(values)) * HEADROOM or 0.1
        self.top = max(values) + room
        end = max([loss.steps, *(step for step, _ in points)], default=1)
        title = f"Optimizer step of {loss.steps:,}" if loss.steps else "Optimizer step"
        scale = {"domain": [0, end * 1.12], "nice": False}
        self.x: Spec = {
            "field": "step",
            "type": "quantitative",
            "title": title,
            "scale": scale,
            "axis": {"tickCount": 6},
        }
        self.y: Spec = {
            "field": "loss", "type": "quantitative", "title": "Loss per target token",
            "scale": {"domain": [min(values) - room, self.top], "zero": False, "nice": False},
            "axis": {"tickCount": 5, "grid": True},
        }  # fmt: skip

    def layer(self, values: list[Spec], mark: Spec, *, y: bool = True, **more: Spec) -> Spec:
        encoding = {"x": self.x, **({"y": self.y} if y else {}), **more}
        return {"data": {"values": values}, "mark": mark, "encoding": encoding}

    def line(self, points: Sequence[tuple[int, float]], style: str) -> Spec:
        return self.layer(_values(points), {"type": "line", "style": style})

    def dots(self, points: Sequence[tuple[int, float]]) -> Spec:
        mark = {"type": "point", "style": ["mean", "valid"], "size": 34}
        tooltip: Any = [
            {"field": "step", "title": "Step"},
            {"field": "loss", "title": "Validation loss", "format": ".3f"},
        ]
        return self.layer(_values(points), mark, tooltip=tooltip)

    def ending(self, points: Sequence[tuple[int, float]], word: str, digits: int = 0) -> list[Spec]:
        """The curve's name beside its last point."""
        if not points:
            return []
        step, value = points[-1]
        text = f"{word} {value:.{digits}f}" if digits else word
        return [self.text(step, value, text)]

    def text(self, step: int, value: float, text: str, **mark: Any) -> Spec:
        style = {"type": "text", "style": "label", **mark}
        return self.layer([{"step": step, "loss": value, "t": text}], style, text={"field": "t"})


def _overfit(loss: Loss, frame: _Frame) -> list[Spec]:
    """Where validation was lowest; past that, if it has risen since, a shade."""
    if not loss.best:
        return []
    step, value = loss.best
    late = step > frame.x["scale"]["domain"][1] * 0.5
    side = {"align": "right", "dx": -7} if late else {}
    marks = [
        frame.layer([{"step": step}], {"type": "rule", "style": "mark"}, y=False),
        frame.text(step, frame.top, f"lowest: {value:.3f} at step {step:,}", baseline="top", **side),
    ]
    if loss.rising_since is None:
        return marks
    last = max(point for point, _ in [*loss.train, *loss.validation])
    shade = frame.layer(
        [{"step": step, "end": last}], {"type": "rect", "style": "warnband"}, y=False, x2={"field": "end"}
    )
    return [shade, *marks]


def _values(points: Sequence[tuple[int, float]]) -> list[Spec]:
    return [{"step": step, "loss": round(value, 5)} for step, value in points]
