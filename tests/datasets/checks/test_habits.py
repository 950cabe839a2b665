"""habits: outputs that break the format that nearly all others of their category keep."""

import pytest

from evalhub.datasets.checks.thresholds import Thresholds
from tests.datasets.checks.given import found, text


def memo(count: int = 40, category: str = "memo", output: str = "We met. It went well."):
    return [text(number, category=category, output=output) for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("output", "does"),
    [
        ("We met:\n- first\n- second", "has a bulleted list"),
        ("We met:\n1. first\n2. second.", "has a numbered list"),
        ("# Memo\nWe met.", "has headings"),
        ("We met:\n```\nprint()\n```", "has a code block"),
        ("We **met**.", "has bold text"),
        ("We met. ", "has white space at the end of a line"),
        ("We met", "ends without punctuation"),
        ("we met.", "begins in lower case"),
    ],
)
def test_it_finds_what_nearly_all_others_do_not_do(output, does):
    odd = found("format", *memo(), text(99, category="memo", output=output))
    assert set(odd) == {99}
    assert odd[99].reason.startswith("The output ")
    if "several lines" not in odd[99].reason:
        assert odd[99].reason == f"The output {does}, unlike 97.6% of “memo”."


def test_it_finds_what_nearly_all_others_do():
    listed = memo(output="- one\n- two")
    odd = found("format", *listed, text(99, category="memo", output="- one\nand two"), text(98, category="memo"))
    assert set(odd) == {98}
    assert "unlike" in odd[98].reason


def test_each_category_has_habits_of_its_own():
    lists = [text(100 + at, category="list", output="- one\n- two") for at in range(40)]
    assert found("format", *memo(), *lists) == {}


def test_a_mixed_category_has_no_habit():
    rows = [*memo(20), *(text(100 + at, category="memo", output="We met") for at in range(5))]
    assert found("format", *rows) == {}
    assert len(found("format", *rows, settings=Thresholds(habit_share=0.75))) == 5


def test_a_small_category_has_no_habit():
    assert found("format", *memo(10), text(99, category="memo", output="We met")) == {}


def test_examples_without_a_category_are_compared_with_each_other():
    odd = found("format", *memo(category=""), text(99, category="", output="We met"))
    assert odd[99].reason == "The output ends without punctuation, unlike 97.6% of the outputs."


def test_an_empty_output_has_no_format():
    assert found("format", *memo(), text(99, category="memo", output=" ")) == {}


@pytest.mark.parametrize(
    "output", ["A range of 3-5 is fine.", "It costs 5. Not more.", "C# is a language.", "2 ** 3 ** 2."]
)
def test_it_takes_no_sign_for_a_format(output):
    assert found("format", *memo(), text(99, category="memo", output=output)) == {}
