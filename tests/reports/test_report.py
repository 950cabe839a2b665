"""The report of a study: right numbers from rows, what is undefined and why, and what it costs to build."""

import re
import time

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from evalhub.reports import comparison
from evalhub.reports.aggregates import build_report, study_report
from evalhub.reports.measures import MIXED, bounds_of
from evalhub.reports.report import Measure, as_json
from evalhub.reports.statistics.result import Settings
from evalhub.reports.words import basis, evidence, verdicts
from evalhub.runs.models import Answer, GenerationRun, Model, Run, Score, ScoringRun
from evalhub.runs.reading import facts_of
from evalhub.studies.actions import import_ratings
from evalhub.studies.models import Rating, RatingScore, Study
from tests.conftest import logged_in
from tests.reports import squality
from tests.reports.ground import RESULT, finished, rated_study, revise

QUICK = Settings(resamples=300, seed=7)


@pytest.fixture
def study(project, admin) -> Study:
    return rated_study(project, admin)


def cells(study: Study, arm: str, criterion: str) -> list[float]:
    """Item means by hand: mean over raters of the current values."""
    by_item: dict[int, list[float]] = {}
    rows = RatingScore.objects.filter(
        arm__study=study, arm__name=arm, criterion__key=criterion, rating__is_current=True
    ).values_list("rating__assignment__item_id", "value")
    for item, value in rows:
        by_item.setdefault(item, []).append(value)
    return [float(np.mean(values)) for values in by_item.values()]


def test_its_means_are_means_over_items_of_means_over_raters(study):
    report = build_report(study, settings=QUICK)
    for arm in report.arms:
        score = report.score(arm.number, "style")
        by_hand = cells(study, arm.name, "style")
        assert score.mean.point == pytest.approx(np.mean(by_hand))
        assert score.mean.low < score.mean.point < score.mean.high
        assert (score.mean.n_items, score.mean.n_raters, score.mean.n_ratings) == (20, 3, 40)


def test_overall_is_the_weighted_mean_of_the_criteria(study):
    study.criteria.filter(key="style").update(weight=3)
    report = build_report(study, settings=QUICK)
    parts = {key: report.score(2, key).mean.point for key in ("accuracy", "relevance", "quality", "style")}
    wanted = (sum(parts.values()) + 2 * parts["style"]) / 6
    assert report.score(2, "overall").mean.point == pytest.approx(wanted)
    assert report.criteria[0].key == "overall"


def test_a_revision_counts_for_the_means_and_the_blind_value_for_agreement(study):
    before = build_report(study, settings=QUICK)
    revise(Rating.objects.filter(assignment__item__study=study).first(), 1.0)
    after = build_report(study, settings=QUICK)
    assert after.score(3, "overall").mean.point < before.score(3, "overall").mean.point
    assert after.agreement == before.agreement
    assert after.disagreements == before.disagreements
    assert after.facts.ratings == before.facts.ratings


def test_only_declared_comparisons_carry_a_verdict(study):
    report = build_report(study, settings=QUICK)
    assert {(d.a, d.b, d.criterion) for d in report.family} == {(2, 1, "overall"), (3, 1, "overall")}
    assert all(d.verdict for d in report.family)
    assert all(d.verdict == "" and d.simultaneous is None for d in report.differences if not d.in_family)
    assert len(report.differences) == 3 * 5
    assert all(d.p_holm is not None and d.p_holm >= d.p for d in report.differences)


def test_a_better_arm_is_superior_and_an_interval_over_the_family_is_wider(study):
    report = build_report(study, settings=QUICK)
    editors = next(d for d in report.family if d.a == 3)
    assert editors.verdict == "superior"
    assert editors.difference.point == pytest.approx(2.5, abs=0.8)
    assert editors.simultaneous.low < editors.difference.low


