"""Who wins: published strengths, a real study's counts, ties, and strengths that do not exist."""

import json
from pathlib import Path

import numpy as np
import pytest

from evalhub.reports.statistics.preference import UNACCEPTABLE, Rank, davidson, ranks, strengths, wins
from evalhub.reports.statistics.result import Settings
from tests.reports import squality

BOOK = json.loads((Path(__file__).resolve().parents[1] / "data" / "textbook" / "bradley_terry.json").read_text())
QUICK = Settings(resamples=300, seed=3)


def test_it_gives_the_published_strengths_of_the_journals():
    won = np.array(BOOK["citations"]["matrix_cited_by_citing"], dtype=float)
    np.fill_diagonal(won, 0)
    fit = davidson(won, np.zeros_like(won))
    for place, name in enumerate(BOOK["citations"]["journals"][1:], 1):
        strength, error = BOOK["citations"]["expected_logit_ref_Biometrika"][name]
        assert fit.strengths[place] - fit.strengths[0] == pytest.approx(strength, abs=1e-5)
        assert np.sqrt(fit.covariance[place, place]) == pytest.approx(error, abs=1e-5)


def test_it_gives_the_strengths_of_the_baseball_league():
    teams = sorted({row[0] for row in BOOK["baseball"]["rows"]})
    won = np.zeros((7, 7))
    for home, away, home_wins, away_wins in BOOK["baseball"]["rows"]:
        won[teams.index(home), teams.index(away)] += home_wins
        won[teams.index(away), teams.index(home)] += away_wins
    fit = davidson(won, np.zeros_like(won))
    for team, (strength, _) in BOOK["baseball"]["recomputed_model1"].items():
        found = fit.strengths[teams.index(team)] - fit.strengths[teams.index("Baltimore")]
        assert found == pytest.approx(strength, abs=1e-4)


def test_ties_as_half_wins_give_the_strengths_of_springall():
    won, tied = springall()
    fit = davidson(won + tied / 2, np.zeros_like(won))
    for name, (strength, _) in BOOK["springall"]["recomputed_ties_half_ref_t1"].items():
        assert fit.strengths[int(name[1:]) - 1] - fit.strengths[0] == pytest.approx(strength, abs=1e-4)


def springall() -> tuple[np.ndarray, np.ndarray]:
    won, tied = np.zeros((9, 9)), np.zeros((9, 9))
    for row in BOOK["springall"]["contests"]:
        i, j = row["row"] - 1, row["col"] - 1
        won[i, j], won[j, i] = row["win_row"], row["win_col"]
        tied[i, j] = tied[j, i] = row["tie"]
    return won, tied


def test_with_ties_it_solves_davidsons_equations():
    """Davidson 1970: at the maximum, expected points and expected ties equal those observed."""
    won, tied = springall()
    fit = davidson(won, tied)
    ability, nu = np.exp(fit.strengths), np.exp(fit.log_ties)
    played = won + won.T + tied
    middle = nu * np.sqrt(np.outer(ability, ability))
    total = ability[:, None] + ability[None, :] + middle
    points = (played * (ability[:, None] + middle / 2) / total).sum(axis=1)
    assert points == pytest.approx((won + tied / 2).sum(axis=1), abs=1e-6)
    assert (played * middle / total).sum() == pytest.approx(tied.sum(), abs=1e-6)


@pytest.mark.parametrize("case", BOOK["small"], ids=lambda c: c["source"][-6:])
def test_it_gives_the_small_published_strengths(case):
    won = np.zeros((case["n"], case["n"]))
    for winner, loser in case["wins"]:
        won[winner, loser] += 1
    found = np.exp(davidson(won, np.zeros_like(won)).strengths)
    assert found / found.sum() * case["n"] == pytest.approx(
        np.array(case["expected_strength"]) / sum(case["expected_strength"]) * case["n"], abs=1e-6
    )


def test_an_arm_that_never_loses_has_no_finite_strength():
    leads = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, -1.0], [1.0, 1.0, 1.0]])  # 0 beats 1 and 2; 1 and 2 take turns
    for found in strengths(leads, arms=3, settings=QUICK):
        assert found.point is None
        assert "won every comparison" in found.undefined


def test_arms_that_never_met_have_no_common_scale():
    leads = np.full((4, 3), np.nan)
    leads[:, 0] = [1, -1, 1, -1]
    assert "never compared" in strengths(leads, arms=3, settings=QUICK)[0].undefined


def test_strengths_sum_to_zero_and_lie_in_their_intervals():
    leads = np.round(np.random.default_rng(0).normal([0.4, 1.0, 0.6], 1.5, (80, 3)))
    found = strengths(leads, arms=3, settings=QUICK)
    assert sum(e.point for e in found) == pytest.approx(0, abs=1e-9)
    assert all(e.low < e.point < e.high for e in found)
    assert found[0].point > found[1].point > found[2].point


@pytest.mark.parametrize("criterion", squality.COLUMNS)
def test_it_counts_the_wins_of_a_real_study_as_published(criterion):
    """There a comparison is one rater's on one question; the product's own unit is the item."""
    table = squality.scores(criterion)
    for pair, counts in squality.expected()["win_rate"][squality.COLUMNS[criterion]].items():
        a, b = (squality.SYSTEMS.index(name) for name in pair.split("|"))
        found = wins((table[:, a] - table[:, b]).ravel(), a=a, b=b, settings=QUICK)
        assert (found.wins, found.losses, found.ties) == (counts["win"], counts["loss"], counts["tie"])
        assert found.rate.point == pytest.approx(counts["rate_ties_half"])


@pytest.mark.parametrize("criterion", squality.COLUMNS)
def test_it_gives_the_strengths_of_a_real_study(criterion):
    table, won, tied = squality.scores(criterion), np.zeros((3, 3)), np.zeros((3, 3))
    for a in range(3):
        for b in range(3):
            if a != b:
                lead = (table[:, a] - table[:, b])[~np.isnan(table[:, a])]
                won[a, b], tied[a, b] = (lead > 0).sum(), (lead == 0).sum()
    fit = davidson(won + tied / 2, np.zeros((3, 3)))
    for name, (strength, error) in squality.expected()["bradley_terry"][squality.COLUMNS[criterion]].items():
        place = squality.SYSTEMS.index(name)
        assert fit.strengths[place] - fit.strengths[0] == pytest.approx(strength, abs=1e-4)
        if error:
            assert np.sqrt(fit.covariance[place, place]) == pytest.approx(error, abs=1e-4)


def test_unacceptable_is_not_a_tie_and_counts_for_nobody():
    leads = np.array([1.0, -1.0, 0.0, UNACCEPTABLE, np.nan])
    found = wins(leads, a=2, b=1, settings=QUICK)
    assert (found.wins, found.ties, found.losses, found.unacceptable) == (1, 1, 1, 1)
    assert found.rate.point == pytest.approx(0.5)
    assert found.rate.n_items == 3


def test_ranks_are_ranges_where_intervals_do_not_decide():
    lows = np.full((3, 3), -1.0)
    lows[0, 2] = 0.2  # the first is surely above the third; nothing else is sure
    assert ranks(lows) == [Rank(1, 2), Rank(1, 3), Rank(2, 3)]
