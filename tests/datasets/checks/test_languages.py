"""languages: the output's language against the declared one, or against that of most."""

import pytest

from evalhub.datasets.checks.languages import code_of, language_of
from evalhub.datasets.checks.thresholds import Thresholds
from tests.datasets.checks.given import checked, found, text

ENGLISH = "The weekly memo says what the team has done, what it will do next and what stands in its way."
GERMAN = "Die wöchentliche Notiz sagt, was das Team getan hat, was es als Nächstes tut und was im Wege steht."
FRENCH = "La note hebdomadaire dit ce que l'équipe a fait, ce qu'elle fera ensuite et ce qui la gêne."
CHINESE = "每周的备忘录说明团队做了什么，接下来要做什么，以及遇到了哪些困难。"


def english(count: int = 30):
    return [text(number, output=f"{ENGLISH} It is number {number}.") for number in range(1, count + 1)]


def test_it_finds_what_is_in_another_language_than_most():
    rows = [*english(), text(80, output=GERMAN), text(81, output=CHINESE)]
    assert {number: each.reason for number, each in found("language", *rows).items()} == {
        80: "The output seems to be in German; most are in English.",
        81: "The output seems to be in Chinese; most are in English.",
    }


def test_it_goes_by_the_declared_language_where_there_is_one():
    rows = [*english(), text(80, output=GERMAN, language="de-AT"), text(81, output=FRENCH, language="German")]
    assert {number: each.reason for number, each in found("language", *rows).items()} == {
        81: "The output seems to be in French, not in German as declared."
    }


def test_a_translation_may_be_in_the_language_that_is_asked_for():
    rows = [*english(), text(80, instruction="Translate it into German.", output=GERMAN), text(81, output=GERMAN)]
    assert set(found("language", *rows)) == {81}


def test_a_dataset_of_two_languages_has_none_of_its_own():
    rows = [*english(20), *(text(90 + at, output=f"{GERMAN} Nummer {at}.") for at in range(20))]
    assert found("language", *rows) == {}


def test_a_few_examples_have_no_language_of_their_own():
    assert found("language", *english(5), text(80, output=GERMAN)) == {}


@pytest.mark.parametrize(
    "output",
    [
        "", "Paris", "Herr Müller, Frau Huber", "3.141 592 653 589 793 238 462 643 383 279 502 884 197",
        "```\nfor item in items:\n    print(item.name, item.value)\n```",
        "C6H12O6 + 6 O2 -> 6 CO2 + 6 H2O; 2 H2 + O2 -> 2 H2O; N2 + 3 H2 -> 2 NH3",
        "https://example.org/a/long/address/that/is/no/prose/at/all",
    ],
)  # fmt: skip
def test_what_is_short_or_no_prose_stays_undecided(output):
    assert language_of(output, Thresholds()) == ""


@pytest.mark.parametrize(("output", "code"), [(ENGLISH, "en"), (GERMAN, "de"), (FRENCH, "fr"), (CHINESE, "zh")])
def test_it_tells_languages_apart(output, code):
    assert language_of(output, Thresholds()) == code


def test_kindred_languages_count_as_one():
    nynorsk = "Notatet som kjem kvar veke, seier kva gruppa har gjort, kva ho skal gjere no og kva som er i vegen."
    assert language_of(nynorsk, Thresholds()) == "no"


@pytest.mark.parametrize(
    ("declared", "code"), [("de-CH", "de"), ("EN_us", "en"), ("French", "fr"), ("nb", "no"), ("", ""), ("elvish", "")]
)
def test_it_reads_declared_languages(declared, code):
    assert code_of(declared) == code


def test_the_balance_counts_what_was_declared_before_what_was_found():
    languages = checked(
        text(1, output=ENGLISH), text(2, output="Oui.", language="fr"), text(3, output="?")
    ).balance.languages
    assert {bar.name: bar.total for bar in languages.bars} == {"English": 1, "French": 1, "Undecided": 1}
