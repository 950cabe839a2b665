"""Numbers as sentences: superior, not worse, equivalent, undecided as the verdict defines them, no other praise."""

from collections.abc import Iterable
from dataclasses import dataclass

from evalhub.reports.report import Difference, StudyReport
from evalhub.reports.statistics.result import Estimate
from evalhub.reports.statistics.verdict import Verdict

MINUS, FIRM = "−", "\u00a0"  # the second: a space at which no line breaks
RELIABLE, TENTATIVE = 0.8, 0.667  # Krippendorff 2004, p. 241


@dataclass(frozen=True)
class Sentence:
    """One sentence; the fact in its middle is set bold."""

    before: str
    fact: str = ""
    after: str = ""

    def __str__(self) -> str:
        return f"{self.before}{self.fact}{self.after}"


@dataclass(frozen=True)
class Tile:
    """One big number, its name, and its interval and n."""

    name: str
    value: str
    note: str


def figure_digits(report: StudyReport) -> int:
    """Decimals of a score: two on short scales, one on long ones."""
    return 2 if report.facts.scale[1] - report.facts.scale[0] <= 20 else 1


def points(value: float | None, digits: int) -> str:
    return "undefined" if value is None else f"{value:.{digits}f}".replace("-", MINUS)


def signed_points(value: float | None, digits: int) -> str:
    return "undefined" if value is None else f"{value:+.{digits}f}".replace("-", MINUS)


def share(value: float | None) -> str:
    """A proportion in per cent; never 100% or 0% where it is only nearly so."""
    if value is None:
        return "undefined"
    if 0 < value < 0.005 or 0.995 < value < 1:
        return "< 1%" if value < 0.5 else "> 99%"
    return f"{100 * value:.0f}%"


def p_value(p: float | None) -> str:
    return "undefined" if p is None else f"p{FIRM}<{FIRM}0.001" if p < 0.001 else f"p{FIRM}={FIRM}{p:.3f}"


def criterion_name(report: StudyReport, key: str) -> str:
    return report.criterion(key).name


