"""personal: what identifies a person is found, what only looks like it is not, and no reason gives it away."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalhub.datasets.checks.identifiers import is_card, is_iban
from evalhub.datasets.checks.masking import masked
from evalhub.datasets.checks.personal import personal
from tests.datasets.checks.given import found, text

PERSONAL = [
    ("Write to anna.huber+x@post.tuwien.ac.at today.", "e-mail address", "anna.huber+x@post.tuwien.ac.at"),
    ("(o'neil_j@post-box.io)", "e-mail address", "neil_j@post-box.io"),
    ("Call +49 30 901820 now", "phone number", "+49 30 901820"),
    ("Call +43 (0)1 58801-406100.", "phone number", "+43 (0)1 58801-406100"),
    ("+33 1 42 68 53 00", "phone number", "+33 1 42 68 53 00"),
    ("Ring (202) 456-1111 in an emergency", "phone number", "(202) 456-1111"),
    ("at 202-456-1111.", "phone number", "202-456-1111"),
    ("Telefon: 030 9018 2000", "phone number", "030 9018 2000"),
    ("Tél. 01 42 68 53 00", "phone number", "01 42 68 53 00"),
    ("IBAN: DE89 3704 0044 0532 0130 00", "IBAN", "DE89 3704 0044 0532 0130 00"),
    ("GB82WEST12345698765432", "IBAN", "GB82WEST12345698765432"),
    ("pay MT84 MALT 0110 0001 2345 MTLC AST0 01S please", "IBAN", "MT84 MALT 0110 0001 2345 MTLC AST0 01S"),
    ("from NO93 8601 1117 947 THIS week", "IBAN", "NO93 8601 1117 947"),
    ("card 4539 1488 0343 6467, valid", "card number", "4539 1488 0343 6467"),
    ("378282246310005", "card number", "378282246310005"),
    ("5425-2334-3010-9903", "card number", "5425-2334-3010-9903"),
    ("The request came from 209.85.232.121.", "IP address", "209.85.232.121"),
    ("host 2a00:1450:4001:81b::200e down", "IP address", "2a00:1450:4001:81b::200e"),
]
HARMLESS = [
    "name@example.com, user@mail.example.org and you@host.test stand for any address",
    "logo@2x.png and git@github.com:team/project.git and noreply@github.com",
    "matrix A@B.T and @decorator.method",
    "Order DE89 3704 0044 0532 0130 01 of DE12 3456 7890",  # check digits are wrong
    "XX82WEST12345698765432",  # no such country
    "DE893704004405320130",  # too short
    "Invoice 4539 1488 0343 6468",  # Luhn is wrong
    "ISBN 978-3-16-148410-0 and 9783161484100",
    "tracking number 1234567890123456789",
    "4111.1111 × 1111.1111 = 16900000",
    "0000 0000 0000 0000",
    "Update to version 10.14.62.11 or v2.10.11.12 first.",
    "See section 12.10.11.14 and chapter 4.1.2.3 of the norm",
    "1.2.3.4 and 1.1.1.1 and 10.20.30.40 and 192.168.10.11 and 127.0.0.1",
    "Chrome/120.0.6099.109 and 300.10.20.30 and 1.10.20.30.40",
    "std::vector<int> a::b, at 12:30:45:10, MAC 00:1A:2B:3C:4D:5E, ::1",
    "from 1990-2020, 2024-01-15, 15.01.2024, 3.14159265358979",
    "population 83,294,633 and 1 000 000 000",
    "555-555-5555, 123-456-7890, (212) 555-0123",
    "They called 300 people in 2021 and 12 in 2022",
    "x = +12 and y = -3.5e+10, ratio 1234567",
    "Zip 12345-6789, price 1.299,00 €, 10.1000/182",
    "phone 7 and call 12 times",
    "1-800-273-8255 and (888) 321-0001 are free of charge",
    "cell 1 2 3 4 5 6 7 8",
]


@pytest.mark.parametrize(("words", "what", "value"), PERSONAL)
def test_it_finds(words, what, value):
    assert list(personal(words)) == [(what, value)]


@pytest.mark.parametrize("words", HARMLESS)
def test_it_passes(words):
    assert list(personal(words)) == []


def test_the_reason_names_the_part_and_masks_the_value():
    row = text(1, input="From anna@tuwien.ac.at, bert@tuwien.ac.at: +49 30 901820")
    assert found("personal", row)[1].reason == "In the input: 2 × e-mail address an•••, phone number +4•••."


def test_a_number_within_another_is_told_once():
    assert [what for what, _ in personal("IBAN DE89 3704 0044 0532 0130 00, Tel 0532 0130 00")] == ["IBAN"]


VALUES = st.sampled_from([(words, value) for words, _, value in PERSONAL])


@settings(max_examples=50)
@given(st.text(max_size=60).map(lambda noise: " ".join(noise.split())), VALUES, st.sampled_from(["input", "output"]))
def test_no_reason_gives_a_value_away(noise, given_value, part):
    words, value = given_value
    for finding in found("personal", text(1, **{part: f"{words}\n{noise}"})).values():
        shown = finding.reason.removeprefix(f"In the {part}: ")
        assert value not in shown
        assert all(value[at : at + 4] not in shown for at in range(len(value) - 3) if value[at : at + 4].strip())


@given(st.text(min_size=1, max_size=80))
def test_a_mask_shows_no_more_than_two_characters_and_a_quarter(value):
    shown = masked(value).removesuffix("•••")
    assert value.startswith(shown)
    assert len(shown) <= min(2, len(value) / 4)


@given(st.from_regex(r"[1-9][0-9]{17}", fullmatch=True))
def test_of_the_100_check_digits_of_an_account_one_makes_an_iban(account):
    assert sum(is_iban(f"DE{check:02}{account}") for check in range(2, 99)) == 1


@given(st.from_regex(r"4[0-9]{14}", fullmatch=True).filter(lambda digits: len(set(digits)) > 3))
def test_of_ten_last_digits_one_makes_a_card_number(digits):
    assert sum(is_card(f"{digits}{last}") for last in range(10)) == 1
