"""The report of a study: its rows (tables.py) through the statistics into one frozen StudyReport."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from django.core.cache import cache
from numpy.typing import NDArray

from evalhub.progress import Heard, told
from evalhub.reports.exposure import exposures
from evalhub.reports.measures import arm_measures, correlations, hidden_measures, metric_scores
from evalhub.reports.report import (
    EMPTY,
    ArmFacts,
    ArmMeasures,
    ArmScore,
    CriterionAgreement,
    CriterionFacts,
    Difference,
    Disagreement,
    Lineage,
    MetricCorrelation,
    MetricScore,
    RaterFacts,
    Strength,
    StudyFacts,
    StudyReport,
)
from evalhub.reports.statistics.agreement import agreement, near_step
from evalhub.reports.statistics.intervals import mean_estimates
from evalhub.reports.statistics.planning import (
    PLAN_FROM,
    Forecast,
    VarianceSplit,
    detectable,
    forecast,
    variance_split,
)
from evalhub.reports.statistics.position import PositionEffect, position_effect
from evalhub.reports.statistics.preference import UNACCEPTABLE, Wins, ranks, strengths, wins
from evalhub.reports.statistics.raters import adjusted_means, profiles, two_way_means
from evalhub.reports.statistics.result import Array, Counts, Estimate, Settings
from evalhub.reports.statistics.verdict import Verdict, holm, sign_flips, standardised, superiority, verdict
from evalhub.reports.tables import StudyTable, stamps
from evalhub.runs.reading import applied_sampling, asked_otherwise
from evalhub.studies.models import Arm, Study
from evalhub.studies.naming import arm_names, is_blind, names_shown, told_texts

OVERALL = "overall"
DISAGREEMENTS = 12
KEEP_SECONDS = 24 * 3600


def study_report(study: Study, *, blind: bool = False) -> StudyReport:
    """build_report, kept for as long as nothing that it rests on changes."""
    return _kept("report", study, stamps([study])[study.pk], build_report, blind=blind)


def brief_reports(studies: Sequence[Study], *, designs: bool) -> dict[int, StudyReport]:
    """By study its verdicts and nothing else, for lists of those who design studies or do not; kept likewise."""
    now = stamps(studies)
    return {
        study.pk: _kept("brief", study, now[study.pk], brief_report, blind=is_blind(study, designs=designs))
        for study in studies
    }


def _kept(
    kind: str, study: Study, now: tuple[object, ...], build: Callable[..., StudyReport], *, blind: bool
) -> StudyReport:
    key = f"{'blind-' if blind else ''}{kind}-2-{study.pk}"
    kept: tuple[object, StudyReport] | None = cache.get(key)
    if kept and kept[0] == now:
        return kept[1]
    report = build(study, blind=blind)
    cache.set(key, (now, report), KEEP_SECONDS)
    return report


def brief_report(study: Study, *, blind: bool = False) -> StudyReport:
    """Facts, arms, criteria and the declared differences; the rest is left empty."""
    builder = Builder(StudyTable(study), Settings(seed=study.seed), blind=blind)
    return replace(EMPTY, facts=builder.facts(), preliminary=study.state != Study.State.CLOSED, arms=builder.arms(),
                   criteria=builder.criteria, differences=builder.differences(only_declared=True))  # fmt: skip


def build_report(
    study: Study, *, settings: Settings | None = None, blind: bool = False, heard: Heard | None = None
) -> StudyReport:
    """Every number of the study. Means rest on current values, agreement and disagreements on the blind ones.

    `blind`: for a reader who may not tell the arms apart yet. Pairs are read later minus earlier place instead of
    arm minus baseline, and what could tell an arm is left out: verdicts, metrics, speed and cost, description, credit.
    `heard`: learns how many parts of the report are worked out.
    """
    return Builder(StudyTable(study), settings or Settings(seed=study.seed), blind=blind).report(heard)


class Builder:
    """Holds what the parts of one report share: score arrays with the overall in front, arms, pairs, settings."""

    def __init__(self, table: StudyTable, settings: Settings, *, blind: bool = False) -> None:
        self.table, self.settings, self.study = table, settings, table.study
        self.criteria = criterion_facts(table)
        self.scores = self._with_overall(table.current)  # (items, arms, raters, criteria)
        self.cells = _mean_over_raters(self.scores)  # (items, arms, criteria)
        self.bounds = (float(self.study.scale_min), float(self.study.scale_max))
        self.span = self.bounds[1] - self.bounds[0]
        self.margin = None if self.study.origin == Study.Origin.IMPORTED else self.study.margin
        base = next((place for place, arm in enumerate(table.arms) if arm.is_baseline), 0)
        self.base = None if blind else base
        self.primary = next((place for place, c in enumerate(self.criteria) if c.is_primary), 0)
        self.pairs = self._pairs()

    def report(self, heard: Heard | None = None) -> StudyReport:
        parts: dict[str, Callable[[], Any]] = {
            "differences": self.differences,
            "facts": self.facts,
            "arms": self.arms,
            "scores": self.arm_scores,
            "wins": self.wins,
            "choices": self.choices,
            "strengths": self.strengths,
            "agreement": self.agreement,
            "position": self.position,
            "variance": self.variance,
            "detectable": self.detectable,
            "metrics": self.metrics,
            "measures": self.measures,
            "correlations": self.correlations,
            "disagreements": self.disagreements,
            "raters": self.raters,
            "warnings": self.warnings,
        }
        made = {name: part() for name, part in told(parts.items(), len(parts), heard, every=1)}
        return StudyReport(preliminary=self.study.state != Study.State.CLOSED, criteria=self.criteria, **made)

    # --- who and what -----------------------------------------------------------------------------

    def _with_overall(self, scores: Array) -> Array:
        """Scores in the order of self.criteria: a computed overall stands in front where there is one."""
        if not any(criterion.computed for criterion in self.criteria):
            order = [self._place(criterion.key) for criterion in self.criteria]
            return scores[..., order]
        weights = np.array([criterion.weight for criterion in self.table.criteria])
        overall = (scores * weights).sum(axis=-1, keepdims=True) / weights.sum()
        return np.concatenate([overall, scores], axis=-1)

    def _place(self, key: str) -> int:
        return next(place for place, criterion in enumerate(self.table.criteria) if criterion.key == key)

    def _pairs(self) -> list[tuple[int, int]]:
        """Pairs (a, b) to read as a − b: each arm against the baseline first, then the later against the earlier."""
        places = range(len(self.table.arms))
        with_base = [] if self.base is None else [(place, self.base) for place in places if place != self.base]
        rest = [(b, a) for a, b in combinations(places, 2) if self.base not in (a, b)]
        return with_base + rest

    def arms(self) -> tuple[ArmFacts, ...]:
        shown, names = names_shown(self.study), self.names
        return tuple(
            ArmFacts(
                number=number,
                name=names[arm.pk],
                is_baseline=None if self.base is None else number - 1 == self.base,
                lineage=lineage(arm) if shown else None,
            )
            for number, arm in enumerate(self.table.arms, 1)
        )

    def warnings(self) -> tuple[str, ...]:
        return exposures(self.table.arms, self.names if names_shown(self.study) else {})

    @cached_property
    def names(self) -> dict[int, str]:
        """By arm, as it may be called now."""
        return arm_names(self.study)

    def counts(self, scores: Array) -> Counts:
        """n of scores (items, raters)."""
        filled = ~np.isnan(scores)
        return Counts(int(filled.any(axis=1).sum()), int(filled.any(axis=0).sum()), int(filled.sum()))

    # --- means and differences --------------------------------------------------------------------

    def arm_scores(self) -> tuple[ArmScore, ...]:
        found = []
        for c, criterion in enumerate(self.criteria):
            means = mean_estimates(self.cells[:, :, c], self.settings, bounds=self.bounds)
            adjusted = adjusted_means(self.scores[..., c], bounds=self.bounds, settings=self.settings)
            two_way = two_way_means(self.scores[..., c], bounds=self.bounds, settings=self.settings)
            for a, mean in enumerate(means):
                counted = mean.with_counts(self.counts(self.scores[:, a, :, c]))
                found.append(ArmScore(a + 1, criterion.key, counted, adjusted[a], two_way[a]))
        return tuple(found)

    def paired(self) -> Array:
        """Differences (items, pairs × criteria), NaN where an item lacks one of the two arms."""
        a, b = ([pair[side] for pair in self.pairs] for side in (0, 1))
        both = self.cells[:, a] - self.cells[:, b]
        return both.reshape(len(both), len(self.pairs) * len(self.criteria))

    def differences(self, *, only_declared: bool = False) -> tuple[Difference, ...]:
        """All pairs × criteria; Holm's correction runs over those that are asked for."""
        columns = self.paired()
        if not columns.shape[1] or (only_declared and self.base is None):
            return ()
        if only_declared:
            columns = np.where([self._in_family(k) for k in range(columns.shape[1])], columns, np.nan)
        bounds = (-self.span, self.span)
        plain = mean_estimates(columns, self.settings, bounds=bounds)
        p_values = sign_flips(columns, self.settings)
        family = [k for k in range(columns.shape[1]) if self._in_family(k)]
        together = dict(
            zip(
                family,
                mean_estimates(columns[:, family], self.settings, bounds=bounds, comparisons=max(len(family), 1)),
                strict=True,
            )
        )
        adjusted = holm(p_values)
        return tuple(
            self._difference(
                k, values=columns[:, k], plain=plain[k], p=(p_values[k], adjusted[k]),
                together=together.get(k), comparisons=len(family),
            )
            for k in (family if only_declared else range(columns.shape[1]))
        )  # fmt: skip

    def _in_family(self, column: int) -> bool:
        pair, criterion = divmod(column, len(self.criteria))
        return criterion == self.primary and self.base in self.pairs[pair]

    def _difference(
        self, column: int, *, values: Array, plain: Estimate, p: tuple[float | None, float | None],
        together: Estimate | None, comparisons: int,
    ) -> Difference:  # fmt: skip
        pair, c = divmod(column, len(self.criteria))
        a, b = self.pairs[pair]
        said = verdict(together.low, together.high, self.margin) if together else None
        return Difference(
            a=a + 1, b=b + 1, criterion=self.criteria[c].key,
            difference=plain.with_counts(self._pair_counts(a, b, c)), p=p[0], p_holm=p[1], d_z=standardised(values),
            superiority=superiority(values, self.settings), in_family=together is not None, simultaneous=together,
            verdict=str(said) if said else "", within_margin=self._within_margin(together),
            forecast=self._forecast(values, comparisons) if said == Verdict.UNDECIDED else None,
        )  # fmt: skip

    def _within_margin(self, together: Estimate | None) -> bool:
        if self.margin is None or together is None or together.low is None or together.high is None:
            return False
        return -self.margin < together.low and together.high < self.margin

    def _pair_counts(self, a: int, b: int, c: int) -> Counts:
        both = ~np.isnan(self.cells[:, a, c]) & ~np.isnan(self.cells[:, b, c])
        filled = ~np.isnan(self.scores[both][:, [a, b], :, c])
        return Counts(int(both.sum()), int(filled.any(axis=(0, 1)).sum()), int(filled.sum()))

    def _forecast(self, values: Array, comparisons: int) -> Forecast:
        return forecast(
            values[~np.isnan(values)], self.margin, ratings_per_item=self._raters_per_item(), comparisons=comparisons,
            settings=self.settings,
        )  # fmt: skip

    def _raters_per_item(self) -> float:
        rated = (~np.isnan(self.scores)).any(axis=(1, 3)).sum(axis=1)
        return float(rated[rated > 0].mean()) if (rated > 0).any() else float(self.study.overlap)

    # --- who wins ---------------------------------------------------------------------------------

    def wins(self) -> tuple[Wins, ...]:
        """Item by item, from the mean score on the primary criterion."""
        return tuple(wins(self._lead(a, b), a=a + 1, b=b + 1, settings=self.settings) for a, b in self.pairs)

    def _lead(self, a: int, b: int) -> Array:
        return np.asarray(self.cells[:, a, self.primary] - self.cells[:, b, self.primary])

    def choices(self) -> tuple[Wins, ...]:
        """Item by item, from the raters' explicit choices, where the study asked for them."""
        given = [(row.item, row.preference) for row in self.table.ratings if row.preference]
        if not given:
            return ()
        return tuple(wins(self._balance(given, a, b), a=a + 1, b=b + 1, settings=self.settings) for a, b in self.pairs)

    def _balance(self, given: list[tuple[int, str]], a: int, b: int) -> Array:
        """Choices of a less choices of b on each item; NaN where nobody chose between them."""
        points = {str(self.table.arms[a].pk): 1.0, str(self.table.arms[b].pk): -1.0, "tie": 0.0}
        balance, said = np.zeros(len(self.table.items)), np.zeros(len(self.table.items))
        refused: dict[int, int] = {}
        for item, preference in given:
            if preference in points:
                balance[item] += points[preference]
                said[item] += 1
            elif preference == "unacceptable":
                refused[item] = refused.get(item, 0) + 1
        balance[said == 0] = np.nan
        for item, count in refused.items():
            balance[item] = UNACCEPTABLE if count > said[item] else balance[item]
        return balance

    def strengths(self) -> tuple[Strength, ...]:
        count = len(self.table.arms)
        pairs = list(combinations(range(count), 2))
        leads = np.stack([self._lead(a, b) for a, b in pairs], axis=1) if pairs else np.zeros((0, 0))
        places = ranks(self._lower_bounds(leads, pairs))
        found = strengths(leads, arms=count, settings=self.settings)
        return tuple(Strength(k + 1, found[k], places[k]) for k in range(count))

    def _lower_bounds(self, leads: Array, pairs: list[tuple[int, int]]) -> Array:
        """Lower ends of the simultaneous intervals of all differences on the primary criterion."""
        table = np.full((len(self.table.arms),) * 2, np.nan)
        bounds = (-self.span, self.span)
        for (a, b), e in zip(
            pairs, mean_estimates(leads, self.settings, bounds=bounds, comparisons=max(len(pairs), 1)), strict=True
        ):
            if e.low is not None and e.high is not None:
                table[a, b], table[b, a] = e.low, -e.high
        return table

    # --- raters -----------------------------------------------------------------------------------

    def agreement(self) -> tuple[CriterionAgreement, ...]:
        """On the blind values. The computed overall is left out: nobody gave it."""
        items = np.repeat(np.arange(len(self.table.items)), len(self.table.arms))
        step = near_step(*self.bounds)
        found = []
        for criterion in self.criteria:
            if not criterion.computed:
                blind = self.table.blind[..., self._place(criterion.key)].reshape(len(items), -1)
                found.append(
                    CriterionAgreement(criterion.key, agreement(blind, items, step=step, settings=self.settings))
                )
        return tuple(found)

    def position(self) -> PositionEffect:
        """From the primary criterion."""
        scores = self.scores[..., self.primary]
        filled = ~np.isnan(scores)
        item, arm, _ = (place.astype(np.intp) for place in np.nonzero(filled))
        return position_effect(
            scores[filled], self.table.positions[filled], arm, item, span=self.span, settings=self.settings
        )

    def raters(self) -> tuple[RaterFacts, ...]:
        found = profiles(self.scores[..., self.primary], span=self.span, settings=self.settings)
        seconds: dict[int, list[float]] = {}
        finished: dict[int, int] = {}
        for row in self.table.ratings:
            place = row.rater
            finished[place] = finished.get(place, 0) + 1
            if row.seconds is not None:
                seconds.setdefault(place, []).append(row.seconds)
        return tuple(
            RaterFacts(rater.pseudonym, found[r], _median(seconds.get(r, [])), finished.get(r, 0))
            for r, rater in enumerate(self.table.raters)
        )

    def metrics(self) -> tuple[MetricScore, ...]:
        return () if self.base is None else metric_scores(self.table, self.settings)

    def measures(self) -> tuple[ArmMeasures, ...]:
        return hidden_measures(self.table) if self.base is None else arm_measures(self.table, self.settings)

    def correlations(self) -> tuple[MetricCorrelation, ...]:
        return () if self.base is None else correlations(self.table, self.cells, self.criteria, self.settings)

    def disagreements(self) -> tuple[Disagreement, ...]:
        """The answers with the largest range of blind scores, at least a third of the scale."""
        blind = self.table.blind
        if not blind.size:
            return ()
        filled = (~np.isnan(blind)).sum(axis=2)
        top, bottom = (np.where(filled >= 2, f(np.where(np.isnan(blind), fill, blind), axis=2), 0)
                       for f, fill in ((np.max, -np.inf), (np.min, np.inf)))  # fmt: skip
        spans = top - bottom
        order = np.argsort(-spans, axis=None, kind="stable")[:DISAGREEMENTS]
        places = [np.unravel_index(k, spans.shape) for k in order if spans.flat[k] >= self.span / 3]
        return tuple(self._disagreement(int(i), int(a), int(c), float(spans[i, a, c])) for i, a, c in places)

    def _disagreement(self, i: int, a: int, c: int, span: float) -> Disagreement:
        row, values = self.table.items[i], self.table.blind[i, a, :, c]
        given = tuple(sorted((float(v) for v in values[~np.isnan(values)]), reverse=True))
        return Disagreement(row.pk, row.key, row.title, a + 1, self.table.criteria[c].key, given, span)

    # --- the study --------------------------------------------------------------------------------

    def variance(self) -> VarianceSplit | None:
        """Of the first pair's difference on the primary criterion, one rater at a time."""
        if not self.pairs:
            return None
        (a, b), c = self.pairs[0], self.primary
        return variance_split(self.scores[:, a, :, c] - self.scores[:, b, :, c])

    def detectable(self) -> float | None:
        """The smallest difference that this study's items detect with power 0.8, simultaneous over the family.

        None of fewer items than a plan may rest on.
        """
        if not self.pairs:
            return None
        lead = self._lead(*self.pairs[0])
        kept = lead[~np.isnan(lead)]
        if len(kept) < PLAN_FROM or np.ptp(kept) < 1e-12:
            return None
        return detectable(
            len(kept), float(kept.var(ddof=1)), level=self.settings.level, comparisons=self._family_size()
        )

    def _family_size(self) -> int:
        return max(1, len(self.table.arms) - 1)

    def facts(self) -> StudyFacts:
        study, table = self.study, self.table
        filled = ~np.isnan(table.current)
        slots = table.slots
        seconds = [row.seconds for row in table.ratings if row.seconds is not None]
        return StudyFacts(
            project=study.project.slug, slug=study.slug, name=study.name, **told_texts(study, blind=self.base is None),
            state=study.state, origin=study.origin,
            opened=study.opened_at.date().isoformat() if study.opened_at else "",
            closed=study.closed_at.date().isoformat() if study.closed_at else "",
            revealed=study.revealed_at is not None, names_shown=names_shown(study),
            scale=(study.scale_min, study.scale_max), items=len(table.items),
            items_rated=int(filled.any(axis=(1, 2, 3)).sum()), arms=len(table.arms),
            raters=int(filled.any(axis=(0, 1, 3)).sum()), wanted_ratings=len(table.items) * study.overlap,
            ratings=len(table.ratings), scores=int(filled.sum()), overlap=study.overlap, skipped=slots["skipped"],
            flags=table.flags, margin=self.margin, margin_note=self._margin_note(), family=self._family_note(),
            guidelines_version=study.guidelines_version, seed=self.settings.seed, level=self.settings.level,
            resamples=self.settings.resamples, version=str(study.facts.get("version", "")),
            split=str(study.facts.get("split", "")), sampled=bool(study.facts.get("sampled", False)),
            median_seconds=_median(seconds),
        )  # fmt: skip

    def _margin_note(self) -> str:
        if self.margin is None:
            return "none was fixed before these ratings were made, so only superior and undecided are said"
        return "fixed before the study opened" if self.study.opened_at else "fixed when the study opens"

    def _family_note(self) -> str:
        if self.base is None:
            return ""
        name = self.criteria[self.primary].name if self.criteria else "overall"
        size = self._family_size()
        comparisons = "1 comparison" if size == 1 else f"{size} comparisons"
        when = "chosen at the import" if self.study.origin == Study.Origin.IMPORTED else "declared with the study"
        rest = len(self.pairs) * len(self.criteria) - size
        others = f"; the other {rest} {'is' if rest == 1 else 'are'} exploratory" if rest else ""
        return f"{name}, each arm against the baseline: {comparisons}, {when}{others}"


