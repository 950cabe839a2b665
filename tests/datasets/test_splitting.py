"""The split as a pure function: nothing lost, nothing torn, shares kept, the seed alone decides."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalhub.datasets.splitting import (
    SIDES,
    Candidate,
    assign_sides,
    collections,
    effective_shares,
    leaks,
    torn_documents,
)

CANDIDATES = st.lists(
    st.builds(
        Candidate,
        id=st.integers(0, 10**6),
        prompt=st.integers(0, 60).map(str),
        source=st.sampled_from(["", *map(str, range(12))]),
        category=st.sampled_from("xyz"),
        wanted=st.sampled_from(["", "", "", "", "train", "test"]),
        length=st.integers(0, 5000),
    ),
    min_size=1,
    max_size=60,
    unique_by=lambda item: item.id,
)
SHARES = st.sampled_from([(0.9, 0.1, 0.0), (0.8, 0.1, 0.1), (0.5, 0.25, 0.25), (1.0, 0.0, 0.0)])


def free(item: Candidate) -> Candidate:
    return replace(item, wanted="")


@given(candidates=CANDIDATES, shares=SHARES, seed=st.integers(0, 9), data=st.data())
def test_each_example_has_one_side_and_clusters_never_straddle(candidates, shares, seed, data) -> None:
    candidates = [free(item) for item in candidates]
    ids = st.sampled_from([item.id for item in candidates])
    kin = data.draw(st.lists(st.lists(ids, min_size=2, max_size=4), max_size=5))
    sides = assign_sides(candidates, shares=shares, seed=seed, kin=kin)
    assert sides.keys() == {item.id for item in candidates}
    assert {side for side, share in zip(SIDES, shares, strict=True) if share} >= {*sides.values()}
    assert leaks(candidates, sides) == []
    assert torn_documents(candidates, sides) == 0
    assert all(len({sides[member] for member in group}) == 1 for group in kin)


@given(candidates=CANDIDATES, shares=SHARES, seed=st.integers(0, 9), chance=st.randoms())
def test_the_seed_decides_whatever_the_order(candidates, shares, seed, chance) -> None:
    mixed = list(candidates)
    chance.shuffle(mixed)
    assert assign_sides(candidates, shares=shares, seed=seed) == assign_sides(mixed, shares=shares, seed=seed)


@given(candidates=CANDIDATES, seed=st.integers(0, 9))
def test_a_wish_is_honoured(candidates, seed) -> None:
    sides = assign_sides(candidates, shares=(0.8, 0.1, 0.1), seed=seed)
    assert all(sides[item.id] == item.wanted for item in candidates if item.wanted)


def crowd(count: int, seed: int = 1) -> list[Candidate]:
    """`count` examples in documents of one to four, two categories of 80 and 20 per cent, all lengths."""
    chance, found = random.Random(seed), []
    while len(found) < count:
        document = f"d{len(found)}"
        for _ in range(chance.randint(1, 4)):
            number = len(found)
            found.append(
                Candidate(number, f"p{number}", document, chance.choice("aaaab"), length=chance.randint(50, 4000))
            )
    return found[:count]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shares", [(0.9, 0.1, 0.0), (0.8, 0.1, 0.1), (0.6, 0.2, 0.2)])
def test_shares_hold_over_all_and_in_each_stratum(shares, seed) -> None:
    candidates = crowd(2000)
    sides = assign_sides(candidates, shares=shares, seed=seed)
    quarter = sorted(item.length for item in candidates)[500]
    strata = {
        "all": candidates,
        "a": [item for item in candidates if item.category == "a"],
        "b": [item for item in candidates if item.category == "b"],
        "short": [item for item in candidates if item.length < quarter],
    }
    for members in strata.values():
        counts = Counter(sides[item.id] for item in members)
        for side, share in zip(SIDES, shares, strict=True):
            assert abs(counts[side] / len(members) - share) <= 0.02


def test_seeds_differ() -> None:
    candidates = crowd(200)
    one, other = (assign_sides(candidates, shares=(0.9, 0.1, 0.0), seed=seed) for seed in (1, 2))
    assert one != other


@given(candidates=CANDIDATES, seed=st.integers(0, 5), share=st.floats(0, 1))
def test_a_minimum_is_reached_where_the_free_clusters_allow_it(candidates, seed, share) -> None:
    candidates = [replace(free(item), source="", prompt=str(item.id)) for item in candidates]  # clusters of one
    wanted = round(share * len(candidates))
    sides = assign_sides(candidates, shares=(0.9, 0.1, 0.0), seed=seed, min_test=wanted)
    assert Counter(sides.values())["test"] >= wanted


def test_a_minimum_comes_first_where_few_are_free() -> None:
    given_ = [Candidate(number, f"p{number}", wanted="train") for number in range(950)]
    free_ = [Candidate(number, f"p{number}") for number in range(950, 1000)]
    sides = assign_sides([*given_, *free_], shares=(0.9, 0.1, 0.0), seed=3, min_test=40)
    assert Counter(sides.values())["test"] >= 40


def test_what_the_test_set_needs_is_taken_from_the_others_in_their_ratio() -> None:
    shares = effective_shares(1000, (0.9, 0.1, 0.0), 200)
    assert {side: round(share, 6) for side, share in shares.items()} == {"train": 0.72, "validation": 0.08, "test": 0.2}


def test_a_source_too_large_for_a_document_is_spread() -> None:
    large = [Candidate(number, f"p{number}", "dolly") for number in range(400)]
    small = [Candidate(number, f"p{number}", f"doc{number // 3}") for number in range(400, 1000)]
    assert collections([*large, *small]) == {"dolly": 400}
    sides = assign_sides([*large, *small], shares=(0.9, 0.1, 0.0), seed=4)
    spread = Counter(sides[item.id] for item in large)
    assert abs(spread["validation"] / 400 - 0.1) <= 0.02
    assert torn_documents([*large, *small], sides) == 0


def test_a_large_document_of_a_small_dataset_is_a_document() -> None:
    assert collections([Candidate(number, f"p{number}", "manual") for number in range(100)]) == {}
