"""secrets: keys by their shapes, passwords by their names and their randomness; stand-ins are none.

The keys here are drawn, and put together from pieces so that no scanner takes this file for a leak.
"""

import random
import string

import pytest

from evalhub.datasets.checks.secrets import secrets
from tests.datasets.checks.given import found, text

SIGNS = string.ascii_letters + "2468"


def drawn(count: int, signs: str = SIGNS) -> str:
    return "".join(random.Random(count).choices(signs, k=count))


SECRET = [
    ("AWS access key", "AKIA" + drawn(16, "ABCDEFGH234567")),
    ("GitHub token", "ghp_" + drawn(36)),
    ("GitHub token", "github_" + "pat_" + drawn(70)),
    ("GitLab token", "glpat-" + drawn(20)),
    ("Google API key", "AIza" + drawn(35)),
    ("Slack token", "xoxb-" + drawn(24)),
    ("Hugging Face token", "hf_" + drawn(34)),
    ("Stripe key", "sk_" + "live_" + drawn(24)),
    ("npm token", "npm_" + drawn(36)),
    ("API key", "sk-" + drawn(48)),
    ("API key", "sk-ant-" + drawn(40)),
    ("signed token", f"eyJ{drawn(20)}.eyJ{drawn(30)}.{drawn(40)}"),
]
HARMLESS = [
    "Set OPENAI_API_KEY to sk-... first",
    'api_key = "your_api_key_goes_here_1"',
    'password: "password123456"',
    "password = 'hunter two'",
    'token = "aaaaaaaa1111"',
    'public_key = "' + drawn(32) + '"',
    "AKIA" + "IOSFODNN7EXAMPLE",
    "-----BEGIN PUBLIC KEY-----",
    "-----BEGIN CERTIFICATE-----",
    "a risk-based-approach-to-the-management-of-grants",
    'primary_key = "' + drawn(20) + '"',
    'secret_key = "{{ secret_key_1 }}"',
    "The password must have 12 characters and a digit.",
]


@pytest.mark.parametrize(("what", "value"), SECRET)
def test_it_finds_a_key_by_its_shape(what, value):
    assert list(secrets(f"export KEY={value}\n")) == [(what, value)]


@pytest.mark.parametrize("sort", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
def test_it_finds_a_private_key(sort):
    assert [what for what, _ in secrets(f"-----BEGIN {sort}PRIVATE" + f" KEY-----\n{drawn(64)}")] == ["private key"]


@pytest.mark.parametrize("name", ["api_key = ", "SECRET_KEY: ", '"client_secret": ', "db_password=", "auth-token = "])
def test_it_finds_a_value_by_its_name(name):
    value = drawn(24)
    assert list(secrets(f'{name}"{value}"')) == [("password or key", value)]


@pytest.mark.parametrize("words", HARMLESS)
def test_it_passes(words):
    assert list(secrets(words)) == []


@pytest.mark.parametrize(("what", "value"), SECRET)
def test_no_reason_gives_a_key_away(what, value):
    (finding,) = found("secrets", text(1, output=f"Use {value} for it.")).values()
    assert finding.reason == f"In the output: {what} {value[:2]}•••."
