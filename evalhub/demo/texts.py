"""The two arms of the demo that need no model: the editors' own texts, and each article's first sentence."""

import re
from collections.abc import Mapping
from typing import Any

from evalhub.datasets.models import Version

TITLE_LINE = re.compile(r"\ATitle: [^\n]*\n+")
SENTENCE_END = re.compile(r"(?<=[.!?])[\"”’)]*\s+(?=[\"“‘(]?[A-Z0-9])")
ABBREVIATION = re.compile(r"(?:\b(?:[A-Z]\.)+|\b(?:Dr|Mr|Mrs|Ms|St|vs|No|Inc|Co|Gov|Sen|Rep|Jr|e\.g|i\.e)\.)[\"”’)]*$")


def first_sentence(text: str) -> str:
    """The first sentence of an article's lead, its title line left out."""
    body = " ".join(TITLE_LINE.sub("", text).split())
    for end in SENTENCE_END.finditer(body):
        candidate = body[: end.start()] + body[end.start() : end.end()].rstrip()
        if not ABBREVIATION.search(candidate):
            return candidate
    return body


def test_texts(version: Version) -> tuple[dict[str, str], dict[str, str]]:
    """(editors' texts, first sentences) of the test split, by the example's key."""
    rows: list[Mapping[str, Any]] = list(version.entries.filter(split="test").values_list("values", flat=True))
    editors = {str(row["key"]): str(row["output"]) for row in rows}
    return editors, {str(row["key"]): first_sentence(str(row["input"])) for row in rows}
