"""A filter as commands, programs and forms give it: what means nothing is refused, so that a slip never means all.

A page's own address is read leniently (selection.py), since the page shows what it understood.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from evalhub.datasets.checks.kinds import KINDS, NO_SOURCE, UNUSABLE
from evalhub.datasets.flagging import is_flag
from evalhub.datasets.reading import storable
from evalhub.datasets.selection import ADDRESSED, ORDERS, PROVENANCES, SPLITS, STATES, ExampleFilter, moment
from evalhub.errors import Refused

CHOICES: Mapping[str, Iterable[str]] = {
    "state": dict(STATES), "split": dict(SPLITS), "from": dict(PROVENANCES), "sort": ORDERS,
    "flag": (*KINDS, UNUSABLE, NO_SOURCE, "and KIND@CHECK"),
}  # fmt: skip
LONGEST = {"q": 200, "category": 120, "source": 255, "language": 20, "tag": 120}  # characters
SHOWN = 40  # characters of what is refused


def filter_of(query: str) -> ExampleFilter:
    """From `state=proposed&flag=near`, as in the table's address; empty is all.

    Raises Refused for a name or value that means nothing, with those that are known.
    """
    return filter_from(parse_qsl(query, keep_blank_values=True))


def filter_from(pairs: Iterable[tuple[str, str]]) -> ExampleFilter:
    """As filter_of, from (name, value); a name without a value asks for nothing, as in a form's address."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in ADDRESSED:
            known = ", ".join(ADDRESSED)
            raise Refused(f"There is no filter “{storable(name)[:SHOWN]}”; there are {known}.", field="filter")
        if name in given:
            raise Refused(f"The filter names “{name}” twice; once is meant.", field="filter")
        given[name] = value.strip()
        if reason := _meaningless(name, given[name]):
            told = storable(given[name])[:SHOWN]
            raise Refused(f"The filter “{name}” is “{told}”; {reason}.", field="filter")
    return ExampleFilter.from_query(given)


def _meaningless(name: str, value: str) -> str:
    """Why this value of a filter means nothing; empty where it means something."""
    if not value:
        return ""
    if name in CHOICES:
        known = is_flag(value) if name == "flag" else value in CHOICES[name]
        return "" if known else f"there are {', '.join(CHOICES[name])}"
    if name in ("min", "max"):
        return "" if value.isdecimal() and len(value) < 10 else "a whole number of characters is needed"
    if name == "since":
        return "" if moment(value) else "a date such as 2026-11-23 is needed, or a date and time in ISO form"
    if value != storable(value):
        return "NUL and broken characters stand in no text"
    return "" if len(value) <= LONGEST[name] else f"that is more than {LONGEST[name]} characters"