def test_equal_arms_stay_undecided_and_say_how_many_items_would_decide(project, admin):
    study = rated_study(project, admin, qualities=(6.0, 6.05, 6.0), items=12, margin=0.05, noise=1.5)
    report = build_report(study, settings=QUICK)
    undecided = [d for d in report.family if d.verdict == "undecided"]
    assert undecided
    assert len(undecided) < 2 or "between Base and each of Tuned and Editors it is undecided" in verdicts(report)
    assert all(d.forecast.ratings_per_item == 2 for d in undecided)
    assert any(d.forecast.low and d.forecast.low <= d.forecast.items for d in undecided)
    told = " ".join(str(sentence) for line in evidence(report) for sentence in line)
    assert re.search(r"\d more items \([\d,]+ to .*ratings\) would decide it, if the difference stays as it is\.", told)


def test_it_forecasts_nothing_from_a_handful_of_items(project, admin):
    study = rated_study(
        project,
        admin,
        names=("Base", "Tuned"),
        qualities=(6.0, 6.1),
        items=12,
        rated=3,
        noise=2.5,
        margin=0.1,
        seed=4,
    )
    report = build_report(study, settings=QUICK)
    assert report.family[0].forecast.items is None
    assert report.detectable is None
    told = " ".join(str(sentence) for line in evidence(report) for sentence in line)
    assert "cannot be told: 3 items are rated in both arms, and a forecast needs 10." in told
    assert "would decide it" in told
    assert "1 ratings" not in told


def test_what_was_declared_and_over_what_p_is_corrected_are_told_apart(project, admin):
    study = rated_study(project, admin, names=("Base", "Tuned"), qualities=(5.0, 6.5), items=12)
    report = build_report(study, settings=QUICK)
    assert basis(report) == (
        "The verdict rests on Overall, each arm against the baseline: 1 comparison, declared with the study; "
        "the other 4 are exploratory. Every p is corrected (Holm) for all 5 comparisons in this report."
    )
    assert not any("correct" in str(sentence) for line in evidence(report) for sentence in line)


def test_arms_within_a_wide_margin_are_equivalent(project, admin):
    study = rated_study(project, admin, names=("Base", "Tuned"), qualities=(6.0, 6.0), items=60, margin=2.0, noise=0.6)
    assert [d.verdict for d in build_report(study, settings=QUICK).family] == ["equivalent"]


def test_names_stay_hidden_until_they_are_revealed(project, admin):
    study = rated_study(project, admin, revealed=False)
    report = build_report(study, settings=QUICK)
    assert [arm.name for arm in report.arms] == ["Arm 1", "Arm 2", "Arm 3"]
    assert all(arm.lineage is None for arm in report.arms)
    assert "Tuned" not in str(as_json(report))
    assert "Editors" not in str(as_json(report))


def test_an_arm_is_walked_back_to_its_training_version(study):
    lineage = build_report(study, settings=QUICK).arm(2).lineage
    assert (lineage.model, lineage.base, lineage.dataset, lineage.version) == ("Tuned", "Base", "Pages", 3)
    assert lineage.version_examples == 1247
    assert Run.objects.get(pk=lineage.training_run).kind == "training"


def test_an_arm_tells_the_sampling_that_was_applied_and_what_was_asked_for_instead(study):
    generation = study.arms.get(name="Tuned").generation
    asked = {"temperature": 0.0, "max_tokens": 512, "stop": []}
    GenerationRun.objects.filter(pk=generation.pk).update(sampling=asked)
    Run.objects.filter(pk=generation.run_id).update(result={**RESULT, "sampling": {**asked, "max_tokens": 256}})
    lineage = build_report(study, settings=QUICK).arm(2).lineage
    assert lineage.sampling == {"temperature": 0.0, "max_tokens": 256, "stop": []}
    assert lineage.sampling_asked == {"max_tokens": 512}
    page = logged_in(study.created_by).get(reverse("reports:report", args=[study.project.slug, study.slug]))
    assert "temperature 0.0, at most 256 tokens, asked for 512" in page.content.decode()


