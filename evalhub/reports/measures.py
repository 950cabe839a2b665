"""Beside the people: automated metrics, speed and cost of each arm, and which metric follows the raters."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evalhub.accounts.models import Project
from evalhub.reports.report import ArmMeasures, CriterionFacts, Measure, MetricCorrelation, MetricScore
from evalhub.reports.statistics.correlation import by_system, pooled, within_items
from evalhub.reports.statistics.intervals import mean_estimates
from evalhub.reports.statistics.result import Array, Estimate, Settings, nothing
from evalhub.reports.tables import StudyTable
from evalhub.runs.models import GenerationRun, Model
from evalhub.runs.prices import NO_TABLE, NO_TOKENS, Tokens, prices_of, tokens_of
from evalhub.studies.models import Arm

NAMES = {
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
    "rougeLsum": "ROUGE-Lsum",
    "bertscore": "BERTScore",
}
ELSEWHERE = "undefined: these answers were made elsewhere"
HIDDEN = "undefined: told once the arms are revealed"
MIXED = "undefined: the arms were scored by different implementations"


def metrics_of(table: StudyTable) -> list[str]:
    """The metrics that any arm has, known ones in their usual order."""
    present = {row.metric for row in table.metric_rows}
    return [*(name for name in NAMES if name in present), *sorted(present - set(NAMES))]


def metric_values(table: StudyTable, metric: str) -> Array:
    """Values of one metric (items, arms), NaN where there is none."""
    values = np.full((len(table.items), len(table.arms)), np.nan)
    for row in table.metric_rows:
        if row.metric == metric:
            values[row.item, row.arm] = row.value
    return values


def scorers(table: StudyTable, metric: str) -> dict[int, str]:
    """Which implementation scored each arm."""
    return {row.arm: row.scorer for row in table.metric_rows if row.metric == metric}


def metric_scores(table: StudyTable, settings: Settings) -> tuple[MetricScore, ...]:
    """Means of each metric, paired: only items that every scored arm has. Undefined where the arms' scorers differ."""
    found = []
    for metric in metrics_of(table):
        by = scorers(table, metric)
        found += [
            MetricScore(arm + 1, metric, NAMES.get(metric, metric), mean, by[arm])
            for arm, mean in zip(sorted(by), _metric_means(table, metric, by, settings), strict=False)
        ]
    return tuple(found)


def _metric_means(table: StudyTable, metric: str, by: Mapping[int, str], settings: Settings) -> list[Estimate]:
    """A mean for each arm of `by` (arm → scorer), in order; none where no item has them all."""
    if len(set(by.values())) > 1:
        return [nothing(MIXED, settings=settings)] * len(by)
    values = metric_values(table, metric)[:, sorted(by)]
    complete = ~np.isnan(values).any(axis=1)
    return mean_estimates(values[complete], settings, bounds=bounds_of(metric)) if complete.any() else []


def bounds_of(metric: str) -> tuple[float, float]:
    """The ends of a metric's scale: ROUGE is a share, BERTScore a cosine."""
    return (0, 1) if metric.startswith("rouge") else (-1, 1)


def correlations(
    table: StudyTable, cells: Array, criteria: Sequence[CriterionFacts], settings: Settings
) -> tuple[MetricCorrelation, ...]:
    """Each metric against each criterion's mean score (items, arms, criteria); those of mixed scorers are left out."""
    found = []
    for metric in metrics_of(table):
        if len(set(scorers(table, metric).values())) == 1:
            values = metric_values(table, metric)
            found += [
                _correlation(table, metric, values=values, human=cells[:, :, c], criterion=criterion, settings=settings)
                for c, criterion in enumerate(criteria)
            ]
    return tuple(found)


def _correlation(
    table: StudyTable, metric: str, *, values: Array, human: Array, criterion: CriterionFacts, settings: Settings
) -> MetricCorrelation:
    scored = ~np.isnan(values).all(axis=0)
    values, human, lengths = values[:, scored], human[:, scored], table.lengths[:, scored]
    rated = ~np.isnan(human).all(axis=1) & ~np.isnan(values).all(axis=1)
    values, human, lengths = values[rated], human[rated], lengths[rated]

    def within(coefficient: str) -> Any:
        return within_items(values, human, coefficient=coefficient, settings=settings)

    return MetricCorrelation(
        criterion=criterion.key, metric=metric, name=NAMES.get(metric, metric),
        spearman=within("spearman"), kendall=within("kendall"), pearson=within("pearson"),
        pooled=pooled(values, human, settings=settings),
        partial_on_length=pooled(values, human, settings=settings, control=lengths),
        system=by_system(values, human, settings=settings),
    )  # fmt: skip


