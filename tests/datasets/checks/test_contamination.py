"""contamination: prompts that repeat, or nearly repeat, those of test sets and benchmarks."""

from evalhub.datasets.checks.text import OtherSet
from evalhub.datasets.checks.thresholds import Thresholds
from tests.datasets.checks.given import found, text

LONG = "Explain to a new member of the team which forms the office asks for when a grant is applied for and why so"
TESTS = OtherSet("Grants v2", "test set", [LONG, "Name the capital of France."])
BENCHMARK = OtherSet("Trivia", "benchmark", ["How many legs does a spider have?"])


def asked(number: int, prompt: str):
    return text(number, instruction=prompt, input="")


def test_it_names_the_set_and_how_much_is_alike():
    rows = [
        asked(1, LONG.replace("new", "young")),
        asked(2, "how many legs does a SPIDER have"),
        asked(3, "Say hello."),
    ]
    contaminated = found("contamination", *rows, others=[TESTS, BENCHMARK], settings=Thresholds(contamination=0.7))
    assert {number: each.reason for number, each in contaminated.items()} == {
        1: "The prompt nearly repeats one of the test set “Grants v2” (75% alike).",
        2: "The prompt repeats one of the benchmark “Trivia”.",
    }


def test_it_looks_at_prompts_and_not_at_outputs():
    assert found("contamination", text(1, output=LONG), others=[TESTS]) == {}


def test_a_common_beginning_is_no_contamination():
    row = asked(1, "Explain to a new member of the team where the coffee is kept and when the kitchen is cleaned")
    assert found("contamination", row, others=[TESTS]) == {}


def test_without_other_sets_there_is_none():
    assert found("contamination", asked(1, LONG)) == {}
    assert found("contamination", asked(1, LONG), others=[OtherSet("Empty", "test set", [])]) == {}


def test_the_input_belongs_to_the_prompt():
    first, rest = LONG.split(" which ")
    assert set(found("contamination", text(1, instruction=first, input=f"which {rest}"), others=[TESTS])) == {1}


def test_what_is_tested_itself_is_no_contamination():
    tested = text(1, instruction=LONG, input="", side="test")
    assert set(found("contamination", tested, asked(2, LONG), others=[TESTS])) == {2}
