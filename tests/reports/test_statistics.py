"""Correlation, verdicts, planning, raters and position against other libraries and against known truths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.multitest import multipletests

from evalhub.reports.statistics import correlation as corr
from evalhub.reports.statistics.planning import PLAN_FROM, detectable, forecast, items_needed, variance_split
from evalhub.reports.statistics.position import position_effect
from evalhub.reports.statistics.raters import adjusted_means, profiles, two_way_means
from evalhub.reports.statistics.result import Settings
from evalhub.reports.statistics.verdict import Verdict, holm, sign_flips, standardised, superiority, verdict

QUICK = Settings(resamples=400, seed=3)
SMALL = arrays(float, st.tuples(st.integers(1, 6), st.integers(2, 4)), elements=st.integers(1, 4).map(float))


# --- correlation ----------------------------------------------------------------------------------


@given(SMALL, st.sampled_from(corr.COEFFICIENTS), st.data())
def test_item_level_coefficients_agree_with_scipy(metric, name, data):
    human = data.draw(arrays(float, metric.shape, elements=st.integers(1, 4).map(float)))
    oracle = {"spearman": stats.spearmanr, "kendall": stats.kendalltau, "pearson": stats.pearsonr}[name]
    for found, m, h in zip(corr.item_coefficients(metric, human, name), metric, human, strict=True):
        if np.ptp(m) == 0 or np.ptp(h) == 0:
            assert np.isnan(found)
        else:
            assert found == pytest.approx(oracle(m, h)[0], abs=1e-9)


def test_missing_cells_are_left_out_of_an_item():
    metric = np.array([[1.0, np.nan, 2.0, 3.0]])
    human = np.array([[3.0, 9.0, 2.0, 1.0]])
    assert corr.item_coefficients(metric, human, "spearman")[0] == pytest.approx(-1)


def test_items_without_variation_are_left_out_and_counted():
    metric = np.array([[1.0, 2.0], [1.0, 2.0], [5.0, 5.0]])
    human = np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0]])
    found = corr.within_items(metric, human, coefficient="spearman", settings=QUICK)
    assert found.left_out == 1
    assert found.estimate.n_items == 2
    assert found.estimate.point == pytest.approx(0)


def test_pooled_spearman_and_its_partial_agree_with_scipy():
    chance = np.random.default_rng(0)
    length = np.round(chance.normal(0, 1, (60, 3)), 1)
    metric, human = (np.round(length + chance.normal(0, 1, (60, 3)), 1) for _ in range(2))
    plain = corr.pooled(metric, human, settings=QUICK)
    assert plain.point == pytest.approx(stats.spearmanr(metric.ravel(), human.ravel())[0], abs=1e-9)
    partial = corr.pooled(metric, human, settings=QUICK, control=length)
    ranks = [stats.rankdata(v.ravel()) for v in (metric, human, length)]
    left = [r - np.polyval(np.polyfit(ranks[2], r, 1), ranks[2]) for r in ranks[:2]]
    assert partial.point == pytest.approx(stats.pearsonr(*left)[0], abs=1e-9)
    assert partial.point < plain.point
    assert plain.low < plain.point < plain.high


def test_a_metric_that_runs_against_people_stays_negative():
    human = np.random.default_rng(0).normal(0, 1, (30, 3))
    assert corr.pooled(-human, human, settings=QUICK).point == pytest.approx(-1)


def test_few_systems_are_called_anecdotal_and_two_undefined():
    values = np.random.default_rng(0).normal([0, 1, 2], 0.1, (20, 3))
    three = corr.by_system(values, values, settings=QUICK)
    assert three.estimate.point == pytest.approx(1)
    assert three.anecdotal
    two = corr.by_system(values[:, :2], values[:, :2], settings=QUICK)
    assert two.estimate.point is None
    assert "fewer than three systems" in two.estimate.undefined


# --- verdicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "margin", "said"),
    [
        (0.1, 0.9, 0.5, Verdict.SUPERIOR),
        (0.1, 0.4, 0.5, Verdict.SUPERIOR),
        (-0.3, 0.3, 0.5, Verdict.EQUIVALENT),
        (-0.3, -0.1, 0.5, Verdict.EQUIVALENT),
        (-0.3, 0.8, 0.5, Verdict.NOT_WORSE),
        (-0.9, -0.1, 0.5, Verdict.INFERIOR),
        (-0.9, 0.8, 0.5, Verdict.UNDECIDED),
        (-0.1, 0.1, None, Verdict.UNDECIDED),
        (-0.1, 0.1, 0.0, Verdict.UNDECIDED),
        (0.0, 0.1, None, Verdict.UNDECIDED),
        (None, None, 0.5, Verdict.UNDECIDED),
    ],
)
def test_a_verdict_comes_from_the_interval_and_the_margin(low, high, margin, said):
    assert verdict(low, high, margin) == said


@given(st.lists(st.floats(0.0001, 1), min_size=1, max_size=8))
def test_holm_agrees_with_another_library(p_values):
    assert holm(list(p_values)) == pytest.approx(list(multipletests(p_values, method="holm")[1]), abs=1e-12)


def test_holm_leaves_missing_p_values_out():
    assert holm([0.01, None, 0.04]) == pytest.approx([0.02, None, 0.04])


def test_sign_flips_agree_with_scipys_permutation_test():
    values = np.array([0.5, 1.0, -0.25, 0.75, 1.5, 0.0, 0.5, -0.5])
    oracle = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    ).pvalue
    assert sign_flips(values[:, None], Settings(resamples=20_000))[0] == pytest.approx(oracle, abs=0.01)


def test_a_p_value_is_never_zero_and_none_without_items():
    columns = np.stack([np.full(50, 1.0), np.full(50, np.nan)], axis=1)
    assert sign_flips(columns, Settings(resamples=999)) == [pytest.approx(1 / 1000), None]


def test_effect_sizes():
    values = np.array([1.0, 2.0, 0.0, 3.0])
    assert standardised(values) == pytest.approx(values.mean() / values.std(ddof=1))
    assert standardised(np.ones(5)) is None
    assert superiority(values, QUICK).point == pytest.approx(0.875)


# --- planning -------------------------------------------------------------------------------------


def test_as_many_items_as_planned_detect_the_difference_four_times_in_five():
    n = items_needed(0.5, 1.0)
    assert n == 32
    chance = np.random.default_rng(0)
    samples = chance.normal(0.5, 1.0, (4000, n))
    z = samples.mean(axis=1) / samples.std(axis=1, ddof=1) * np.sqrt(n)
    assert (z > 1.96).mean() == pytest.approx(0.8, abs=0.03)
    assert detectable(n, 1.0) == pytest.approx(0.495, abs=0.01)
    assert items_needed(0.0, 1.0) is None


def test_the_range_of_a_forecast_holds_the_items_that_the_true_variance_asks_for():
    chance, truth = np.random.default_rng(0), items_needed(0.3, 1.0)
    held = 0
    for _ in range(2000):
        values = chance.normal(0, 1.0, PLAN_FROM)
        found = forecast(values - values.mean() + 0.3, None, ratings_per_item=2, comparisons=1, settings=Settings())
        held += found.low <= truth - PLAN_FROM <= found.high
        assert found.low <= found.items <= found.high
    assert held / 2000 == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0.5], "1 item is rated in both arms, and a forecast needs 10"),
        ([0.5, -0.5, 0.2], "3 items are rated in both arms, and a forecast needs 10"),
        ([0.0] * 12, "every item has the same difference"),
        ([3.0, -3.0] * 6, "no number of items within reach"),
    ],
)
def test_a_forecast_that_cannot_be_made_says_why(values, reason):
    found = forecast(np.array(values), None, ratings_per_item=2, comparisons=1, settings=Settings())
    assert (found.items, found.low, found.high) == (None, None, None)
    assert reason in found.undefined


def test_a_margin_that_is_nearer_than_zero_shortens_the_way():
    values = np.random.default_rng(1).normal(0.05, 1.0, 20)
    long, short = (
        forecast(values, margin, ratings_per_item=2, comparisons=1, settings=Settings()) for margin in (None, 0.8)
    )
    assert long.items is None or short.items < long.items


def test_variance_is_split_between_items_and_raters():
    chance = np.random.default_rng(0)
    d = chance.normal(0, 1.5, (3000, 1)) + chance.normal(0, 0.8, (3000, 4))
    d[chance.random(d.shape) < 0.3] = np.nan
    found = variance_split(d)
    assert found.items == pytest.approx(1.5**2, rel=0.1)
    assert found.raters == pytest.approx(0.8**2, rel=0.1)
    assert variance_split(np.array([[1.0], [2.0]])) is None


# --- raters ---------------------------------------------------------------------------------------

SEVERITIES = np.array([-1.0, 0.0, 0.4, 0.6])


def panel(items: int = 60, seed: int = 0, severities: np.ndarray = SEVERITIES) -> np.ndarray:
    """Scores (items, 2 arms, raters): two raters on each item; the strict one sees the first arm's worst items."""
    chance = np.random.default_rng(seed)
    scores = np.full((items, 2, len(severities)), np.nan)
    for i in range(items):
        for r in chance.choice(len(severities), 2, replace=False):
            scores[i, :, r] = [5, 6] + chance.normal(0, 0.5, 2) + severities[r]
    return scores


