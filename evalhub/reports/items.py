"""Down to one item: its task, every arm's answer, what each rater gave and wrote, and the metrics beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalhub.reports.aggregates import Builder
from evalhub.reports.measures import NAMES
from evalhub.reports.report import ArmFacts, CriterionFacts
from evalhub.reports.statistics.result import Array, Settings
from evalhub.reports.tables import StudyTable
from evalhub.runs.models import Score
from evalhub.studies.models import Correction, Item, ItemAnswer, Rating, RatingScore, Study


@dataclass(frozen=True)
class ItemLine:
    """A line of the list of items: the primary criterion's mean of each arm, and the widest range of raters."""

    pk: int
    number: int
    key: str
    title: str
    means: tuple[float | None, ...]
    lead: float | None
    range: float | None


@dataclass(frozen=True)
class RaterLine:
    """What one rater gave an answer, criterion by criterion; `changed` where the blind value was another."""

    rater: str
    values: tuple[float | None, ...]
    changed: bool


@dataclass(frozen=True)
class Mark:
    rater: str
    selection: str
    note: str
    correction: str


@dataclass(frozen=True)
class AnswerDetail:
    arm: ArmFacts
    text: str
    means: tuple[float | None, ...]
    lines: tuple[RaterLine, ...]
    metrics: tuple[tuple[str, float], ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Remark:
    rater: str
    comment: str
    preference: str
    seconds: float | None


@dataclass(frozen=True)
class ItemDetail:
    """One item of a study with everything that was said about it."""

    pk: int
    number: int
    count: int
    key: str
    title: str
    instruction: str
    input: str
    reference: str
    category: str
    criteria: tuple[CriterionFacts, ...]
    answers: tuple[AnswerDetail, ...]
    remarks: tuple[Remark, ...]
    before: int | None
    after: int | None


def item_lines(study: Study, *, blind: bool = False) -> tuple[tuple[ArmFacts, ...], list[ItemLine]]:
    """The arms, and a line for each item in its order; no lead over the baseline in a blind reading."""
    table = StudyTable(study)
    builder = Builder(table, Settings(seed=study.seed), blind=blind)
    means = builder.cells[:, :, builder.primary] if builder.criteria else np.full(builder.cells.shape[:2], np.nan)
    spans = _spans(table.blind)
    lines = [
        ItemLine(
            row.pk, place + 1, row.key, row.title, tuple(_known(v) for v in means[place]),
            _known(_lead(means[place], builder.base)), _known(spans[place]),
        )
        for place, row in enumerate(table.items)
    ]  # fmt: skip
    return builder.arms(), lines


def _spans(blind: Array) -> Array:
    """The widest range of raters of each item, NaN where no cell has two."""
    two = (~np.isnan(blind)).sum(axis=2) >= 2
    high = np.where(np.isnan(blind), -np.inf, blind).max(axis=2, initial=-np.inf)
    low = np.where(np.isnan(blind), np.inf, blind).min(axis=2, initial=np.inf)
    with np.errstate(invalid="ignore"):
        spans = np.where(two, high - low, -1).max(axis=(1, 2), initial=-1)
    return np.asarray(np.where(spans < 0, np.nan, spans))


def _lead(means: Array, base: int | None) -> float:
    """The best arm's mean over the baseline's."""
    if base is None:
        return float("nan")
    others = np.delete(means, base)
    if np.isnan(means[base]) or np.isnan(others).all() or not len(others):
        return float("nan")
    return float(np.nanmax(others) - means[base])


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


ORDERS = {
    "position": "in the study’s order",
    "lead": "largest lead over the baseline",
    "behind": "furthest behind the baseline",
    "range": "largest disagreement",
}


def orders(*, blind: bool) -> dict[str, str]:
    """Those of ORDERS that a reader may choose from."""
    return {key: label for key, label in ORDERS.items() if not (blind and key in ("lead", "behind"))}


def ordered(lines: Sequence[ItemLine], order: str) -> list[ItemLine]:
    """Lines in one of ORDERS; those without the number come last."""
    if order == "range":
        return sorted(lines, key=lambda line: -(line.range if line.range is not None else -1))
    if order in ("lead", "behind"):
        sign = -1 if order == "lead" else 1
        return sorted(lines, key=lambda line: (line.lead is None, sign * (line.lead or 0)))
    return list(lines)


def item_detail(study: Study, item: Item, *, blind: bool = False) -> ItemDetail:
    """Everything about one item, in a constant number of queries; no metrics in a blind reading."""
    frame = Builder(StudyTable(study), Settings(seed=study.seed), blind=blind)
    rows = frame.table.items
    place = frame.table.item_at[item.pk]
    ratings = list(Rating.objects.filter(assignment__item=item, is_current=True).select_related("assignment__rater"))
    names = {str(arm.pk): facts.name for arm, facts in zip(frame.table.arms, frame.arms(), strict=True)}
    return ItemDetail(
        pk=item.pk, number=place + 1, count=len(rows), key=item.key, title=rows[place].title,
        instruction=item.instruction, input=item.input, reference=item.reference, category=item.category,
        criteria=frame.criteria, answers=_answers(frame, item, place),
        remarks=tuple(_remark(rating, names) for rating in ratings if rating.comment or rating.preference),
        before=rows[place - 1].pk if place else None, after=rows[place + 1].pk if place + 1 < len(rows) else None,
    )  # fmt: skip


def _answers(frame: Builder, item: Item, place: int) -> tuple[AnswerDetail, ...]:
    texts = dict(ItemAnswer.objects.filter(item=item).values_list("arm_id", "text"))
    changed = _changed(item)
    metrics = {} if frame.base is None else _metrics(item)
    marks = _marks(item)
    return tuple(
        AnswerDetail(
            facts, texts.get(arm.pk, ""), tuple(_known(v) for v in frame.cells[place, a]),
            _lines(frame, place, a, changed), tuple(metrics.get(arm.pk, {}).items()), tuple(marks.get(arm.pk, [])),
        )
        for a, (arm, facts) in enumerate(zip(frame.table.arms, frame.arms(), strict=True))
    )  # fmt: skip


def _lines(frame: Builder, place: int, arm: int, changed: set[tuple[int, int]]) -> tuple[RaterLine, ...]:
    given = frame.scores[place, arm]  # (raters, criteria)
    return tuple(
        RaterLine(
            rater.pseudonym,
            tuple(_known(v) for v in given[r]),
            (rater.pk, frame.table.arms[arm].pk) in changed,
        )
        for r, rater in enumerate(frame.table.raters)
        if not np.isnan(given[r]).all()
    )


def _changed(item: Item) -> set[tuple[int, int]]:
    """(rater, arm) whose current values differ from the blind ones."""
    values: dict[tuple[int, int, int], dict[bool, float]] = {}
    rows = RatingScore.objects.filter(rating__assignment__item=item).values_list(
        "rating__assignment__rater_id", "arm_id", "criterion_id", "rating__number", "rating__is_current", "value"
    )
    for rater, arm, criterion, number, is_current, value in rows:
        cell = values.setdefault((rater, arm, criterion), {})
        cell |= ({True: value} if is_current else {}) | ({False: value} if number == 1 else {})
    return {key[:2] for key, both in values.items() if both.get(True) != both.get(False)}


def _metrics(item: Item) -> dict[int, dict[str, float]]:
    """Arm → metric name → value, the latest scoring last and so the one kept."""
    found: dict[int, dict[str, float]] = {}
    rows = Score.objects.filter(answer__item_answers__item=item).order_by("scoring_id", "metric")
    for arm, metric, value in rows.values_list("answer__item_answers__arm_id", "metric", "value"):
        found.setdefault(arm, {})[NAMES.get(metric, metric)] = value
    return found


def _marks(item: Item) -> dict[int, list[Mark]]:
    found: dict[int, list[Mark]] = {}
    rows = Correction.objects.filter(item_answer__item=item, rating__is_current=True).order_by("pk")
    for arm, rater, selection, note, text in rows.values_list(
        "item_answer__arm_id", "rating__assignment__rater__pseudonym", "selection", "note", "text"
    ):
        found.setdefault(arm, []).append(Mark(rater, selection, note, text))
    return found


def _remark(rating: Rating, names: dict[str, str]) -> Remark:
    rater = rating.assignment.rater
    words = {"tie": "a tie", "unacceptable": "none acceptable", **names}
    preference = words.get(rating.preference, "")
    return Remark(rater.pseudonym if rater else "", rating.comment, preference, rating.active_seconds)
