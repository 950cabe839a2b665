"""The kinds of findings: how each is called, how grave it is, and what it means."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """`tone` is the tone of its line where there is any; `spoils`: such an example is not usable as it is."""

    key: str
    label: str
    tone: str
    note: str
    spoils: bool = False


ALL = (
    Kind(
        "leaks",
        "Same task on two sides",
        "bad",
        "Freezing is refused: one task is on two sides of the split, or nearly the same in train and in test.",
    ),
    Kind("contamination", "Repeats what is tested", "bad", "A model would be tested on what it has seen.", spoils=True),
    Kind("echoes", "Output repeats the input", "bad", "Nothing is to be learned from these.", spoils=True),
    Kind("secrets", "Keys and passwords", "bad", "A model may give them away. Replace them.", spoils=True),
    Kind("personal", "Personal data", "warn", "A model may give them away. Replace them where nobody agreed."),
    Kind("refusals", "Refusals", "warn", "A model learns to refuse such tasks.", spoils=True),
    Kind("markers", "Left-over template text", "warn", "A model learns to write it.", spoils=True),
    Kind("conflicts", "Same task, other output", "warn", "Keep the better one; they stay on one side."),
    Kind("copies", "Copies but for case and spaces", "warn", "They count double in training."),
    Kind(
        "near",
        "Near duplicates",
        "warn",
        "Of one category. They count almost double in training; they stay on one side.",
    ),
    Kind("truncated", "Longer than the model takes in", "warn", "Their end is cut off in training."),
    Kind("lengths", "Length outliers", "warn", "Look whether something went wrong in them."),
    Kind("language", "Another language", "warn", "Look whether they belong here."),
    Kind("format", "Format unlike its category", "warn", "A model learns to be inconsistent."),
)
KINDS = {kind.key: kind for kind in ALL}
UNUSABLE, NO_SOURCE = "unusable", "sources"
"""Filters of the table beside the kinds: flagging.py."""