def arm_measures(table: StudyTable, settings: Settings) -> tuple[ArmMeasures, ...]:
    """Speed and cost of each arm."""
    asked = [
        arm.generation for arm in table.arms if arm.generation and arm.generation.model.kind == Model.Kind.ENDPOINT
    ]
    tokens = tokens_of(generation.pk for generation in asked) if asked else {}
    return tuple(_measures(table, place, arm, tokens=tokens, settings=settings) for place, arm in enumerate(table.arms))


def hidden_measures(table: StudyTable) -> tuple[ArmMeasures, ...]:
    """In place of the measures, which would tell an arm by the speed of its run."""
    none = Measure(None, undefined=HIDDEN)
    return tuple(ArmMeasures(place, none, none, none, none, none) for place, _ in enumerate(table.arms, 1))


def _measures(
    table: StudyTable, place: int, arm: Arm, *, tokens: Mapping[int, Tokens], settings: Settings
) -> ArmMeasures:
    generation = arm.generation
    if generation is None or generation.model.kind == Model.Kind.EXTERNAL:
        none = Measure(None, undefined=ELSEWHERE)
        return ArmMeasures(place + 1, none, none, none, none, none)
    result = generation.run.result
    seconds = table.latencies.get(place, np.zeros(0))
    return ArmMeasures(
        place + 1,
        _latency(seconds, result, 50, settings), _latency(seconds, result, 95, settings),
        _rate(result, "tokens_per_second", "tokens/s"), _rate(result, "requests_per_second", "requests/s"),
        _price(generation, tokens.get(generation.pk), table.study.project)
        if generation.model.kind == Model.Kind.ENDPOINT else _cost(result, table.study.project),
    )  # fmt: skip


def _latency(seconds: Array, result: dict[str, Any], percent: int, settings: Settings) -> Measure:
    """A percentile of the latencies with its bootstrap interval; the run's own summary where none are kept."""
    note = "one request at a time"
    if len(seconds):
        rng = np.random.default_rng([settings.seed, len(seconds), percent])
        draws = np.percentile(seconds[rng.integers(0, len(seconds), (2_000, len(seconds)))], percent, axis=1)
        low, high = np.quantile(draws, [(1 - settings.level) / 2, (1 + settings.level) / 2])
        value = float(np.percentile(seconds, percent))
        if len(seconds) < 2:
            return Measure(value, n=1, unit="s", note=note)
        return Measure(value, float(low), float(high), len(seconds), "s", note)
    summary = result.get("latency") or {}
    if summary.get(f"p{percent}") is not None:
        return Measure(float(summary[f"p{percent}"]), n=int(summary.get("n", 0)), unit="s", note=note)
    return Measure(None, unit="s", undefined="undefined: no request of this run was timed alone")


def _rate(result: dict[str, Any], name: str, unit: str) -> Measure:
    value = result.get(name)
    if value is None:
        return Measure(None, unit=unit, undefined="undefined: the run did not measure it")
    return Measure(float(value), n=int(result.get("answers", 0)), unit=unit, note="one batch, so no interval")


def _cost(result: dict[str, Any], project: Project) -> Measure:
    """Price of a machine hour × measured seconds / answers × 1,000."""
    if project.hour_price is None:
        return Measure(None, unit=project.currency, undefined="undefined: no price of a machine hour is set")
    seconds, answers = result.get("seconds"), result.get("answers")
    if not seconds or not answers:
        return Measure(None, unit=project.currency, undefined="undefined: the run did not measure its time")
    value = float(project.hour_price) * float(seconds) / 3600 / int(answers) * 1000
    return Measure(value, n=int(answers), unit=project.currency, note="one batch, so no interval")


def _price(generation: GenerationRun, tokens: Tokens | None, project: Project) -> Measure:
    """Of an endpoint: tokens × its price table / answers × 1,000. The price of a machine hour has no part in it."""
    prices, unit = prices_of(generation.model, project.currency), project.currency
    if prices is None:
        return Measure(None, unit=unit, undefined=f"undefined: {NO_TABLE}")
    if prices.currency != unit:
        return Measure(
            None, unit=unit, undefined=f"undefined: this endpoint is paid in {prices.currency}, not in {unit}"
        )
    if tokens is None or not tokens.complete:
        return Measure(None, unit=unit, undefined=f"undefined: {NO_TOKENS}")
    value = tokens.cost(prices) / tokens.answers * 1000
    return Measure(value, n=tokens.answers, unit=unit, note="tokens at the endpoint's prices, so no interval")
