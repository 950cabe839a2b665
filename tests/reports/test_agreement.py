"""Agreement: published worked examples, other libraries as oracles, a real study, and what is undefined."""

import json
from pathlib import Path

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.stats.inter_rater import cohens_kappa

from evalhub.reports.statistics.agreement import agreement, intraclass, krippendorff_alpha, near_step, quadratic_kappa
from evalhub.reports.statistics.result import Settings
from tests.reports import squality

BOOK = Path(__file__).resolve().parents[1] / "data" / "textbook"
QUICK = Settings(resamples=200, seed=3)
ALPHA = json.loads((BOOK / "krippendorff_alpha.json").read_text())
ICC = json.loads((BOOK / "icc.json").read_text())["cases"]
KAPPA = json.loads((BOOK / "kappa.json").read_text())


def each(ratings: np.ndarray) -> np.ndarray:
    """Every unit an item of its own."""
    return np.arange(len(ratings))


def matrix(case: dict) -> np.ndarray:
    return np.array(case["raters_by_units"], dtype=float).T


@pytest.mark.parametrize(
    "case",
    [c for c in ALPHA["cases"] if c["level"] != "ratio"],
    ids=lambda c: f"{c['name']}-{c['level']}",
)
def test_it_gives_the_published_alphas(case):
    ratings = matrix(case)
    found = krippendorff_alpha(ratings, each(ratings), level=case["level"], settings=QUICK)
    assert found.point == pytest.approx(case["expected"], abs=0.6 * 10 ** -case["decimals"])
    assert found.point == pytest.approx(case["recomputed"], abs=1e-9)


@pytest.mark.parametrize("case", ALPHA["error_cases"], ids=lambda c: c["name"])
def test_it_says_why_an_alpha_is_undefined(case):
    ratings = matrix(case)
    found = krippendorff_alpha(ratings, each(ratings), level="ordinal", settings=QUICK)
    assert found.point is None
    assert found.low is None
    assert found.undefined.startswith("undefined: ")


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
@pytest.mark.parametrize("criterion", squality.COLUMNS)
def test_it_gives_the_alphas_of_a_real_study(criterion, level):
    ratings, items = squality.units(criterion)
    found = krippendorff_alpha(ratings, items, level=level, settings=QUICK)
    assert found.point == pytest.approx(squality.expected()["alpha"][squality.COLUMNS[criterion]][level], abs=1e-9)
    assert found.low < found.point < found.high
    assert (found.n_items, found.n_raters, found.n_ratings) == (100, 4, 900)


cells = arrays(float, st.tuples(st.integers(2, 8), st.integers(2, 4)), elements=st.sampled_from([1, 2, 3, 5, np.nan]))


@given(cells, st.sampled_from(["nominal", "ordinal", "interval"]))
def test_it_agrees_with_another_library_on_any_ratings(ratings, level):
    found = krippendorff_alpha(ratings, each(ratings), level=level, settings=Settings(resamples=5))
    paired = ratings[(~np.isnan(ratings)).sum(axis=1) >= 2]
    if len(np.unique(paired[~np.isnan(paired)])) < 2:
        assert found.point is None
        return
    assert found.point == pytest.approx(krippendorff.alpha(ratings.T, level_of_measurement=level), abs=1e-9)


def test_it_shows_a_negative_alpha_as_negative():
    ratings = np.array([[1.0, 5.0], [5.0, 1.0], [1.0, 5.0], [5.0, 1.0]])
    assert krippendorff_alpha(ratings, each(ratings), level="interval", settings=QUICK).point < 0


@pytest.mark.parametrize("case", ICC, ids=lambda c: c["name"][:20])
def test_it_gives_the_published_intraclass_correlations(case):
    ratings = np.array(case["targets_by_judges"], dtype=float)
    found = intraclass(ratings, each(ratings), settings=QUICK)
    for estimate, name in ((found.icc_1_1, "ICC1"), (found.icc_2_1, "ICC2"), (found.icc_2_k, "ICC2k")):
        assert estimate.point == pytest.approx(case["expected"][name], abs=0.6 * 10 ** -case["decimals"])
        assert estimate.point == pytest.approx(case["recomputed"][name], abs=1e-9)


def test_it_refuses_a_two_way_icc_where_raters_are_not_crossed():
    found = intraclass(*squality.units("overall"), settings=QUICK)
    assert found.icc_1_1.point == pytest.approx(0.7986, abs=1e-4)
    assert found.icc_2_1.point is None
    assert "not every rater rated every answer" in found.icc_2_1.undefined


def test_it_gives_the_published_kappa_of_two_by_two():
    case = KAPPA["cohen"][0]
    x, y = pairs(np.array(case["table"]))
    assert quadratic_kappa(x, y, each(x), settings=QUICK).point == pytest.approx(case["expected"])


def pairs(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = [(i, j) for (i, j), n in np.ndenumerate(table) for _ in range(n)]
    return np.array(rows, dtype=float).T


@given(arrays(int, (3, 3), elements=st.integers(0, 6)))
def test_its_kappa_agrees_with_another_library_on_any_table(table):
    if table.sum() == 0:
        return
    x, y = pairs(table)
    found = quadratic_kappa(x, y, each(x), settings=Settings(resamples=5)).point
    with np.errstate(all="ignore"):
        oracle = cohens_kappa(table, wt="quadratic", return_results=False)
    if found is None:
        assert np.isnan(oracle)
    else:
        assert found == pytest.approx(oracle, abs=1e-9)


def test_it_counts_exact_and_near_pairs():
    ratings = np.array([[5.0, 5.0, 7.0], [3.0, 4.0, np.nan]])
    found = agreement(ratings, each(ratings), step=1, settings=QUICK)
    assert found.exact.point == pytest.approx(1 / 4)
    assert found.near.point == pytest.approx(2 / 4)
    assert [(p.first, p.second, p.n_answers) for p in found.pairs] == [(0, 1, 2), (0, 2, 1), (1, 2, 1)]


def test_near_means_one_point_on_a_short_scale_and_a_tenth_of_a_long_one():
    assert near_step(1, 10) == 1
    assert near_step(0, 100) == 10


def test_it_resamples_items_and_not_answers():
    """Twice the same answers under the same items say nothing new: the interval must not shrink by √2."""
    ratings, items = squality.units("overall")
    once = krippendorff_alpha(ratings, items, level="interval", settings=Settings(resamples=2000))
    twice = krippendorff_alpha(
        np.concatenate([ratings, ratings]), np.concatenate([items, items]), level="interval",
        settings=Settings(resamples=2000),
    )  # fmt: skip
    assert twice.high - twice.low == pytest.approx(once.high - once.low, rel=0.02)
