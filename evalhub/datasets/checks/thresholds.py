"""Every threshold of the checks: its value, what it means, and between which values it may lie."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from evalhub.errors import Refused


def _threshold(default: Any, about: str, low: float, high: float) -> Any:
    return field(default=default, metadata={"about": about, "low": low, "high": high})


@dataclass(frozen=True)
class Limits:
    """One threshold as a form shows it. `whole`: no fractions."""

    name: str
    default: float
    about: str
    low: float
    high: float
    whole: bool


@dataclass(frozen=True)
class Thresholds:
    """The settings of a check run. Raises Refused, with a sentence, for a value out of its range."""

    too_few: int = _threshold(500, "With fewer usable examples than this, tuning is advised against.", 0, 1_000_000)
    enough: int = _threshold(1000, "From this many usable examples on, tuning is a go.", 0, 1_000_000)
    near_duplicate: float = _threshold(
        0.8, "Two examples are near duplicates from this share of common runs of three words on.", 0.5, 1
    )
    contamination: float = _threshold(
        0.8, "A prompt repeats a tested one from this share of common runs of three words on.", 0.5, 1
    )
    lopsided: float = _threshold(5.0, "The largest category may be this many times the smallest.", 1, 1000)
    length_fence: float = _threshold(
        4.0, "An output is an outlier when it is this many quartile ranges longer than three quarters of all.", 1, 100
    )
    shortest_output: int = _threshold(1, "An output of fewer characters than this is an outlier.", 0, 10_000)
    max_tokens: int = _threshold(
        2048, "An example of more tokens than this is cut off in training; it needs a model's tokenizer.", 16, 1_000_000
    )
    language_certainty: float = _threshold(0.9, "A language is named only with at least this probability.", 0.5, 0.9999)
    language_letters: int = _threshold(
        40, "A text of fewer letters than this is too short to tell its language.", 10, 1000
    )
    language_share: float = _threshold(
        0.8, "One language is the dataset's own from this share of the examples on.", 0.5, 1
    )
    habit_share: float = _threshold(
        0.95, "A format is a category's habit from this share of its outputs on.", 0.6, 0.999
    )
    habit_examples: int = _threshold(20, "A category has habits from this many outputs on.", 5, 10_000)

    def __post_init__(self) -> None:
        for limits in described():
            _refuse_outside(limits, getattr(self, limits.name))
        if self.enough < self.too_few:
            raise Refused("“enough” must be at least as large as “too_few”.", field="enough")

    def as_json(self) -> dict[str, float]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The usual thresholds but for those stored. Raises Refused for an unknown name or a value out of range."""
        for name in stored:
            if name not in cls.__dataclass_fields__:
                raise Refused(f"There is no threshold “{name}”.", field=name)
        given: dict[str, Any] = {
            each.name: _number(each, stored[each.name]) for each in described() if each.name in stored
        }
        return cls(**given)


def described() -> list[Limits]:
    """All thresholds in order, for forms and for help."""
    return [
        Limits(each.name, each.default, whole=isinstance(each.default, int), **each.metadata)  # type: ignore[arg-type]  # metadata has no types
        for each in fields(Thresholds)
    ]


def _number(limits: Limits, value: Any) -> float:
    try:
        number = float(value)
        return int(number) if limits.whole and number == int(number) else number
    except (TypeError, ValueError, OverflowError):
        raise Refused(f"“{limits.name}” must be a number.", field=limits.name) from None


def _refuse_outside(limits: Limits, value: float) -> None:
    if limits.whole and not isinstance(value, int):
        raise Refused(f"“{limits.name}” must be a whole number.", field=limits.name)
    if not limits.low <= value <= limits.high:
        span = f"{limits.low:,g} and {limits.high:,g}"
        raise Refused(f"“{limits.name}” must lie between {span}.", field=limits.name)
