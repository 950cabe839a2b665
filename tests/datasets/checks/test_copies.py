"""copies: what is the same but for case, white space and Unicode; conflicts; two sides; outputs that repeat."""

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from evalhub.datasets.checks.copies import key
from tests.datasets.checks.given import found, text

SAME = {"instruction": "Write a headline.", "input": "Grants", "output": "How to apply"}


def test_it_finds_copies_whatever_case_white_space_and_width():
    rows = [
        text(1, **SAME),
        text(2, **SAME | {"output": "HOW  to\napply "}),
        text(3, **SAME | {"input": "Ｇｒａｎｔｓ"}),
        text(4),
    ]
    copies = found("copies", *rows)
    assert {number: each.reason for number, each in copies.items()} == {
        1: "Same task and output as example 2 and 1 other.",
        2: "Same task and output as example 1 and 1 other.",
        3: "Same task and output as example 1 and 1 other.",
    }
    assert {each.group for each in copies.values()} == {1}
    assert found("conflicts", *rows) == {}


def test_it_finds_composed_and_decomposed_letters_the_same():
    rows = [text(1, **SAME | {"input": form}) for form in ("é", unicodedata.normalize("NFD", "é"))]
    assert set(found("copies", rows[0], text(2, **SAME | {"input": rows[1].input}))) == {1, 2}


def test_it_tells_texts_apart_by_punctuation_and_by_where_a_part_ends():
    assert found("copies", text(1, **SAME), text(2, **SAME | {"output": "How to apply?"})) == {}
    one, other = {"instruction": "ab", "input": "c"}, {"instruction": "a", "input": "bc"}
    assert found("copies", text(1, output="x", **one), text(2, output="x", **other)) == {}


def test_it_finds_the_same_task_with_another_output():
    rows = [text(1, **SAME), text(2, **SAME | {"input": " GRANTS ", "output": "Other"}), text(3)]
    conflicts = found("conflicts", *rows)
    assert set(conflicts) == {1, 2}
    assert conflicts[2].reason == "Same task as example 1, but another output."


def test_it_tells_system_texts_apart():
    assert found("conflicts", text(1, **SAME), text(2, **SAME | {"output": "Other"}, context="Be brief.")) == {}


def test_it_finds_a_task_on_two_sides():
    two = [text(1, **SAME, side="train"), text(2, **SAME | {"output": "Other"}, side="test")]
    assert set(found("leaks", *two)) == {1, 2}
    assert found("leaks", text(1, **SAME), text(2, **SAME, side="test")) == {}
    assert found("leaks", text(1, **SAME, side="test"), text(2, **SAME, side="test")) == {}


def test_it_finds_outputs_that_repeat_what_was_given():
    echoes = found(
        "echoes", text(1, input="Page", output="page "), text(2, input="", output="WRITE headline 2."), text(3)
    )
    assert {number: each.reason for number, each in echoes.items()} == {
        1: "The output is the input again.",
        2: "The output is the instruction again.",
    }


def test_an_empty_output_repeats_nothing():
    assert found("echoes", text(1, input="", output=" ")) == {}


TEXTS = st.lists(st.text(alphabet="aAäÄ ßsſ\u0308\u00a0ＡﬁF\tıI", max_size=6), max_size=8)


@settings(max_examples=50)
@given(TEXTS)
def test_normalised_equality_groups_each_text_once(outputs):
    rows = [text(number, instruction="one", input="task", output=output) for number, output in enumerate(outputs)]
    groups = {number: each.group for number, each in found("copies", *rows).items()}
    for one in rows:
        for other in rows:
            same = one.id == other.id or (one.id in groups and groups[one.id] == groups.get(other.id))
            assert same == (key(one.output) == key(other.output))


@given(st.text(max_size=30))
def test_case_and_white_space_never_matter(words):
    assert key(f"  {words}\n") == key(words)
    assert key(words.replace(" ", " \t ")) == key(words)
