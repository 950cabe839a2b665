"""verbs, distinct and balance: the shape of a dataset in numbers and sentences."""

import pytest

from evalhub.datasets.checks.distinct import SAMPLE, distinct
from evalhub.datasets.checks.verbs import verb_and_object
from tests.datasets.checks.given import checked, text


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        ("Write a short story about a fox.", ("write", "story")),
        ("Please generate a list of five items", ("generate", "list")),
        ("Could you please summarise the following article in two sentences?", ("summarise", "")),
        ("Summarize this article.", ("summarize", "article")),
        ("Give three tips for staying healthy.", ("give", "tips")),
        ("Describe the structure of an atom.", ("describe", "structure")),
        ("Translate the sentence into French.", ("translate", "sentence")),
        ("Explain how a plane flies.", ("explain", "")),
        ("Write a concise, clear summary of it.", ("write", "summary")),
        ("Rewrite the sentence, making it shorter.", ("rewrite", "sentence")),
        ("What is the capital of France?", None),
        ("Schreibe eine kurze Geschichte.", None),
        ("", None),
        ("Writers are asked to come.", None),
    ],
)
def test_it_reads_the_verb_and_its_object(instruction, expected):
    assert verb_and_object(instruction) == expected


def test_verbs_are_counted_with_their_objects():
    asked = ["Write a story.", "Write a story of two.", "Write a poem.", "List facts.", "Who is it?", "Hm."]
    verbs = checked(*(text(number, instruction=each) for number, each in enumerate(asked))).diversity.verbs
    assert [(verb.name, verb.count, verb.nouns) for verb in verbs.verbs] == [
        ("write", 3, (("story", 2), ("poem", 1))),
        ("list", 1, (("facts", 1),)),
    ]
    assert (verbs.questions, verbs.undecided) == (1, 1)
    assert verbs.sentence == (
        "4 of 6 instructions begin with one of 2 verbs; the most frequent is “write” (50% of all, mostly “write "
        "story”). 1 is a question."
    )


def test_where_no_verb_is_known_it_says_so():
    verbs = checked(text(1, instruction="Schreibe etwas.")).diversity.verbs
    assert verbs.sentence == "No verb was recognised in 1 instruction; only English ones are read."


def test_distinct_is_the_share_of_different_runs():
    assert distinct(["a b a b"], 1) == 2 / 4
    assert distinct(["a b a b"], 2) == 2 / 3
    assert distinct(["a b", "a b"], 2) == 1 / 2
    assert distinct(["a"], 2) == distinct([], 1) == 0


def test_distinct_is_measured_on_a_sample():
    measured = checked(*(text(number) for number in range(SAMPLE + 50))).diversity.distinct
    assert [(each.name, each.texts) for each in measured] == [("instruction", SAMPLE), ("output", SAMPLE)]


def test_balance_counts_each_name_per_side():
    rows = [text(1, category="a", side="train"), text(2, category="a"), text(3, source="doc")]
    balance = checked(*rows).balance
    assert [(bar.name, bar.total) for bar in balance.categories.bars] == [("a", 2), ("Without a category", 1)]
    assert balance.categories.bars[0].sides == {"train": 1, "validation": 0, "test": 0, "": 1}
    assert balance.sources.names == 1


def test_rare_names_are_counted_together():
    categories = checked(*(text(number, category=f"c{number}") for number in range(60))).balance.categories
    assert (len(categories.bars), categories.names, categories.others) == (50, 60, 10)


def test_a_lopsided_balance_is_told():
    few = checked(*(text(number, category="headline") for number in range(12)), text(50, category="deck")).check(
        "balance"
    )
    assert (few.value, few.tone, few.note) == ("12.0 : 1", "warn", "headline to deck.")
    assert checked(text(1, category="a"), text(2, category="b")).check("balance").tone == "good"
    assert checked(text()).check("balance").value == "no categories"


def test_missing_sources_are_counted():
    missing = checked(text(1), text(2, source="doc")).check("sources")
    assert (missing.count, missing.tone) == (1, "warn")
    assert checked(text(1, source="doc")).check("sources").tone == "good"