def test_metrics_come_from_the_latest_scoring_and_are_paired(study):
    generation = study.arms.get(name="Tuned").generation
    later = ScoringRun.objects.create(
        run=finished(study.project, study.created_by, "scoring", "Again", {}), generation=generation
    )
    for answer in generation.answers.all():
        Score.objects.create(answer=answer, scoring=later, metric="rougeL", value=0.9, scorer="rougeL 2")
    report = build_report(study, settings=QUICK)
    tuned = next(m for m in report.metrics if (m.arm, m.metric) == (2, "rougeL"))
    assert tuned.scorer == "rougeL 2"
    assert not [c for c in report.correlations if c.metric == "rougeL"], "two implementations must not be mixed"
    assert [c for c in report.correlations if c.metric == "bertscore"]
    Score.objects.filter(metric="rougeL").exclude(answer__generation=generation).update(scorer="rougeL 2")
    again = build_report(study, settings=QUICK)
    assert next(m for m in again.metrics if (m.arm, m.metric) == (2, "rougeL")).mean.point == pytest.approx(0.9)


def test_values_of_different_scorers_are_not_put_side_by_side(study):
    """Table 1 would call one better, or the best, for being counted otherwise."""
    Score.objects.filter(answer__generation=study.arms.get(name="Tuned").generation, metric="rougeL").update(
        scorer="rougeL 2"
    )
    report = build_report(study, settings=QUICK)
    rouge = [m for m in report.metrics if m.metric == "rougeL"]
    assert {(m.mean.point, m.mean.undefined) for m in rouge} == {(None, MIXED)}
    assert {m.scorer for m in rouge} == {"rougeL 1", "rougeL 2"}
    assert "ROUGE-L" not in [column.name for column in comparison.columns(report)]
    assert f"ROUGE-L: {MIXED}." in comparison.missing(report)
    assert "BERTScore" in [column.name for column in comparison.columns(report)]


def test_an_interval_of_rouge_stays_within_its_scale(project, admin):
    study = rated_study(project, admin, items=5)
    Score.objects.filter(metric="rougeL").update(value=0)
    Score.objects.filter(metric="rougeL", answer__entry__position=4).update(value=0.4)
    rouge = [m.mean for m in build_report(study, settings=QUICK).metrics if m.metric == "rougeL"]
    assert [(mean.point, mean.low) for mean in rouge] == [(pytest.approx(0.08), 0.0)] * 3
    assert bounds_of("bertscore") == (-1, 1)


def test_speed_and_cost_say_how_they_were_taken_or_why_they_are_missing(study):
    measures = {m.arm: m for m in build_report(study, settings=QUICK).measures}
    base, editors = measures[1], measures[3]
    assert base.latency_p50.n == 20
    assert base.latency_p50.low < base.latency_p50.value < base.latency_p50.high
    assert base.latency_p50.note == "one request at a time"
    assert base.tokens_per_second.value == 180
    assert base.cost_per_1000.undefined == "undefined: no price of a machine hour is set"
    assert editors.cost_per_1000.undefined == "undefined: these answers were made elsewhere"


def test_cost_is_measured_time_times_the_price_of_an_hour(study):
    study.project.hour_price = 1.8
    study.project.save()
    cost = build_report(study, settings=QUICK).measures[0].cost_per_1000
    assert cost.value == pytest.approx(1.8 * 40 / 3600 / 20 * 1000)


@pytest.fixture
def endpoint(study) -> Model:
    """The second arm's answers come from an endpoint that counted 1,000 tokens in and 200 out for each."""
    study.project.hour_price = 1.8
    study.project.save()
    generation = study.arms.get(position=2).generation
    Answer.objects.filter(generation=generation).update(prompt_tokens=1000, output_tokens=200)
    Model.objects.filter(pk=generation.model_id).update(kind="endpoint", base=None)
    return Model.objects.get(pk=generation.model_id)


def cost_of_endpoint(study: Study) -> Measure:
    return build_report(study, settings=QUICK).measures[1].cost_per_1000


def test_an_endpoint_costs_its_tokens_and_no_machine_hour(study, endpoint):
    endpoint.facts = {"prices": {"input_per_million": 2, "output_per_million": 8, "currency": study.project.currency}}
    endpoint.save()
    cost = cost_of_endpoint(study)
    assert cost.value == pytest.approx(1000 * (1000 * 2 + 200 * 8) / 1e6)
    assert (cost.n, cost.unit) == (20, study.project.currency)


