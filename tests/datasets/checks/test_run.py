"""run, readiness, thresholds, report: all checks at once, what is usable, and what is kept of it."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalhub.datasets.checks.kinds import KINDS
from evalhub.datasets.checks.readiness import credit, waiting
from evalhub.datasets.checks.report import MOST_REASON, CheckReport
from evalhub.datasets.checks.run import check
from evalhub.datasets.checks.text import OtherSet, Text
from evalhub.datasets.checks.thresholds import Thresholds, described
from evalhub.errors import Refused
from tests.datasets.checks.given import checked, text

SMALL = Thresholds(too_few=3, enough=5)


def test_it_reports_on_nothing():
    report = checked()
    assert (report.total, report.usable, report.findings) == (0, 0, [])
    assert CheckReport.from_json(json.loads(json.dumps(report.as_json()))) == report


@pytest.mark.parametrize(("count", "tone"), [(0, "bad"), (2, "bad"), (3, "warn"), (4, "warn"), (5, "good")])
def test_it_advises_against_tuning_on_few_examples(count, tone):
    size = checked(*(text(number) for number in range(count)), settings=SMALL).check("size")
    assert (size.tone, size.count) == (tone, count)


def test_it_says_why_few_examples_are_too_few():
    note = checked(text()).check("size").note
    assert note.startswith("Fewer than 500 usable: tuning is advised against.")
    assert "good prompt" in note


def test_what_spoils_a_model_is_not_usable_and_of_copies_one_is():
    refusal, echo = text(2, output="As an AI, I cannot."), text(3, input="a", output="a")
    rows = [text(1), refusal, echo, replace(text(1), id=4)]
    report = checked(*rows, settings=SMALL)
    assert report.usable == 1
    assert report.check("size").value == "1 of 4"
    assert (report.blocking, report.warnings) == (2, 3)  # size, echoes; refusals, copies, sources


def test_every_kind_has_a_line_with_its_count():
    report = checked(text(1, input="a@b.de"), text(2))
    assert {check.key for check in report.checks} == {"size", *KINDS, "balance", "sources"}
    assert (report.check("personal").count, report.check("personal").tone) == (1, "warn")
    assert (report.check("secrets").value, report.check("secrets").tone) == ("0", "good")


def test_what_waits_and_what_lacks_credit():
    assert (waiting(3).value, waiting(3).tone, waiting(0).tone) == ("3", "warn", "good")
    assert (credit(False).tone, credit(True).tone) == ("warn", "good")


def test_the_report_is_kept_without_its_findings():
    rows = [text(number, category="ab"[number % 2], output="As an AI, I cannot.") for number in range(30)]
    report = checked(*rows, tokenize=lambda texts: [len(each) for each in texts])
    kept = CheckReport.from_json(json.loads(json.dumps(report.as_json())))
    assert kept == report
    assert report.findings
    assert kept.findings == ()


def test_it_tells_how_far_it_is():
    heard = []
    check((text(number) for number in range(5000)), Thresholds(), heard=lambda *far: heard.append(far), total=5000)
    done = [far for far, _ in heard]
    assert done == sorted(done)
    assert heard[-1] == (6250, 6250)
    assert {total for _, total in heard} == {6250}


PARTS = st.text(max_size=60) | st.sampled_from(["As an AI, I", "a@b.de", "{{x}}", "+49 30 901820", "- a\n- b", "same"])
ROWS = st.lists(
    st.tuples(PARTS, PARTS, PARTS, st.sampled_from(["", "a", "b"]), st.sampled_from(["", "train", "test"])), max_size=30
)


@settings(max_examples=50)
@given(ROWS)
def test_any_text_is_checked_and_no_flag_breaks_its_column(rows):
    texts = [
        Text(at, one, two, three, category=four, side=five) for at, (one, two, three, four, five) in enumerate(rows)
    ]
    report = checked(*texts, others=[OtherSet("n" * 300, "benchmark", ["same"])])
    flags = [(each.kind, each.id) for each in report.findings]
    assert len(set(flags)) == len(flags)
    assert all(each.kind in KINDS and 0 < len(each.reason) <= MOST_REASON for each in report.findings)
    assert all(
        check.count == sum(kind == check.key for kind, _ in flags) for check in report.checks if check.key in KINDS
    )
    assert CheckReport.from_json(json.loads(json.dumps(report.as_json()))) == report


def test_thresholds_are_kept_and_described():
    settings = Thresholds(near_duplicate=0.9, max_tokens=512)
    assert Thresholds.from_json(json.loads(json.dumps(settings.as_json()))) == settings
    assert Thresholds.from_json({}) == Thresholds()
    for limits in described():
        assert limits.about.endswith(".")
        assert limits.low <= limits.default <= limits.high


@pytest.mark.parametrize(
    ("stored", "sentence"),
    [
        ({"near_duplicate": 0.2}, "“near_duplicate” must lie between 0.5 and 1."),
        ({"max_tokens": "many"}, "“max_tokens” must be a number."),
        ({"max_tokens": 100.5}, "“max_tokens” must be a whole number."),
        ({"near_duplicate": float("nan")}, "“near_duplicate” must lie between 0.5 and 1."),
        ({"max_tokens": float("inf")}, "“max_tokens” must be a number."),
        ({"size": 1}, "There is no threshold “size”."),
        ({"too_few": 2000}, "“enough” must be at least as large as “too_few”."),
    ],
)
def test_a_threshold_out_of_range_is_refused_in_a_sentence(stored, sentence):
    with pytest.raises(Refused) as refused:
        Thresholds.from_json(stored)
    assert refused.value.message == sentence


@pytest.mark.parametrize("value", ["512", 512, 512.0])
def test_a_number_from_a_form_is_read(value):
    assert Thresholds.from_json({"max_tokens": value}).max_tokens == 512
