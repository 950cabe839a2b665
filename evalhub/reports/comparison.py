"""Table 1: people, metrics, speed and cost side by side, each with its change in per cent against the baseline."""

from dataclasses import dataclass

from evalhub.reports.measures import HIDDEN
from evalhub.reports.report import Measure, StudyReport
from evalhub.reports.statistics.result import Estimate
from evalhub.reports.words import figure_digits, interval, points


@dataclass(frozen=True)
class Cell:
    """One number as shown. `change` is in words: "12% better"; `reason` says why it or its interval is missing."""

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


def row(found: list[Column], place: int) -> list[Cell]:
    """The cells of the arm at `place` from left to right."""
    return [column.cells[place] for column in found]


def reasons(found: list[Column]) -> list[str]:
    """Why numbers or intervals of the table are missing, each reason once."""
    return list(dict.fromkeys(cell.reason for column in found for cell in column.cells if cell.reason))


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
            given = sorted({value.reason for value in values}, key=lambda reason: "elsewhere" in reason)
            told.setdefault(given[0] if given else "undefined", []).append(name)
    return [f"{', '.join(names)}: {reason}." for reason, names in told.items()]


def _any(values: list[Value]) -> bool:
    return any(value.number is not None for value in values)


def _quantities(report: StudyReport) -> list[tuple[str, bool, list[Value]]]:
    """(name, lower is better, one value for each arm)."""
    people = [
        _estimate(report.score(arm.number, report.primary.key).mean, figure_digits(report)) for arm in report.arms
    ]
    found = [(_people(report), False, people)]
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


def _people(report: StudyReport) -> str:
    """The name of the raters' column."""
    return f"{report.primary.name}, {report.facts.scale[0]}–{report.facts.scale[1]}"


def _metric(report: StudyReport, metric: str) -> tuple[str, bool, list[Value]]:
    scores = {score.arm: score for score in report.metrics if score.metric == metric}
    none = Value(None, "", "", "undefined: not scored")
    values = [_estimate(scores[arm.number].mean, 3) if arm.number in scores else none for arm in report.arms]
    return next(score.name for score in scores.values()), False, values


def _estimate(estimate: Estimate, digits: int) -> Value:
    if estimate.point is None:
        return Value(None, "", "", estimate.undefined)
    text = points(estimate.point, digits)
    if estimate.low is None:
        return Value(estimate.point, text, "", estimate.undefined)
    return Value(estimate.point, text, interval(estimate, digits), "")


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
    sure = _certain(report) if name == _people(report) else {}
    cells = [
        _cell(value, None if arm.is_baseline else base, lower=lower, certain=sure.get(arm.number),
              best=len(set(numbers)) > 1 and value.number == top)
        for value, arm in zip(values, report.arms, strict=True)
    ]  # fmt: skip
    return Column(name, tuple(cells))


def _certain(report: StudyReport) -> dict[int, bool]:
    """By arm whether the interval of its declared difference from the baseline leaves zero out."""
    return {d.a: (d.simultaneous or d.difference).excludes_zero for d in report.family}


def _cell(value: Value, base: float | None, *, lower: bool, certain: bool | None, best: bool) -> Cell:
    if value.number is None:
        return Cell(reason=value.reason)
    change, better = change_in_words(value.number, base, lower=lower, certain=certain)
    return Cell(value.text, value.note, change, better, best, value.reason)


def change_in_words(value: float, base: float | None, *, lower: bool, certain: bool | None) -> tuple[str, bool | None]:
    """ "12% better" than the baseline's value, and whether it is; nothing where the baseline has none or is zero.

    Better and worse only where the difference is `certain`: its interval leaves zero out. None: it has no interval.
    """
    if base is None or base == 0:
        return "", None
    percent = 100 * (value - base) / abs(base)
    if abs(percent) < 0.5:
        return "within 0.5%", None
    size = f"{abs(percent):.0f}%"
    if not certain:
        way = f"{size} {'higher' if percent > 0 else 'lower'}"
        return (way if certain is None else f"{way}, not certain"), None
    better = (percent < 0) == lower
    return f"{size} {'better' if better else 'worse'}", better
