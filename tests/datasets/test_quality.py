"""quality, splitting and difference: pure functions over texts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalhub.datasets.difference import pieces
from evalhub.datasets.export import harmless_cell
from evalhub.datasets.quality import Text, quality_report
from evalhub.datasets.splitting import Candidate, assign_sides, leaks

ONE = Text(1, "Write a headline.", "Text", "Headline", category="headline", source="a.md")


def texts(count: int) -> list[Text]:
    return [replace(ONE, id=number, input=f"Text {number}", output=f"Headline {number}") for number in range(count)]


def check(key: str, given_texts: list[Text], **options):
    return quality_report(given_texts, **options).check(key)


@pytest.mark.parametrize(("count", "tone"), [(0, "bad"), (499, "bad"), (500, "warn"), (999, "warn"), (1000, "good")])
def test_it_advises_against_tuning_on_few_examples(count, tone):
    assert check("size", texts(count)).tone == tone


def test_it_finds_the_same_task_with_another_output():
    rows = [ONE, replace(ONE, id=2, input=" TEXT ", output="Other"), replace(ONE, id=3, input="Else")]
    assert check("conflicts", rows).ids == (1, 2)
    assert check("copies", rows).ids == ()


def test_it_finds_copies_whatever_case_and_spaces():
    assert check("copies", [ONE, replace(ONE, id=2, output="HEADLINE ")]).ids == (1, 2)


def test_it_finds_a_task_on_two_sides():
    rows = [replace(ONE, side="train"), replace(ONE, id=2, output="Other", side="test")]
    report = quality_report(rows)
    assert (report.check("leaks").ids, report.check("leaks").tone) == ((1, 2), "bad")
    assert check("leaks", [ONE, replace(ONE, id=2, side="test")]).ids == ()


def test_it_tells_system_texts_apart():
    assert check("conflicts", [ONE, replace(ONE, id=2, output="Other", context="Be brief.")]).ids == ()


def test_it_finds_outputs_that_repeat_the_input():
    rows = [replace(ONE, output="text"), replace(ONE, id=2, input="", output="write a headline.")]
    assert check("echoes", rows).ids == (1, 2)


def test_it_finds_outputs_of_quite_another_length():
    rows = [*texts(40), replace(ONE, id=99, input="long", output="x" * 4000)]
    assert check("lengths", rows).ids == (99,)


def test_it_weighs_categories():
    rows = [*texts(12), replace(ONE, id=50, input="other", category="deck")]
    found = check("balance", rows)
    assert (found.value, found.tone, found.note) == ("12.0 : 1", "warn", "headline to deck.")
    assert [category.name for category in quality_report(rows).categories] == ["headline", "deck"]


def test_it_counts_what_waits_and_what_lacks_credit():
    report = quality_report(texts(1000), waiting=3, credited=False)
    assert (report.check("waiting").value, report.check("credit").tone) == ("3", "warn")
    assert (report.blocking, report.warnings) == (0, 2)


def test_it_reports_on_nothing():
    report = quality_report([])
    assert (report.total, report.median, report.categories) == (0, 0, ())


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=50))
def test_it_bins_every_length_once(lengths):
    rows = [replace(ONE, id=number, output="x" * length) for number, length in enumerate(lengths)]
    report = quality_report(rows)
    assert sum(count for _, count in report.histogram) == len(lengths)
    assert len(report.histogram) <= 26


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        id=st.integers(0, 10**6),
        prompt=st.sampled_from("abcdefghijklmnopqrst"),
        source=st.sampled_from(["", "1", "2", "3", "4", "5", "6"]),
        category=st.sampled_from("xy"),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda item: item.id,
)


@given(candidates=CANDIDATES, seed=st.integers(0, 5))
def test_it_never_tears_a_document_or_a_prompt_apart(candidates, seed):
    sides = assign_sides(candidates, shares=(0.8, 0.1, 0.1), seed=seed)
    assert set(sides) == {item.id for item in candidates}
    assert leaks(candidates, sides) == []
    for source in {item.source for item in candidates} - {""}:
        assert len({sides[item.id] for item in candidates if item.source == source}) == 1
    assert sides == assign_sides(list(reversed(candidates)), shares=(0.8, 0.1, 0.1), seed=seed)


@given(candidates=CANDIDATES, seed=st.integers(0, 5), data=st.data())
def test_it_keeps_near_duplicates_together(candidates, seed, data):
    ids = [item.id for item in candidates]
    kin = data.draw(st.lists(st.lists(st.sampled_from(ids), min_size=2, max_size=4), max_size=4))
    sides = assign_sides(candidates, shares=(0.8, 0.1, 0.1), seed=seed, kin=kin)
    assert set(sides) == set(ids)
    assert all(len({sides[member] for member in group}) == 1 for group in kin)


@given(st.text(max_size=80), st.text(max_size=80))
def test_it_shows_changes_that_give_both_texts_back(before, after):
    found = pieces(before, after)
    assert "".join(piece.text for piece in found if piece.kind != "del") == after
    assert "".join(piece.text for piece in found if piece.kind != "ins") == before


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_it_defuses_formulas(text):
    assert harmless_cell(text) == f"'{text}"
    assert harmless_cell(f"a {text}") == f"a {text}"
    assert harmless_cell(-1) == -1