@pytest.mark.parametrize(
    ("prices", "reason"),
    [
        (None, "undefined: no price table is set for this endpoint"),
        ({"input_per_million": 2}, "undefined: no price table is set for this endpoint"),
        ({"input_per_million": -2, "output_per_million": 8}, "undefined: no price table is set for this endpoint"),
        ({"input_per_million": 2, "output_per_million": 8, "currency": "JPY"}, "is paid in JPY, not in"),
    ],
)
def test_an_endpoint_without_prices_has_no_cost_and_says_why(study, endpoint, prices, reason):
    endpoint.facts = {"prices": prices}
    endpoint.save()
    cost = cost_of_endpoint(study)
    assert cost.value is None
    assert reason in cost.undefined


def test_an_endpoint_that_counts_no_tokens_has_no_cost(study, endpoint):
    endpoint.facts = {"prices": {"input_per_million": 2, "output_per_million": 8}}
    endpoint.save()
    Answer.objects.filter(pk=Answer.objects.filter(generation__model=endpoint).first().pk).update(prompt_tokens=None)
    assert "did not count the tokens" in cost_of_endpoint(study).undefined


def test_a_run_of_an_endpoint_tells_what_its_tokens_cost(study, endpoint):
    run = endpoint.generation_runs.get().run
    assert ("Cost", "undefined: no price table is set for this endpoint") in facts_of(run)
    endpoint.facts = {"prices": {"input_per_million": 2, "output_per_million": 8, "currency": "usd"}}
    endpoint.save()
    run = Run.objects.get(pk=run.pk)
    told = dict(facts_of(run))["Cost"]
    assert told == "USD 0.072, at 2 in, 8 out a million tokens"


def test_a_kept_report_is_given_up_when_the_prices_of_an_endpoint_change(study, endpoint):
    assert study_report(study).measures[1].cost_per_1000.value is None
    endpoint.facts = {"prices": {"input_per_million": 2, "output_per_million": 8}}
    endpoint.save()
    assert study_report(study).measures[1].cost_per_1000.value


def test_explicit_choices_are_counted_apart_from_scores(project, admin):
    study = rated_study(project, admin, preference=True)
    Rating.objects.filter(assignment__item__position=1).update(preference="unacceptable")
    report = build_report(study, settings=QUICK)
    editors = next(w for w in report.choices if (w.a, w.b) == (3, 1))
    assert editors.unacceptable == 1
    assert editors.wins + editors.ties + editors.losses <= 19
    assert all(won.unacceptable == 0 for won in report.wins)


def test_disagreements_are_the_largest_ranges(study):
    found = build_report(study, settings=QUICK).disagreements
    ranges = [d.range for d in found]
    assert ranges == sorted(ranges, reverse=True)
    assert all(max(d.scores) - min(d.scores) == d.range >= 3 for d in found)


# --- what cannot be said --------------------------------------------------------------------------


def test_a_study_without_ratings_has_a_report_without_numbers(project, admin):
    report = build_report(rated_study(project, admin, rated=0, state="open", items=5), settings=QUICK)
    assert report.preliminary
    assert all(s.mean.point is None and s.mean.undefined == "undefined: no ratings" for s in report.scores)
    assert all(d.difference.point is None and d.verdict == "undecided" for d in report.family)
    assert all(c.agreement.ordinal.undefined for c in report.agreement)
    as_json(report)


def test_one_rating_gives_points_and_no_intervals(project, admin):
    report = build_report(rated_study(project, admin, rated=1, overlap=1, items=5), settings=QUICK)
    mean = report.score(1, "overall").mean
    assert mean.point is not None
    assert mean.low is None
    assert "one item alone" in mean.undefined
    assert "no answer has two ratings" in report.agreement[0].agreement.ordinal.undefined


def test_equal_ratings_give_the_reason_instead_of_a_false_certainty(project, admin):
    study = rated_study(project, admin, items=10)
    RatingScore.objects.filter(arm__study=study).update(value=7)
    report = build_report(study, settings=QUICK)
    mean = report.score(1, "overall").mean
    assert (mean.point, mean.low, mean.high) == (7, None, None)
    assert "every item has the same value" in mean.undefined
    assert report.agreement[0].agreement.ordinal.undefined == "undefined: every rating is the same"
    assert {d.verdict for d in report.family} == {"undecided"}