def criterion_facts(table: StudyTable) -> tuple[CriterionFacts, ...]:
    """The criteria in reading order: overall first, then as the study has them.

    Overall is the weighted mean, unless the raters scored an overall of their own and nobody declared the mean.
    """
    study, rows = table.study, table.criteria
    scored = next((row.key for row in rows if OVERALL in (row.key, row.name.casefold())), None)
    computed = bool(rows) and scored != OVERALL and (scored is None or study.primary_criterion == OVERALL)
    primary = study.primary_criterion if computed or study.primary_criterion != OVERALL else (scored or OVERALL)
    keys = [row.key for row in rows]
    if primary not in [*keys, *([OVERALL] if computed else [])]:
        primary = OVERALL if computed else (keys[0] if keys else OVERALL)
    name = "Mean of the criteria" if scored else "Overall"
    mean = [CriterionFacts(OVERALL, name, "", 1.0, primary == OVERALL, True)] if computed else []
    own = [
        CriterionFacts(row.key, _named(row.name), row.question, row.weight, row.key == primary, False) for row in rows
    ]
    return tuple(mean + (own if computed else sorted(own, key=lambda c: c.key != scored)))


def _named(name: str) -> str:
    return name[:1].upper() + name[1:]


def lineage(arm: Arm) -> Lineage | None:
    """Where the arm's answers come from; None where they came with the ratings."""
    generation = arm.generation
    if generation is None:
        return None
    model, training = generation.model, getattr(generation.model, "training", None)
    version = training.version if training else None
    accepted = version.settings.get("leaks", {}) if version else {}
    return Lineage(
        run=generation.run_id, run_name=generation.run.name, engine=generation.engine,
        sampling=applied_sampling(generation), sampling_asked=asked_otherwise(generation),
        model=model.name, model_kind=model.get_kind_display(), base=model.base.name if model.base else "",
        training_run=training.run_id if training else None, dataset=version.dataset.name if version else "",
        dataset_slug=version.dataset.slug if version else "", version=version.number if version else None,
        version_examples=version.counts.get("train") if version else None,
        leaks=accepted.get("count", 0), leak_reason=accepted.get("reason", ""),
    )  # fmt: skip


def _mean_over_raters(scores: Array) -> Array:
    filled = ~np.isnan(scores)
    counts: NDArray[np.intp] = filled.sum(axis=2)
    return np.where(counts > 0, np.nansum(scores, axis=2) / np.maximum(counts, 1), np.nan)


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None