def interval(estimate: Estimate | None, digits: int, *, signed: bool = False) -> str:
    """ "0.80 to 1.30", or why there is none."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return estimate.undefined if estimate else "undefined"
    write = signed_points if signed else points
    return f"{write(estimate.low, digits)} to {write(estimate.high, digits)}"


def listed(names: Iterable[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    kept = list(names)
    return f"{', '.join(kept[:-1])} and {kept[-1]}" if len(kept) > 1 else "".join(kept)


def lede(report: StudyReport) -> str:
    """The verdict in one sentence or two."""
    if not report.facts.ratings:
        return "No rating has been submitted yet."
    if len(report.arms) < 2:
        return "One arm alone was rated: there is nothing to compare it with."
    if report.baseline is None:
        return "The arms are not revealed yet. The verdict compares each with the baseline and comes with the reveal."
    said = verdicts(report)
    name = report.primary.name
    the = "the " if report.primary.computed else ""
    opening = "Overall" if name == "Overall" else f"On {the}{name.lower()}"
    return f"{opening}, {'; '.join(said)}."


def verdicts(report: StudyReport) -> list[str]:
    """One clause for each kind of verdict among the declared comparisons; none in a blind reading."""
    if report.baseline is None:
        return []
    base, margin = report.baseline.name, points(report.facts.margin, 2)
    groups: dict[str, list[str]] = {}
    for d in report.family:
        groups.setdefault(d.verdict, []).append(report.arm(d.a).name)
    clauses = {
        Verdict.SUPERIOR: "{names} {are} superior to {base}",
        Verdict.EQUIVALENT: "{names} and {base} are equivalent, within {margin} points",
        Verdict.NOT_WORSE: "{names} {are} not worse than {base}, by the margin of {margin} points",
        Verdict.INFERIOR: "{base} is superior to {names}",
        Verdict.UNDECIDED: "between {pair} it is undecided",
    }
    return [
        text.format(base=base, margin=margin, **_named(groups[kind], base))
        for kind, text in clauses.items()
        if kind in groups
    ]


def _named(names: list[str], base: str) -> dict[str, str]:
    """The arms of one clause, alone and beside the baseline."""
    many, all_ = len(names) > 1, listed(names)
    return {"names": all_, "are": "are" if many else "is",
            "pair": f"{base} and each of {all_}" if many else f"{all_} and {base}"}  # fmt: skip


def summary(report: StudyReport) -> str:
    """What the first figure shows, for those who cannot see it."""
    digits, key = figure_digits(report), report.primary.key
    told = [
        f"{report.arm(score.arm).name} {points(score.mean.point, digits)}"
        for score in report.scores
        if score.criterion == key and score.mean.point is not None
    ]
    if not told:
        return "Mean scores: undefined, nothing was rated."
    return f"Mean score per criterion and arm with 95% intervals. {report.primary.name}: {listed(told)}."


def evidence(report: StudyReport) -> list[list[Sentence]]:
    """What the verdict says, comparison by comparison: each declared difference with what is still needed."""
    known = [d for d in report.family if d.difference.point is not None]
    told = [[_difference(report, d), *_still_needed(d)] for d in known]
    return [*told, mostly] if (mostly := _mostly(report)) else told


def basis(report: StudyReport) -> str:
    """What was declared, and over what the p values are corrected: not the same. Nothing in a blind reading."""
    if not report.family:
        return ""
    size = len(report.differences)
    corrected = f" Every p is corrected (Holm) for all {size} comparisons in this report." if size > 1 else ""
    return f"The verdict rests on {report.facts.family}.{corrected}"


def _difference(report: StudyReport, d: Difference) -> Sentence:
    digits, value = figure_digits(report), d.difference.point or 0.0
    a, b = report.arm(d.a).name, report.arm(d.b).name
    fact = f"{points(abs(value), digits)} points {'above' if value >= 0 else 'below'}"
    size = len(report.family)
    widened = f"; widened for the {size} declared comparisons "
    together = f"{widened}{interval(d.simultaneous, digits, signed=True)}" if size > 1 else ""
    if d.difference.low is None:
        return Sentence(f"{a} scored ", fact, f" {b}; its interval is {d.difference.undefined}.")
    shown = interval(d.difference, digits, signed=True)
    within = ", and within the margin" if d.within_margin and d.verdict == Verdict.SUPERIOR else ""
    return Sentence(
        f"{a} scored ",
        fact,
        f" {b} (95% interval {shown}{together}; {p_value(d.p_holm)}){within}.",
    )


def _still_needed(d: Difference) -> list[Sentence]:
    """How much more rating an undecided difference takes, as a range; or why that cannot be told."""
    found = d.forecast
    if found is None:
        return []
    if found.low is None or found.items is None:
        reason = found.undefined.removeprefix("undefined: ")
        return [Sentence("How many more items would decide it cannot be told: ", "", f"{reason}.")]
    each = found.ratings_per_item
    items, ratings = _span(found.low, found.high), _span(found.low, found.high, each)
    noun = "item" if found.low == found.high == 1 else "items"
    return [
        Sentence("", f"{items} more {noun}", f" ({ratings} ratings) would decide it, if the difference stays as it is.")
    ]


def _span(low: int, high: int | None, times: float = 1) -> str:
    """ "6 to 60", "6 or many more", to two significant digits."""
    first, last = _rough(low * times), "" if high is None else _rough(high * times)
    return f"{first} or many more" if high is None else first if first == last else f"{first} to {last}"


def _rough(value: float) -> str:
    whole = round(value)
    return f"{round(whole, 2 - len(str(whole))):,}"


def _mostly(report: StudyReport) -> list[Sentence]:
    """On which criterion the first pair differs most; exploratory."""
    if not report.family or not report.primary.computed:
        return []
    first = report.family[0]
    others = [
        d for d in report.differences
        if (d.a, d.b) == (first.a, first.b) and not d.in_family and d.difference.point is not None
    ]  # fmt: skip
    if len(others) < 2:
        return []
    largest = max(others, key=lambda d: abs(d.difference.point or 0))
    digits = figure_digits(report)
    return [
        Sentence(
            f"Between {report.arm(first.a).name} and {report.arm(first.b).name} the largest difference lies in "
            f"{criterion_name(report, largest.criterion).lower()}: "
            f"{signed_points(largest.difference.point, digits)} "
            f"({interval(largest.difference, digits, signed=True)}; exploratory)."
        )
    ]


def tiles(report: StudyReport) -> list[Tile]:
    """The best arm, the leads over the baseline, and how far raters agree."""
    digits, key = figure_digits(report), report.primary.key
    scored = [s for s in report.scores if s.criterion == key and s.mean.point is not None]
    found = []
    if scored:
        best = max(scored, key=lambda s: s.mean.point or 0)
        found.append(_tile(report, f"{report.arm(best.arm).name}, {report.primary.name.lower()}", best.mean, ""))
    leads = sorted(report.family, key=lambda d: d.difference.point or 0, reverse=True)
    for d in leads[:2]:
        if d.difference.point is not None:
            name = f"{report.arm(d.a).name} over {report.arm(d.b).name}"
            note = f"{interval(d.difference, digits, signed=True)}, {_verdict(report, d)}"
            found.append(Tile(name, signed_points(d.difference.point, digits), note))
    return found + _agreement_tile(report)


def _tile(report: StudyReport, name: str, estimate: Estimate, after: str) -> Tile:
    digits = figure_digits(report)
    note = f"{interval(estimate, digits)}, n = {estimate.n_items} items{after}"
    return Tile(name, points(estimate.point, digits), note)


def _verdict(report: StudyReport, d: Difference) -> str:
    return f"{report.arm(d.b).name} superior" if d.verdict == Verdict.INFERIOR else d.verdict


def _agreement_tile(report: StudyReport) -> list[Tile]:
    for c in sorted(report.agreement, key=lambda c: c.criterion != report.primary.key):
        e, name = c.agreement.ordinal, criterion_name(report, c.criterion).lower()
        if e.point is not None:
            return [Tile("Agreement, α", points(e.point, 2), f"{interval(e, 2)} on {name}")]
    return [Tile("Agreement, α", "–", report.agreement[0].agreement.ordinal.undefined)] if report.agreement else []


def agreement_words(report: StudyReport) -> list[str]:
    """How far raters agree, in plain words, criterion by criterion."""
    return [
        _agreement(report, c.criterion, c.agreement.ordinal, c.agreement.near, c.agreement.step)
        for c in report.agreement
    ]


def _agreement(report: StudyReport, key: str, alpha: Estimate, near: Estimate, step: float) -> str:
    name = criterion_name(report, key)
    if alpha.point is None:
        return f"{name}: {alpha.undefined}."
    unit = "one point" if step == 1 else f"{step:g} points"
    close = "" if near.point is None else f"; {share(near.point)} of pairs lie within {unit}"
    return f"{name}: {_reliability(alpha.point)} (α = {points(alpha.point, 2)}{close})."


def _reliability(alpha: float) -> str:
    if alpha < 0:
        return "raters agree less than by chance"
    if alpha < TENTATIVE:
        return "raters read this criterion differently; the mean over several raters is needed"
    return "raters agree well" if alpha >= RELIABLE else "raters agree enough for tentative conclusions"


def result_line(report: StudyReport) -> str:
    """The verdict as one cell of a table."""
    if not report.facts.ratings:
        return "no rating yet"
    if report.baseline is None:
        return "comes with the reveal of the arms"
    return "; ".join(verdicts(report)) or "nothing to compare"
