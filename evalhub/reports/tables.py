"""SQL in: the rows of a study as arrays, with a constant number of queries on SQLite and PostgreSQL alike."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from django.db.models import Count, F, Max, Q
from django.db.models.functions import Left, Length

from evalhub.reports.statistics.result import Array
from evalhub.runs.models import Answer, Score
from evalhub.studies.models import Arm, Assignment, Criterion, Flag, Item, ItemAnswer, Rater, Rating, RatingScore, Study
from evalhub.studies.naming import arm_names

TITLE = 110  # characters of a task that stand for it in a table


@dataclass(frozen=True)
class ItemRow:
    pk: int
    key: str
    title: str


@dataclass(frozen=True)
class RatingRow:
    item: int
    rater: int
    preference: str
    seconds: float | None


@dataclass(frozen=True)
class MetricRow:
    item: int
    arm: int
    metric: str
    scorer: str
    scoring: int
    value: float


class StudyTable:
    """A study's rows, numbered from 0: scores (items, arms, raters, criteria), NaN where nothing was given."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.criteria = list(Criterion.objects.filter(study=study))
        self.arms = _arms(study)
        self.items = [
            ItemRow(pk, key, _title(key, instruction, text))
            for pk, key, instruction, text in Item.objects.filter(study=study).values_list(
                "pk", "key", Left("instruction", TITLE), Left("input", TITLE)
            )
        ]
        self.raters = list(Rater.objects.filter(study=study))
        self.item_at = {row.pk: place for place, row in enumerate(self.items)}
        self.arm_at = {arm.pk: place for place, arm in enumerate(self.arms)}
        self.rater_at = {rater.pk: place for place, rater in enumerate(self.raters)}
        self._read_scores()

    def _read_scores(self) -> None:
        shape = (len(self.items), len(self.arms), len(self.raters), len(self.criteria))
        self.current, self.blind = np.full(shape, np.nan), np.full(shape, np.nan)
        self.positions = np.zeros(shape[:3], dtype=np.intp)
        criterion_at = {criterion.pk: place for place, criterion in enumerate(self.criteria)}
        rows = (
            RatingScore.objects.filter(rating__assignment__item__study=self.study)
            .filter(rating__assignment__state=Assignment.State.SUBMITTED)
            .filter(Q(rating__is_current=True) | Q(rating__number=1))
            .values_list(
                "rating__assignment__item_id", "arm_id", "rating__assignment__rater_id", "criterion_id",
                "value", "position", "rating__is_current", "rating__number",
            )
        )  # fmt: skip
        for item, arm, rater, criterion, value, position, is_current, number in rows.iterator(chunk_size=5_000):
            cell = (self.item_at[item], self.arm_at[arm], self.rater_at[rater])
            if is_current:
                self.current[(*cell, criterion_at[criterion])] = value
                self.positions[cell] = position or 0
            if number == 1:
                self.blind[(*cell, criterion_at[criterion])] = value

    @cached_property
    def ratings(self) -> list[RatingRow]:
        """The current rating of each submitted assignment."""
        rows = Rating.objects.filter(
            assignment__item__study=self.study, assignment__state="submitted", is_current=True
        ).values_list("assignment__item_id", "assignment__rater_id", "preference", "active_seconds")
        return [RatingRow(self.item_at[i], self.rater_at[r], preference, s) for i, r, preference, s in rows if r]

    @cached_property
    def slots(self) -> Counter[str]:
        """Assignments by state."""
        rows = Assignment.objects.filter(item__study=self.study).values_list("state").annotate(Count("pk")).order_by()
        return Counter(dict(rows))

    @cached_property
    def flags(self) -> int:
        return Flag.objects.filter(assignment__item__study=self.study).count()

    @cached_property
    def lengths(self) -> Array:
        """Characters of each answer (items, arms)."""
        table = np.full((len(self.items), len(self.arms)), np.nan)
        rows = ItemAnswer.objects.filter(item__study=self.study).values_list("item_id", "arm_id", Length("text"))
        for item, arm, length in rows:
            table[self.item_at[item], self.arm_at[arm]] = length or np.nan
        return table

    @cached_property
    def metric_rows(self) -> list[MetricRow]:
        """Scores of the rated answers: of each metric and arm those of the latest scoring run only."""
        rows = (
            Score.objects.filter(answer__item_answers__item__study=self.study)
            .annotate(item=F("answer__item_answers__item_id"), arm=F("answer__item_answers__arm_id"))
            .values_list("item", "arm", "metric", "scorer", "scoring_id", "value")
        )
        return _latest(
            MetricRow(self.item_at[item], self.arm_at[arm], metric, scorer, scoring, value)
            for item, arm, metric, scorer, scoring, value in rows
            if arm in self.arm_at
        )

    @cached_property
    def latencies(self) -> dict[int, Array]:
        """Seconds of requests made one at a time, by arm's place."""
        generations = {arm.generation_id: place for place, arm in enumerate(self.arms) if arm.generation_id}
        rows = Answer.objects.filter(generation__in=list(generations), latency_seconds__gte=0)
        found: dict[int, list[float]] = {}
        for generation, seconds in rows.order_by("pk").values_list("generation_id", "latency_seconds"):
            found.setdefault(generations[generation], []).append(float(seconds or 0))
        return {place: np.array(values) for place, values in found.items()}


