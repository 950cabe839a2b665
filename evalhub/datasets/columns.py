"""Which column of a row each field of an example is taken from: as mapped, otherwise by name, whatever the case."""

from collections.abc import Mapping
from typing import Any

from evalhub.datasets.formats.records import Source, Unreadable, storable
from evalhub.datasets.values import REQUIRED, BadValue

ALIASES: dict[str, tuple[str, ...]] = {
    "instruction": ("instruction", "prompt"),
    "input": ("input", "context"),
    "output": ("output", "completion", "response"),
    "system": ("system", "system_prompt"),
    "history": ("history",),
    "category": ("category", "task", "dataset"),
    "source": ("document", "document_id", "doc_id", "source_document", "path", "source", "url"),
    "language": ("language", "lang"),
    "tags": ("tags",),
    "wanted_split": ("split", "wanted_split"),
    "key": ("id", "key"),
}
"""Names a column may have for each field of an example; the first one present wins, the others become metadata."""

FIELDS = tuple(ALIASES)
CHATS = ("messages", "conversations", "conversation")
MAX_NAME = 200  # characters of a column's name
REMEMBERED = 1000  # sets of columns whose meaning is kept; a file has one, or a few
MISSING = "No column "


class MissingColumns(Unreadable):
    """No row has the columns that every example needs, or one that was mapped to is not there."""


def plain(name: str) -> str:
    """A column's name as names are compared: case, spaces and hyphens aside."""
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def lacking(name: str, found: tuple[str, ...], mapping: Mapping[str, str]) -> str:
    """What a file's columns lack: one that was mapped to, or those that every example needs."""
    names = ", ".join(column[:60] for column in found) or "no columns"
    present = {plain(column) for column in found}
    lost = [column for column in mapping.values() if column and plain(column) not in present]
    if lost:
        return f"{name} has no column “{lost[0]}”; it has {names}."
    return (
        f"{name}: found the columns {names}; wanted are instruction and output (input is optional), "
        "or prompt and completion, or messages."
    )


class Columns:
    """The meanings of columns under one mapping {field: column}. Raises Unreadable for a field that there is not."""

    def __init__(self, mapping: Mapping[str, str]) -> None:
        unknown = sorted(set(mapping) - set(FIELDS))
        if unknown:
            raise Unreadable(f"There is no field “{unknown[0]}” to map to; there are {', '.join(FIELDS)}.")
        self.mapping = dict(mapping)
        self._known: dict[tuple[str, ...], dict[str, str]] = {}

    def of_row(self, values: dict[str, Any]) -> dict[str, str]:
        """{field: column} for one row. Raises BadValue for names that cannot be kept, or are one in another case."""
        names = tuple(values)
        if names not in self._known:
            _refuse_names(names)
        return self.meanings(names)

    def meanings(self, found: tuple[str, ...]) -> dict[str, str]:
        """{field: column} for a row with the columns `found`."""
        if found not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[found] = self._matched(found)
        return self._known[found]

    def _matched(self, found: tuple[str, ...]) -> dict[str, str]:
        by_name = {plain(name): name for name in reversed(found)}
        taken = {by_name[plain(column)] for column in self.mapping.values() if plain(column) in by_name}
        matched = {}
        for name, aliases in ALIASES.items():
            wanted = (self.mapping[name],) if name in self.mapping else aliases
            free = [by_name[plain(alias)] for alias in wanted if plain(alias) in by_name]
            free = [column for column in free if name in self.mapping or column not in taken]
            if free:
                matched[name] = free[0]
        return matched

    def expect(self, source: Source) -> None:
        """Raises Unreadable if a table's header cannot give an instruction and an output."""
        matched = self.meanings(source.columns)
        present = {plain(name) for name in source.columns}
        lost = [column for column in self.mapping.values() if column and plain(column) not in present]
        if lost or (not present & set(CHATS) and not all(name in matched for name in REQUIRED)):
            raise MissingColumns(lacking(source.name, source.columns, self.mapping))


def _refuse_names(names: tuple[str, ...]) -> None:
    """Raises BadValue for a name that cannot be kept, or that stands twice in different cases."""
    for name in names:
        if name != storable(name) or len(name) > MAX_NAME:
            raise BadValue(name[:60], "A field's name is too long, holds a NUL character, or is not valid UTF-8.")
    compared = [plain(name) for name in names]
    if len(set(compared)) < len(compared):
        twin = next(name for name in names if compared.count(plain(name)) > 1)
        raise BadValue(twin, f"The row names “{twin}” twice, in different cases.")


def refuse_missing(given: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Raises BadValue for a row without an instruction or an output."""
    missing = [name for name in REQUIRED if name not in given]
    if missing:
        names = " and ".join(f"“{name}”" for name in missing)
        found = ", ".join(str(name)[:60] for name in values) or "nothing"
        raise BadValue(missing[0], f"{MISSING}{names}. The row has: {found[:300]}.")
