"""What the evaluations say: which step is best, when to stop, and when the model only learns by heart. Pure Python."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass
class Judge:
    """Remembers validation losses (nats per answer token). Step 0 is the base model and never the best."""

    patience: int = 0
    min_gain: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_step: int = 0
    best_loss: float | None = None
    reference: float | None = None  # what an evaluation must beat by min_gain to count as a gain
    stale: int = 0
    warned: bool = False

    @property
    def base_loss(self) -> float | None:
        return next((point["validation_loss"] for point in self.history if point["step"] == 0), None)

    def note(self, step: int, loss: float | None, training_loss: float | None) -> None:
        """Take in an evaluation; `loss` is None where there are no validation examples, and then the last is best."""
        self.history.append({"step": step, "validation_loss": loss, "training_loss": training_loss})
        if step and (loss is None or self.best_loss is None or loss < self.best_loss):
            self.best_step, self.best_loss = step, loss
        if loss is None:
            return
        gained = self.reference is None or loss < self.reference - self.min_gain
        self.stale = 0 if gained else self.stale + 1
        self.reference = loss if gained else self.reference

    def wants_stop(self) -> bool:
        return bool(self.patience) and self.stale >= self.patience

    def warning(self) -> str:
        """Overfitting in words, once: validation rose twice in a row while the training loss fell."""
        points = [point for point in self.history if point["step"] and point["validation_loss"] is not None][-3:]
        if self.warned or len(points) < 3:
            return ""
        first, second, third = (point["validation_loss"] for point in points)
        falling = points[2]["training_loss"] < points[0]["training_loss"]
        if not (falling and first < second < third):
            return ""
        self.warned = True
        return (
            f"Overfitting: since step {points[0]['step']} the training loss falls while the validation loss rises "
            f"({first:.3f}, {second:.3f}, {third:.3f}); the adapter of step {self.best_step} will be kept. "
            "Fewer epochs, a lower learning rate or more examples would help."
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        return cls(**values)


def evaluation_steps(total: int, evaluations: int) -> set[int]:
    """Evenly spread steps, the last included."""
    return {max(1, round(total * number / evaluations)) for number in range(1, evaluations + 1)}