def test_severities_are_recovered_and_their_intervals_hold_them():
    found = [p.severity for p in profiles(panel(200), span=9, settings=QUICK)]
    assert [e.point for e in found] == pytest.approx(list(SEVERITIES), abs=0.15)
    assert sum(e.low <= truth <= e.high for e, truth in zip(found, SEVERITIES, strict=True)) >= 3


def test_equal_raters_are_shrunk_to_nearly_nothing():
    found = [p.severity.point for p in profiles(panel(20, severities=np.zeros(4)), span=9, settings=QUICK)]
    assert np.abs(found).max() < 0.15


def test_adjusting_takes_a_rater_who_met_only_one_arm_out_of_the_difference():
    scores = panel(80)
    scores[:40, 0, 0] = np.nan  # the strict rater skips the first arm half of the time
    raw = np.nanmean(np.nanmean(scores, axis=2), axis=0)
    adjusted = [e.point for e in adjusted_means(scores, bounds=(1, 10), settings=QUICK)]
    assert abs(adjusted[1] - adjusted[0] - 1) < abs(raw[1] - raw[0] - 1)


def test_one_rater_alone_has_no_severity():
    alone = np.random.default_rng(0).normal(5, 1, (10, 2, 1))
    found = profiles(alone, span=9, settings=QUICK)[0]
    assert found.severity.point is None
    assert "nobody else" in found.severity.undefined
    assert found.leave_one_out is None


