"""Near duplicates: against comparing all with all, on planted pairs, and on texts at the edges."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalhub.datasets.checks.neighbours import Bands, Pair, Prompt, clusters, contaminated, near_duplicates, words

VOCABULARY = [f"word{number}" for number in range(4000)]


def runs(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    found += [""] * (3 - len(found))
    return set(zip(found, found[1:], found[2:], strict=False))


def index(one: str, other: str) -> float:
    first, second = runs(one), runs(other)
    return len(first & second) / len(first | second)


def planted(count: int, seed: int) -> tuple[list[str], list[tuple[int, int]]]:
    """`count` texts of 160 words, a copy of each with 1 to 6 words replaced, and which pairs reach .8."""
    chance = random.Random(seed)
    texts = [" ".join(chance.choices(VOCABULARY, k=160)) for _ in range(count)]
    for text in texts[:count]:
        changed = text.split()
        for at in chance.sample(range(160), chance.randint(1, 6)):
            changed[at] = f"other{chance.randrange(10**6)}"
        texts.append(" ".join(changed))
    return texts, [(at, at + count) for at in range(count) if index(texts[at], texts[at + count]) >= 0.8]


def test_planted_pairs_are_found_and_nothing_else() -> None:
    texts, expected = planted(1000, seed=3)
    assert len(expected) > 500
    found = near_duplicates(texts)
    assert {(pair.first, pair.second) for pair in found} <= set(expected)
    assert len(found) >= 0.99 * len(expected)
    for pair in found[:50]:
        assert pair.similarity == pytest.approx(index(texts[pair.first], texts[pair.second]))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcde"), max_size=12).map(" ".join), max_size=12))
def test_small_sets_give_the_clusters_of_comparing_all_with_all(texts: list[str]) -> None:
    every = [
        Pair(first, second, index(texts[first], texts[second]))
        for first in range(len(texts))
        for second in range(first + 1, len(texts))
        if index(texts[first], texts[second]) >= 0.95
    ]
    assert clusters(near_duplicates(texts, threshold=0.95)) == clusters(every)


def test_a_crowd_of_one_text_is_one_cluster() -> None:
    texts = ["the same sentence stands here again and again"] * 500 + ["and this one stands here only once today"]
    assert clusters(near_duplicates(texts)) == [tuple(range(500))]


def varied(text: str, count: int, at: int | None = None) -> list[str]:
    """So many variants of a text, each with one word of its own, in one place or in many."""
    made = []
    for number in range(count):
        changed = text.split()
        changed[number % len(changed) if at is None else at] = f"variant{number}"
        made.append(" ".join(changed))
    return made


def unlike(count: int, words: int = 40) -> list[str]:
    chance = random.Random(count)
    return [" ".join(chance.choices(VOCABULARY, k=words)) for _ in range(count)]


@pytest.mark.parametrize("at", [None, 39])
@pytest.mark.parametrize("count", [5, 25, 60, 300])
def test_a_crowd_of_variants_does_not_hide_itself(count, at):
    tested, *others = unlike(201)
    found = contaminated([*others, *varied(tested, count, at)], [tested])
    assert [pair.first for pair in found] == list(range(200, 200 + count))


@pytest.mark.parametrize("count", [25, 60, 200, 220, 240, 300])
def test_a_crowd_of_variants_asked_for_in_an_instruction_is_found_as_well(count):
    tested, *others = unlike(201)
    prompts = [Prompt(text, (text,)) for text in [*others, *varied(tested, count)]]
    assert len(contaminated(prompts, [Prompt(tested, (tested,))])) == count


def test_a_crowd_of_tested_variants_hides_no_copy_of_one_of_them():
    first, *others = unlike(201, words=60)
    tested = varied(first, 55)
    copies = [text.replace("variant", "copied") for text in tested]
    found = contaminated([*others, *copies], [*unlike(30), *tested])
    assert {pair.first for pair in found} == set(range(200, 255))
    assert {pair.similarity > 0.85 for pair in found} == {True}


def test_a_crowd_of_variants_is_one_cluster():
    first, *others = unlike(201)
    texts = [*varied(first, 30, at=39), *others]
    assert clusters(near_duplicates(texts)) == [tuple(range(30))]


def headed(count: int, task: str) -> list[Prompt]:
    """A long task in the same words, each time with a short text of its own."""
    return [Prompt(f"{task}\n{text}", (task,)) for text in unlike(count, words=6)]


def test_a_task_in_the_same_words_makes_no_unlike_texts_alike():
    task = " ".join(VOCABULARY[:90])
    assert near_duplicates(headed(15, task)) != []
    assert near_duplicates(headed(30, task)) == []
    assert near_duplicates([*headed(30, task), *unlike(200)]) == []
    assert contaminated(headed(60, task)[:30], headed(61, task)) == []


def test_a_task_of_one_title_makes_no_unlike_texts_alike():
    assert (
        near_duplicates([Prompt(text, (text,)) for text in (f"Write a title for: {one}" for one in unlike(60, 8))])
        == []
    )


def test_a_task_within_most_instructions_makes_no_unlike_texts_alike():
    task = " ".join(VOCABULARY[:90])
    inline = [Prompt(prompt.text, (prompt.text,)) for prompt in headed(60, task)]
    assert near_duplicates(inline) == []
    assert near_duplicates([*inline, *unlike(40)]) == []


def test_short_texts_below_one_task_are_compared_by_themselves():
    task = " ".join(VOCABULARY[:90])
    twins = [Prompt(f"{task}\n{text}", (task,)) for text in varied(unlike(1, words=30)[0], 2, at=29)]
    assert near_duplicates([*headed(40, task), *twins]) == [Pair(40, 41, pytest.approx(0.94, abs=0.02))]


def test_a_task_is_left_out_wherever_it_stands():
    task, text = " ".join(VOCABULARY[:90]), unlike(1)[0]
    trained = [*headed(40, task), Prompt(f"{task}\n{text}", (task,))]
    assert [pair.first for pair in contaminated(trained, [f"{task} {text}"])] == [40]


def test_case_punctuation_and_width_make_no_difference() -> None:
    assert len(near_duplicates(["A guide to GRANTS, in full!", "a guide to grants in ｆｕｌｌ"])) == 1


def test_chinese_is_compared_by_character() -> None:
    one = "这个网站说明如何申请联邦政府的补助金以及需要哪些材料"
    assert len(near_duplicates([one, one + "。", "天气预报说明天下雨请带伞出门注意安全路滑小心"])) == 1


def test_nothing_and_empty_texts() -> None:
    assert near_duplicates([]) == []
    assert near_duplicates(["", "", "a"])[0] == Pair(0, 1, 1.0)


def test_contamination_names_the_closest_guarded_text() -> None:
    texts, expected = planted(200, seed=5)
    found = contaminated(texts[200:], texts[:200])
    assert [(pair.second, pair.first + 200) for pair in found] == expected


def test_contamination_within_one_side_is_none() -> None:
    assert contaminated(["one two three four"] * 3, ["five six seven eight"] * 3) == []


def test_a_threshold_the_sketches_cannot_serve_is_refused() -> None:
    with pytest.raises(ValueError, match=r"between 0\.5 and 1"):
        near_duplicates(["a", "b"], threshold=0.3)


def test_the_stated_miss_is_below_one_in_a_hundred() -> None:
    assert Bands().missed(0.8) < 0.002
