"""Examples as the commands tell them: to scripts as the API answers them, to people in lines."""

from typing import Any

from evalhub.datasets.api.examples import ExampleSerializer, RevisionSerializer
from evalhub.datasets.history import Event
from evalhub.datasets.models import Example
from evalhub.datasets.selection import title_of

SHOWN = ("category", "source", "language", "tags", "wanted_split", "origin", "system", "history", "instruction",
         "input", "output")  # fmt: skip


def facts(example: Example) -> dict[str, Any]:
    return dict(ExampleSerializer(example).data)


def revisions_of(example: Example) -> list[dict[str, Any]]:
    """Every revision with its texts, the first one first."""
    revisions = example.revisions.select_related("author", "example").order_by("number")
    return [dict(RevisionSerializer(revision).data) for revision in revisions]


def as_json(event: Event) -> dict[str, Any]:
    return {"at": event.at, "by": str(event.by), "what": event.what, "note": event.note, "undone": event.undone}


def line(example: Example) -> str:
    """An example in a list."""
    state = "approved once" if example.state == "proposed" and example.first_approver_id else example.state
    return f"{example.pk:>8}  {state:<13}  r{example.revision_number}  {title_of(vars(example))}"


def words(example: Example) -> list[str]:
    """What an example holds."""
    return [f"  {name}: {value}" for name in SHOWN if (value := getattr(example, name))]


def event_line(event: Event) -> str:
    note = f", {event.note}" if event.note else ""
    return f"  {event.at:%Y-%m-%d %H:%M}  {event.by}: {event.what}{note}{' (undone)' if event.undone else ''}"