def test_a_two_way_interval_is_wider_and_asks_for_five_raters():
    assert two_way_means(panel(), bounds=(1, 10), settings=QUICK)[0].undefined.endswith("five raters")
    five = panel(80, severities=np.array([-1.5, -0.5, 0.0, 0.5, 1.5]))
    both = two_way_means(five, bounds=(1, 10), settings=QUICK)[0]
    one_way = adjusted_means(five, bounds=(1, 10), settings=QUICK)[0]
    assert both.high - both.low > one_way.high - one_way.low


def test_a_two_way_interval_lies_about_its_point_where_items_have_unequal_ratings():
    """Twenty items at 4 with one rating each, two at 9.5 with all six: a mean over ratings would be near 6."""
    scores = np.full((22, 1, 6), np.nan)
    scores[np.arange(20), 0, np.arange(20) % 6] = 4.0
    scores[20:, 0] = 9.5
    found = two_way_means(scores, bounds=(1, 10), settings=Settings(resamples=2000))[0]
    assert found.point == pytest.approx(4.5)
    assert found.low < 4.5 < found.high < 6
    assert np.nanmean(scores) > 5.5


# --- position -------------------------------------------------------------------------------------


def test_a_position_effect_is_found_whatever_the_arms():
    chance = np.random.default_rng(0)
    items = np.repeat(np.arange(100), 2)
    arms = np.tile([0, 1], 100)
    first = chance.integers(0, 2, 100)
    positions = np.where(arms == np.repeat(first, 2), 1, 2)
    scores = 5 + 2.0 * arms + 0.6 * (positions == 1) + chance.normal(0, 0.3, 200)
    found = position_effect(scores, positions, arms, items, span=9, settings=QUICK)
    assert found.first_over_others.point == pytest.approx(0.6, abs=0.1)
    assert found.first_over_others.low > 0
    assert [round(e.point, 1) for e in found.by_position] == [0.3, -0.3]


def test_positions_that_were_not_recorded_are_not_invented():
    found = position_effect(
        np.ones(4), np.zeros(4, dtype=int), np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), span=9, settings=QUICK
    )
    assert found.by_position == ()
    assert "not recorded" in found.first_over_others.undefined
