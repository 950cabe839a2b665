"""Examples for the checks, and what a check says of them."""

from typing import Any

from evalhub.datasets.checks.report import CheckReport, Finding
from evalhub.datasets.checks.run import check
from evalhub.datasets.checks.text import Text
from evalhub.datasets.checks.thresholds import Thresholds


def text(number: int = 1, **values: Any) -> Text:
    """An example in which nothing is wrong, unlike that of any other number."""
    usual = {
        "instruction": f"Write headline {number}.",
        "input": f"Page {number} of it.",
        "output": f"Headline {number}",
    }
    return Text(**{"id": number, **usual, **values})


def checked(*texts: Text, settings: Thresholds | None = None, **options: Any) -> CheckReport:
    return check(texts, settings or Thresholds(), **options)


def found(kind: str, *texts: Text, settings: Thresholds | None = None, **options: Any) -> dict[int, Finding]:
    """{example id: its finding of this kind}."""
    findings = [each for each in checked(*texts, settings=settings, **options).findings if each.kind == kind]
    assert len({each.id for each in findings}) == len(findings), "at most one finding per kind and example"
    return {each.id: each for each in findings}
