"""lengths: histograms in characters and tokens, outputs that are unusually long or short, and what would be cut off."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalhub.datasets.checks.bins import BINS, histogram, round_width
from evalhub.datasets.checks.thresholds import Thresholds
from tests.datasets.checks.given import checked, found, text


def words(texts):
    """A tokenizer of one token per word."""
    return [len(each.split()) for each in texts]


def usual(count: int = 40):
    return [text(number, output="x " * (20 + number % 5)) for number in range(1, count + 1)]


def test_it_finds_an_output_of_quite_another_length():
    outliers = found("lengths", *usual(), text(99, output="x" * 4000))
    assert set(outliers) == {99}
    assert outliers[99].reason == "The output has 4,000 characters; three quarters of the outputs have at most 46."


def test_it_counts_in_the_models_own_tokens_where_it_can():
    one_long_word = text(98, output="x" * 4000)
    outliers = found("lengths", *usual(), one_long_word, text(99, output="x " * 300), tokenize=words)
    assert {number: each.reason for number, each in outliers.items()} == {
        99: "The output has 300 tokens; three quarters of the outputs have at most 23."
    }


def test_it_finds_outputs_that_are_all_but_empty():
    settings = Thresholds(shortest_output=3)
    assert (
        found("lengths", text(1, output="No"), text(2), settings=settings)[1].reason == "The output has 2 characters."
    )


def test_an_output_is_flagged_once_however_the_thresholds_stand():
    outliers = found("lengths", *usual(), text(99, output="x" * 4000), settings=Thresholds(shortest_output=10_000))
    assert len(outliers) == 41


def test_few_examples_have_no_outliers():
    assert found("lengths", text(1), text(2, output="x" * 4000)) == {}


def test_it_finds_what_would_be_cut_off():
    settings = Thresholds(max_tokens=16)
    long = text(1, context="be kind", instruction="one two three", input="four", output="word " * 11)
    fits = text(2, context="be kind", instruction="one two three", input="four", output="word " * 10)
    cut = found("truncated", long, fits, settings=settings, tokenize=words)
    assert {number: each.reason for number, each in cut.items()} == {1: "It has 17 tokens; after 16 it is cut off."}


def test_without_a_tokenizer_nothing_is_said_of_what_is_cut_off():
    assert found("truncated", text(1, output="word " * 10_000)) == {}
    assert [each.unit for each in checked(text()).lengths] == ["characters"] * 3


def test_an_empty_part_is_not_sent_to_the_tokenizer():
    def strict(texts):
        assert all(texts)
        return words(texts)

    lengths = checked(text(1, input=""), text(2), tokenize=strict).lengths
    tokens = {each.name: (each.least, each.most) for each in lengths if each.unit == "tokens"}
    assert tokens == {"instruction": (3, 3), "input": (0, 4), "output": (2, 2)}


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=50))
def test_it_bins_every_length_once(lengths):
    found = histogram("output", "characters", np.array(lengths))
    assert sum(count for _, count in found.bins) + found.above == len(lengths)
    assert 1 <= len(found.bins) <= BINS + 1
    assert (found.least, found.most) == (min(lengths), max(lengths))
    for edge, count in found.bins[:-1]:
        assert count == sum(edge <= length < found.bins[1][0] - found.bins[0][0] + edge for length in lengths)


@pytest.mark.parametrize(("span", "width"), [(1, 1), (24, 1), (25, 2), (49, 5), (200, 10), (2400, 100), (2401, 200)])
def test_bins_are_round(span, width):
    assert round_width(span) == width


def test_a_few_long_outputs_do_not_flatten_the_picture():
    found = histogram("output", "characters", np.array([100] * 999 + [100_000]))
    assert found.above == 1
    assert found.bins[-1][0] <= 100


def test_the_sentence_says_what_the_picture_shows():
    (found,) = [each for each in checked(*usual()).lengths if each.name == "output"]
    assert found.sentence == (
        "Half of the 40 outputs have 44 characters or fewer, nine of ten between 40 and 48; the longest has 48."
    )
    assert checked(text(1, input="")).lengths[1].sentence == "No example has an input."
