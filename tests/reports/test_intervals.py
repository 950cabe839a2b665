"""Intervals: published Wilson limits, other libraries, bounds, repeatability, and coverage that was really counted."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from evalhub.reports.statistics import intervals
from evalhub.reports.statistics.coverage import POPULATIONS, coverage
from evalhub.reports.statistics.intervals import METHODS, mean_estimates, rate_estimate, resampled, wilson
from evalhub.reports.statistics.result import Settings

BOOK = Path(__file__).resolve().parents[1] / "data" / "textbook"
QUICK = Settings(resamples=300, seed=3)


@pytest.mark.parametrize("case", json.loads((BOOK / "wilson.json").read_text())["cases"], ids=lambda c: str(c["n"]))
def test_it_gives_the_published_wilson_limits(case):
    assert wilson(case["successes"], case["n"]) == pytest.approx(case["wilson95"], abs=1e-4)


@given(st.integers(1, 500), st.data())
def test_its_wilson_agrees_with_another_library(n, data):
    k = data.draw(st.integers(0, n))
    assert wilson(k, n) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-9)


@given(
    arrays(float, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=st.sampled_from([1, 4, 7.5, 10, np.nan]))
)
def test_it_never_leaves_the_scale_and_never_hides_a_reason(values):
    for column, found in zip(values.T, mean_estimates(values, QUICK, bounds=(1, 10)), strict=True):
        kept = column[~np.isnan(column)]
        if found.point is None:
            assert not len(kept)
            assert found.undefined
            continue
        assert found.point == pytest.approx(kept.mean())
        assert found.n_items == len(kept)
        if found.low is None:
            assert found.undefined
            assert len(set(kept)) == 1
        else:
            assert 1 <= found.low <= found.point <= found.high <= 10


def test_it_gives_the_same_numbers_for_the_same_seed_and_others_for_another():
    values = np.random.default_rng(1).normal(5, 1, (20, 1))
    one, again, other = (
        mean_estimates(values, Settings(resamples=500, seed=s), bounds=(-99, 99))[0] for s in (4, 4, 5)
    )
    assert one == again
    assert one.low != other.low


def test_the_number_of_one_column_does_not_depend_on_its_neighbours():
    values = np.random.default_rng(1).normal(5, 1, (20, 3))
    values[3, 2] = np.nan
    together = mean_estimates(values, QUICK, bounds=(-99, 99))
    assert together[2] == mean_estimates(values[:, [2]], QUICK, bounds=(-99, 99))[0]


def test_an_interval_over_several_comparisons_is_wider():
    values = np.random.default_rng(1).normal(5, 1, (40, 1))
    one, many = (mean_estimates(values, Settings(), bounds=(-99, 99), comparisons=k)[0] for k in (1, 6))
    assert many.low < one.low < one.high < many.high


def test_it_draws_in_blocks_without_changing_the_numbers(monkeypatch):
    values = np.random.default_rng(1).normal(5, 1, (50, 2))
    whole = resampled(values, QUICK).means
    intervals._kept_weights.cache_clear()
    monkeypatch.setattr(intervals, "KEPT", 0)
    assert np.array_equal(resampled(values, QUICK).means, whole)
    monkeypatch.setattr(intervals, "CELLS", 50 * 7)
    assert resampled(values, QUICK).means.shape == whole.shape
    assert resampled(values, QUICK).means.mean() == pytest.approx(whole.mean(), abs=0.02)


@pytest.mark.parametrize(("name", "theirs"), [("percentile", "percentile"), ("BCa", "BCa")])
def test_its_bootstrap_agrees_with_scipy(name, theirs):
    values = np.random.default_rng(2).gamma(2, 1, (40, 1))
    low, high = METHODS[name](resampled(values, Settings(resamples=20_000)), 0.95)
    oracle = stats.bootstrap((values[:, 0],), np.mean, n_resamples=20_000, method=theirs, rng=1).confidence_interval
    assert (low[0], high[0]) == pytest.approx(oracle, abs=0.03)


def test_few_items_get_students_interval():
    values = np.array([[4.0], [5.0], [7.0], [6.0]])
    found = mean_estimates(values, QUICK, bounds=(-99, 99))[0]
    oracle = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values[:, 0]))
    assert (found.low, found.high) == pytest.approx(oracle)
    assert "Student" in found.method


def test_a_rate_without_losses_still_has_an_interval():
    found = rate_estimate(np.ones(40), Settings(resamples=100))
    assert found.point == 1
    assert (found.low, found.high) == pytest.approx(wilson(40, 40))
    assert found.method == "Wilson"


def test_a_rate_of_many_mixed_items_is_bootstrapped():
    outcomes = np.array([1.0] * 60 + [0.5] * 10 + [0.0] * 30)
    found = rate_estimate(outcomes, Settings())
    assert found.point == pytest.approx(0.65)
    assert found.method == "percentile bootstrap over items"
    assert 0.54 < found.low < 0.60 < 0.70 < found.high < 0.76


@pytest.mark.parametrize("n", [10, 20, 30])
@pytest.mark.parametrize("name", ["middle, 2 raters", "difference, none", "0–100 at the ceiling"])
def test_the_chosen_interval_keeps_its_promise_at_few_items(name, n):
    covered, _ = coverage(POPULATIONS[name], n, 1500, Settings(resamples=800, seed=5))["studentised"]
    assert 0.93 <= covered <= 0.975


def test_the_percentile_interval_does_not_which_is_why_it_was_not_chosen():
    covered, _ = coverage(POPULATIONS["middle, 2 raters"], 10, 1500, Settings(resamples=800, seed=5))["percentile"]
    assert covered < 0.93
