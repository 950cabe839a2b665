"""Keys and passwords, by the shapes that issuers give them."""

import math
import re
from collections import Counter
from collections.abc import Iterator

from evalhub.datasets.checks.personal import Found, told
from evalhub.datasets.checks.text import Text

SHAPES = {
    "private key": r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "AWS access key": r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b",
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})\b",
    "GitLab token": r"\bglpat-[\w-]{20,}",
    "Google API key": r"\bAIza[\w-]{35}(?![\w-])",
    "Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}\b",
    "Stripe key": r"\b[rs]k_live_[A-Za-z0-9]{20,}\b",
    "npm token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "PyPI token": r"\bpypi-AgEIcHlwaS[\w-]{40,}",
    "API key": r"\bsk-(?:[a-z]+-)*[A-Za-z0-9_-]{24,}",
    "signed token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{16,}",
}
_SHAPE = re.compile("|".join(f"(?P<k{at}>{shape})" for at, shape in enumerate(SHAPES.values())))
_NAMES = tuple(SHAPES)
_ASSIGNED = re.compile(r"[:=]\s*(?P<quote>[\"'])(?P<value>[^\s\"']{8,200})(?P=quote)")
_NAME = re.compile(
    r"(?:(?:api|secret|access|auth|private)[_-]?(?:key|token)|client_secret|passw(?:or)?d|pwd)[\"']?\s*$"
)
_HINTS = (
    "PRIVATE KEY", "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "AIza", "xox",
    "hf_", "k_live_", "npm_", "pypi-", "sk-", "eyJ",
)  # fmt: skip
_STAND_IN = re.compile(
    r"example|your|my_?|here|xxx|placeholder|secret|password|test|dummy|changeme|1234|\.\.\.|[<>{}$*]|abc",
    re.IGNORECASE,
)
RANDOM = 3.0  # bits per character: words have fewer, keys more


def secrets(text: str) -> Iterator[Found]:
    """(what it is, its value) of every key or password; stand-ins such as "your_api_key" are none."""
    shaped = _SHAPE.finditer(text) if any(hint in text for hint in _HINTS) else ()
    for match in shaped:
        if not re.search("EXAMPLE|xxxx|0000|1234567", match.group()):
            yield _NAMES[int((match.lastgroup or "k0")[1:])], match.group()
    for match in _ASSIGNED.finditer(text):
        named = _NAME.search(text[max(0, match.start() - 40) : match.start()].lower())
        if named and not _SHAPE.search(match["value"]) and _looks_random(match["value"]):
            yield "password or key", match["value"]


def scan(text: Text) -> str:
    """Which keys and passwords there are and where; their values are masked."""
    return told(text, secrets)


def _looks_random(value: str) -> bool:
    mixed = any(sign.isdigit() for sign in value) and any(sign.isalpha() for sign in value)
    return mixed and not _STAND_IN.search(value) and _entropy(value) >= RANDOM


def _entropy(value: str) -> float:
    """Bits per character (Shannon) of the value's own frequencies."""
    shares = [count / len(value) for count in Counter(value).values()]
    return -sum(share * math.log2(share) for share in shares)
