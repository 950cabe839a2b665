"""Table 1: people, metrics, speed and cost side by side, each with its change in per cent against the baseline."""

from dataclasses import dataclass

from evalhub.reports.measures import HIDDEN
from evalhub.reports.report import Measure, StudyReport
from evalhub.reports.statistics.result import Estimate
from evalhub.reports.words import figure_digits, interval, points


@dataclass(frozen=True)
class Cell:
    """One number as shown. `change` is in words: "12% better"; `reason` stands for a missing number."""

    text: str = ""
    note: str = ""
    change: str = ""
    better: bool | None = None
    best: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Column:
    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Span:
    """One cell of a row, or one reason across neighbours that lack their numbers for the same reason."""

    cell: Cell
    width: int


def row(found: list[Column], place: int) -> list[Span]:
    """The cells of the arm at `place` from left to right."""
    spans: list[Span] = []
    for cell in (column.cells[place] for column in found):
        if spans and cell.reason and spans[-1].cell.reason == cell.reason:
            spans[-1] = Span(cell, spans[-1].width + 1)
        else:
            spans.append(Span(cell, 1))
    return spans


@dataclass(frozen=True)
class Value:
    """A number with its shown form, before it is compared."""

    number: float | None
    text: str
    note: str
    reason: str


def columns(report: StudyReport) -> list[Column]:
    """A column for each quantity that at least one arm has; the quantities that none has are told by `missing`."""
    return [_column(report, name, values, lower) for name, lower, values in _quantities(report) if _any(values)]


def missing(report: StudyReport) -> list[str]:
    """One sentence for each quantity that no arm has, with the reason."""
    told: dict[str, list[str]] = {}
    for name, _, values in _quantities(report):
        if not _any(values):
            reasons = sorted({value.reason for value in values}, key=lambda reason: "elsewhere" in reason)
            told.setdefault(reasons[0] if reasons else "undefined", []).append(name)
    return [f"{', '.join(names)}: {reason}." for reason, names in told.items()]


def _any(values: list[Value]) -> bool:
    return any(value.number is not None for value in values)


def _quantities(report: StudyReport) -> list[tuple[str, bool, list[Value]]]:
    """(name, lower is better, one value for each arm)."""
    scale = f"{report.facts.scale[0]}–{report.facts.scale[1]}"
    people = [
        _estimate(report.score(arm.number, report.primary.key).mean, figure_digits(report)) for arm in report.arms
    ]
    found = [(f"{report.primary.name}, {scale}", False, people)]
    for metric in dict.fromkeys(score.metric for score in report.metrics):
        found.append(_metric(report, metric))
    if not report.metrics:
        reason = HIDDEN if report.baseline is None else "undefined: no scores were computed for these answers"
        none = Value(None, "", "", reason)
        found.append(("ROUGE and BERTScore", False, [none] * len(report.arms)))
    for name, field, digits, lower in (
        ("Latency p50, s", "latency_p50", 2, True), ("Latency p95, s", "latency_p95", 2, True),
        ("Tokens/s", "tokens_per_second", 0, False),
    ):  # fmt: skip
        found.append((name, lower, [_measure(getattr(m, field), digits) for m in report.measures]))
    costs = [m.cost_per_1000 for m in report.measures]
    unit = next((cost.unit for cost in costs if cost.unit), "")
    found.append((f"Cost of 1,000{f', {unit}' if unit else ''}", True, [_measure(cost, 3) for cost in costs]))
    return found


def _metric(report: StudyReport, metric: str) -> tuple[str, bool, list[Value]]:
    scores = {score.arm: score for score in report.metrics if score.metric == metric}
    none = Value(None, "", "", "undefined: not scored")
    values = [_estimate(scores[arm.number].mean, 3) if arm.number in scores else none for arm in report.arms]
    return next(score.name for score in scores.values()), False, values


def _estimate(estimate: Estimate, digits: int) -> Value:
    if estimate.point is None:
        return Value(None, "", "", estimate.undefined)
    note = interval(estimate, digits) if estimate.low is not None else estimate.undefined
    return Value(estimate.point, points(estimate.point, digits), note, "")


def _measure(measure: Measure, digits: int) -> Value:
    if measure.value is None:
        return Value(None, "", "", measure.undefined)
    known = measure.low is not None and measure.high is not None
    span = f"{points(measure.low, digits)} to {points(measure.high, digits)}, " if known else ""
    return Value(measure.value, f"{measure.value:,.{digits}f}", f"{span}n = {measure.n:,}", "")


def _column(report: StudyReport, name: str, values: list[Value], lower: bool) -> Column:
    numbers = [value.number for value in values if value.number is not None]
    top = min(numbers) if lower else max(numbers)
    base = next((value.number for value, arm in zip(values, report.arms, strict=True) if arm.is_baseline), None)
    cells = [
        _cell(value, None if arm.is_baseline else base, lower=lower, best=len(set(numbers)) > 1 and value.number == top)
        for value, arm in zip(values, report.arms, strict=True)
    ]
    return Column(name, tuple(cells))


def _cell(value: Value, base: float | None, *, lower: bool, best: bool) -> Cell:
    if value.number is None:
        return Cell(reason=value.reason)
    change, better = change_in_words(value.number, base, lower=lower)
    return Cell(value.text, value.note, change, better, best)


def change_in_words(value: float, base: float | None, *, lower: bool) -> tuple[str, bool | None]:
    """ "12% better" than the baseline's value, and whether it is; nothing where the baseline has none or is zero."""
    if base is None or base == 0:
        return "", None
    percent = 100 * (value - base) / abs(base)
    if abs(percent) < 0.5:
        return "within 0.5%", None
    better = (percent < 0) == lower
    return f"{abs(percent):.0f}% {'better' if better else 'worse'}", better