def _arms(study: Study) -> list[Arm]:
    """In the order in which they are shown: that of the design, once names are."""
    arms = Arm.objects.filter(study=study).select_related(
        "generation__run", "generation__model__base", "generation__model__training__run",
        "generation__model__training__version__dataset", "generation__version__dataset",
    ).in_bulk()  # fmt: skip
    return [arms[pk] for pk in arm_names(study)]


def _title(key: str, instruction: str, text: str) -> str:
    """A line that tells one task from the others: the beginning of its input, else of its instruction, else its key."""
    line = next((part.strip().splitlines()[0] for part in (text, instruction) if part.strip()), key)
    return f"{line[: TITLE - 1]}…" if len(line) >= TITLE else line


def _latest(rows: Iterable[MetricRow]) -> list[MetricRow]:
    kept = list(rows)
    newest: dict[tuple[int, str], int] = {}
    for row in kept:
        newest[row.arm, row.metric] = max(row.scoring, newest.get((row.arm, row.metric), 0))
    return [row for row in kept if newest[row.arm, row.metric] == row.scoring]


def stamps(studies: Iterable[Study]) -> dict[int, tuple[Any, ...]]:
    """By study what changes whenever its report would: what a kept report is kept under. Five queries for them all."""
    known = {study.pk: study for study in studies}
    found: dict[int, list[Any]] = {pk: _own(study) for pk, study in known.items()}
    of_item, of_answer = "item__study", "answer__item_answers__item__study"
    of_rating, of_flag = "assignment__item__study", "assignment__item__study"
    pks = list(known)
    for rows in (
        Rating.objects.filter(assignment__item__study__in=pks).values_list(of_rating)
        .annotate(Count("pk"), Max("pk")).order_by(),
        Assignment.objects.filter(item__study__in=pks).values_list(of_item, "state")
        .annotate(Count("pk")).order_by(of_item, "state"),
        Score.objects.filter(answer__item_answers__item__study__in=pks).values_list(of_answer)
        .annotate(Count("pk"), Max("pk"), Max("scoring_id")).order_by(),
        Arm.objects.filter(study__in=pks).order_by("pk")
        .values_list("study", "name", "position", "is_baseline", "generation__model__name",
                     "generation__model__facts__prices"),
        Flag.objects.filter(assignment__item__study__in=pks).values_list(of_flag).annotate(Count("pk")).order_by(),
    ):  # fmt: skip
        for pk, *rest in rows:
            found[pk].append(tuple(rest))
    return {pk: tuple(parts) for pk, parts in found.items()}


def _own(study: Study) -> list[Any]:
    project = study.project
    return [
        study.name, study.description, study.credit, study.state, study.origin, str(study.closed_at),
        str(study.revealed_at), study.margin, study.primary_criterion, study.guidelines_version, study.seed,
        str(project.hour_price), project.currency, project.slug,
    ]  # fmt: skip
