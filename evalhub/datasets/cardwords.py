"""A data card as Markdown: the same facts as its page and its JSON, for a repository or a report."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from evalhub.datasets.card import DataCard, Groups
from evalhub.datasets.models import Split

LABELS = {
    "seed": "Seed", "shares": "Shares of train, validation, test", "given_splits": "Sides that rows asked for, kept",
    "kept_test": "Tested again, because the version before tested them", "documents": "Source documents",
    "torn_documents": "Source documents on two sides, because the rows asked for it",
    "near_duplicates": "Groups of near duplicates, each on one side", "method": "Method",
    "details_hash": "SHA-256 over language, tags and metadata",
}  # fmt: skip
APART = ("gate", "leaks", "replay", "checks", "trained_before")  # settings that have lines of their own

AS_NOW = "Languages are those that the examples have now: this version was frozen before they were kept with it."
NOT_CHECKED = "Not checked before the freeze."


def markdown(card: DataCard) -> str:
    """The whole card; it ends with a line feed."""
    return (
        "\n".join([*_head(card), *_counts(card), *_split(card), *_origin(card), *_checks(card), *_since(card)]) + "\n"
    )


def settings_of(card: DataCard) -> list[tuple[str, str]]:
    """How it was split, as (what, value); numbers of nothing are left out but for the seed."""
    found = [(LABELS.get(name, name.replace("_", " ").capitalize()), _plain(value))
             for name, value in card.settings.items() if name not in APART and (value or name == "seed")]  # fmt: skip
    return found + [(f"Gate, {name.replace('_', ' ')}", _plain(value)) for name, value in _gate(card).items() if value]


def _gate(card: DataCard) -> dict[str, Any]:
    gate = card.settings.get("gate")
    return gate if isinstance(gate, dict) else {}


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value)
    if isinstance(value, dict):
        return "; ".join(f"{name.replace('_', ' ')} {_plain(item)}" for name, item in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def flag_words(kind: str) -> str:
    return kind.replace("_", " ").replace("-", " ").capitalize()


def _head(card: DataCard) -> Iterator[str]:
    yield f"# {_line(card.dataset)}, version {card.version}"
    yield ""
    yield from ([card.description.strip(), ""] if card.description.strip() else [])
    yield from ([f"Note: {_line(card.note)}", ""] if card.note else [])
    yield f"{card.counts['total']:,} examples, frozen by {_line(card.frozen_by)} on {_day(card.frozen_at)}."
    yield f"SHA-256 over texts and sides: `{card.data_hash}`"
    yield from ["", "## Source and licence", "", card.credit.strip() or "Not noted."]


def _counts(card: DataCard) -> Iterator[str]:
    yield from ["", "## Sides", ""]
    yield from _table(("Side", "Examples"), [(side, card.counts.get(side, 0)) for side in Split.values])
    named = {"Categories": card.categories, "Sources": card.sources, "Languages": card.languages}
    for title, groups in named.items():
        yield from _groups(title, groups)
    if not card.languages_frozen:
        yield from ["", AS_NOW]
    yield from ["", "## Lengths in characters", ""]
    rows = [(item.field, item.shortest, item.median, item.longest) for item in card.lengths]
    yield from _table(("Text", "Shortest", "Median", "Longest"), rows)


def _groups(title: str, groups: Groups) -> Iterator[str]:
    yield from ["", f"## {title}", ""]
    if not groups.largest:
        yield "None is noted."
        return
    rows = [(item.name, item.total, item.train, item.validation, item.test) for item in groups.largest]
    yield from _table((title, "All", *Split.values), rows)
    if (more := groups.count - len(groups.largest)) or groups.unnamed:
        yield from ["", f"{more:,} more; {groups.unnamed:,} examples without one."]


def _split(card: DataCard) -> Iterator[str]:
    yield from ["", "## How it was split", ""]
    yield from (f"- {name}: {_line(value)}" for name, value in settings_of(card))
    if card.leaks:
        yield f"- Leaks accepted: {card.leaks['count']:,}. Reason: {_line(str(card.leaks['reason']))}"
    yield from (f"- {sentence}" for sentence in card.seen_before)
    if card.replay:
        yield f"- Replay: {_line(_plain(card.replay))}"


def _origin(card: DataCard) -> Iterator[str]:
    yield from ["", "## Imports", ""]
    rows = [(item.file_name, item.examples, _day(item.at), item.by, f"`{item.sha256}`") for item in card.imports]
    yield from _table(("File", "Examples", "Imported", "By", "SHA-256"), rows) if rows else ["No file."]
    if card.by_hand:
        yield from ["", f"{card.by_hand:,} examples were proposed one by one."]


def _checks(card: DataCard) -> Iterator[str]:
    yield from ["", "## Checks", ""]
    if card.checks is None:
        yield NOT_CHECKED
        return
    when = "before" if card.checks.before_freeze else "after"
    yield f"{card.checks.examples:,} approved examples, as they were on {_day(card.checks.at)}, {when} the freeze."
    if card.checks.flags:
        yield ""
        yield from _table(("Found", "Examples"), [(flag_words(kind), n) for kind, n in card.checks.flags.items()])


def _since(card: DataCard) -> Iterator[str]:
    if card.since:
        found = card.since
        yield from ["", f"## Since version {found.number}", ""]
        texts = f"{found.added:,} added, {found.removed:,} removed, {found.changed:,} changed"
        yield f"{texts}, {found.moved:,} on another side."


def _table(head: Sequence[str], rows: Sequence[Sequence[str | int]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|---" + "|--:" * (len(head) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else _line(cell) for cell in row) + " |"


def _line(text: str) -> str:
    """One line that no table breaks at."""
    return " ".join(text.split()).replace("|", "\\|")


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"
