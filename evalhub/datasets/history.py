"""What happened to an example, newest first: revisions, decisions, comments, and where it came from. Reads only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from evalhub.accounts.models import User
from evalhub.datasets.inserting import REVISED
from evalhub.datasets.models import Example, Revision

DECIDED = {"approve": "Approved", "reject": "Rejected"}
ORIGINS = {
    "study": "From the study", "item": "Item", "arm": "Arm", "rater": "Corrected by", "score": "Mean score there",
    "answer": "Answer before", "version": "Version of the item",
}  # fmt: skip
AGAIN = "again"  # in an origin: those of later proposals of the same text


@dataclass(frozen=True)
class Event:
    """One line of an example's history."""

    at: datetime
    by: User
    what: str
    note: str = ""
    undone: bool = False


def history_of(example: Example) -> list[Event]:
    """In three queries."""
    events = chain(_revisions(example), _decisions(example), _comments(example))
    return sorted(events, key=lambda event: event.at, reverse=True)


def _revisions(example: Example) -> Iterator[Event]:
    for revision in example.revisions.select_related("author").defer("values"):
        yield Event(revision.created_at, revision.author, f"Revision {revision.number}", revision.reason)


def values_of(revision: Revision) -> dict[str, Any]:
    """The texts of a revision, which an example still has itself where they were not written twice (models.Revision).

    The revision has to come with its example.
    """
    if (kept := revision.values) is not None:
        return {name: kept[name] for name in REVISED if name in kept}
    return {name: getattr(revision.example, name) for name in REVISED}


def _decisions(example: Example) -> Iterator[Event]:
    """Decisions; what edits and tags did is told by their revisions."""
    entries = example.changes.filter(change__verb__in=DECIDED).select_related("change__by")
    for entry in entries:
        change = entry.change
        together = f", with {change.count - 1:,} other{'s' if change.count > 2 else ''}" if change.count > 1 else ""
        yield Event(change.at, change.by, DECIDED[change.verb] + together, change.reason, entry.restored)


def _comments(example: Example) -> Iterator[Event]:
    for comment in example.comments.select_related("author"):
        yield Event(comment.created_at, comment.author, "Comment", comment.text)


def origin_of(example: Example) -> list[tuple[str, object]]:
    """(what it is, value) of where a proposal comes from, in words; and from where it was proposed once more."""
    origin = dict(example.origin)
    again = origin.pop(AGAIN, [])
    return [*_in_words(origin), *(("Proposed again", _in_a_line(other)) for other in again)]


def _in_words(origin: Mapping[str, Any]) -> list[tuple[str, object]]:
    named = [(ORIGINS[name], origin[name]) for name in ORIGINS if origin.get(name) not in (None, "")]
    others = [(name.capitalize(), value) for name, value in origin.items() if name not in ORIGINS]
    return named + others


def _in_a_line(origin: Mapping[str, Any]) -> str:
    """Without the answer, which is long."""
    short = {name: value for name, value in origin.items() if name != "answer"}
    return ", ".join(f"{label}: {value}" for label, value in _in_words(short))