def test_one_arm_alone_has_means_and_no_differences(project, admin):
    report = build_report(rated_study(project, admin, names=("Base",), qualities=(5.0,), items=10), settings=QUICK)
    assert report.differences == ()
    assert report.wins == ()
    assert report.score(1, "overall").mean.low is not None


def test_many_arms_and_missing_cells_are_no_obstacle(project, admin):
    study = rated_study(project, admin, names=("A", "B", "C", "D"), qualities=(4, 5, 6, 7), items=12)
    RatingScore.objects.filter(arm__study=study, arm__name="D", rating__assignment__item__position__lte=4).delete()
    report = build_report(study, settings=QUICK)
    assert report.score(4, "overall").mean.n_items == 8
    assert next(d for d in report.family if d.a == 4).difference.n_items == 8
    assert next(d for d in report.family if d.a == 3).difference.n_items == 12


# --- a real study ---------------------------------------------------------------------------------


@pytest.fixture
def real(project, admin) -> Study:
    return import_ratings(
        project, name="SQuALITY", path=squality.CSV, file_name="squality.csv", by=admin, scale=(0, 100),
        baseline="bart", primary_criterion="overall-rating",
    )  # fmt: skip


def test_a_real_study_gives_the_numbers_of_its_dashboard(real):
    report = build_report(real, settings=QUICK)
    by_name = {arm.name: arm.number for arm in report.arms}
    keys = {"correctness": "correctness", "coverage": "coverage", "overall": "overall-rating"}
    for criterion, column in squality.COLUMNS.items():
        agreement = next(a.agreement for a in report.agreement if a.criterion == keys[criterion])
        wanted = squality.expected()["alpha"][column]
        assert agreement.ordinal.point == pytest.approx(wanted["ordinal"], abs=1e-9)
        assert agreement.interval.point == pytest.approx(wanted["interval"], abs=1e-9)
        for name, numbers in squality.expected()["systems"][column].items():
            mean = report.score(by_name[name], keys[criterion]).mean
            assert mean.point == pytest.approx(numbers["mean"])
            assert (mean.n_items, mean.n_raters, mean.n_ratings) == (100, 4, 300)
            spread = squality.expected()["mean_of_item_means_sd"][column][name][1]
            assert mean.high - mean.low == pytest.approx(2 * 1.984 * spread / 10, rel=0.15)


def test_an_overall_that_people_scored_is_not_averaged_again(real):
    report = build_report(real, settings=QUICK)
    assert [c.key for c in report.criteria] == ["overall-rating", "correctness", "coverage"]
    assert not any(c.computed for c in report.criteria)
    assert report.facts.margin is None
    assert {d.verdict for d in report.family} == {"superior"}
    assert report.strengths[2].rank.best == report.strengths[2].rank.worst == 1


def test_a_real_study_takes_a_second_or_so(real):
    start = time.process_time()
    build_report(real)
    assert time.process_time() - start < 3  # 1.2 s on an idle core; 1.5 is the goal


# --- cost and repeatability -----------------------------------------------------------------------


def queries(study: Study) -> int:
    with CaptureQueriesContext(
        connection,
    ) as caught:
        build_report(Study.objects.select_related("project").get(pk=study.pk), settings=Settings(resamples=20))
    return len(caught)


def test_it_asks_as_many_questions_of_the_database_whatever_the_size(project, admin, outsider):
    small = rated_study(project, admin, items=4)
    other = outsider.projects.first()
    large = rated_study(other, outsider, items=16, names=("A", "B", "C", "D"), qualities=(4, 5, 6, 7), raters=5)
    assert queries(small) == queries(large) <= 14


def test_the_same_data_give_the_same_bytes(study):
    one, two = (as_json(build_report(study)) for _ in range(2))
    assert one == two


def test_a_kept_report_is_given_up_when_anything_under_it_changes(study):
    first = study_report(study)
    assert study_report(study) == first
    revise(Rating.objects.filter(assignment__item__study=study).first(), 1.0)
    assert study_report(study) != first
    study.project.hour_price = 2
    study.project.save()
    assert study_report(study).measures[0].cost_per_1000.value
