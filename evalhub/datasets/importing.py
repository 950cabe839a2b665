"""records → rows and line-numbered problems: which column means what, and which values can be kept. Pure Python.

Understood: Alpaca (instruction, input, output), prompt and completion, chat (messages or ShareGPT conversations, of
one or several turns), and any columns by a mapping {field: column}. Columns of no known meaning become metadata.
"""

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any

from evalhub.datasets.cells import QUOTED, from_json, unquoted
from evalhub.datasets.columns import (
    CHATS,
    FIELDS,
    MAX_NAME,
    MISSING,
    Columns,
    MissingColumns,
    lacking,
    plain,
    refuse_missing,
)
from evalhub.datasets.formats.records import Problem, Record, Source, Unreadable, cells_as_json, storable
from evalhub.datasets.formats.unpacking import telling_what_breaks
from evalhub.datasets.reading import open_sources, records
from evalhub.datasets.shapes import INPUT_BEGINS, parted
from evalhub.datasets.values import BadValue, clean_values, from_chat, plain_json

__all__ = [
    "FIELDS",
    "BadValue",
    "MissingColumns",
    "Preview",
    "Problem",
    "Row",
    "Unreadable",
    "clean_values",
    "fingerprint",
    "preview",
    "read_rows",
    "survey",
    "whole_rows",
]

HEARD_EVERY = 100  # rows
LOOKED_AT = 100  # rows from which columns are told


@dataclass(frozen=True)
class Row:
    """One example, ready to be stored. `line` counts from 1 (the row's number in XLSX and Parquet)."""

    line: int
    instruction: str
    output: str
    input: str = ""
    system: str = ""
    history: list[dict[str, str]] = field(default_factory=list)
    category: str = ""
    source: str = ""
    language: str = ""
    tags: list[str] = field(default_factory=list)
    wanted_split: str = ""
    key: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        return fingerprint(vars(self))


@dataclass(frozen=True)
class Preview:
    """What a file looks like before it is stored. `mapping` says which column each field would be taken from."""

    described: str
    columns: tuple[str, ...]
    mapping: dict[str, str]
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    lacking: str = ""  # one sentence, where no row looked at has the columns needed; then one problem stands for all


@dataclass(frozen=True)
class Survey:
    """All of a file, counted but not stored."""

    rows: int
    problems: int

    @property
    def total(self) -> int:
        return self.rows + self.problems


def fingerprint(values: Mapping[str, Any]) -> str:
    """sha256 (hex) of a row's texts: NFC, line ends and outer white space aside. Two rows with one are the same row."""
    texts = [encode_basestring(_same(values.get(name) or "")) for name in ("system", "instruction", "input", "output")]
    said = [[turn["role"], _same(turn["content"])] for turn in values.get("history") or []]
    line = f"[[{', '.join(texts)}], {json.dumps(said, ensure_ascii=False) if said else '[]'}]"  # JSON, in half the time
    return hashlib.sha256(line.encode()).hexdigest()


def _same(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return (text if text.isascii() else unicodedata.normalize("NFC", text)).strip()


def read_rows(path: Path, *, name: str = "", mapping: Mapping[str, str] | None = None) -> Iterator[Row | Problem]:
    """The rows of `path` in order, in constant memory. Raises Unreadable, also in the middle."""
    return map(_shortened, whole_rows(path, name=name, mapping=mapping))


def whole_rows(path: Path, *, name: str = "", mapping: Mapping[str, str] | None = None) -> Iterator[Row | Problem]:
    """As read_rows; each problem has its row as it stands in the file, whatever its size and its bytes."""
    columns = Columns(mapping or {})
    for source, item in _items(path, name, columns):
        yield _row(item, source, columns)


def _shortened(item: Row | Problem) -> Row | Problem:
    return item.shortened if isinstance(item, Problem) else item


def _items(path: Path, name: str, columns: Columns) -> Iterator[tuple[Source, Record | Problem]]:
    """The records of a file, or of each file of a folder, with where they are from. Raises Unreadable."""
    for source in open_sources(path, name):
        if source.columns:
            columns.expect(source)
        for item in records(source):
            yield source, item


def survey(
    path: Path,
    *,
    name: str = "",
    mapping: Mapping[str, str] | None = None,
    heard: Callable[[int], None] | None = None,
    closely: bool = True,
) -> Survey:
    """Read all of `path` and count; `heard` is told how many rows so far, also on a way past blank ones.

    Not `closely`: once a good row is found the others are only counted, as good ones, in half the time.
    Raises Unreadable for a file that cannot be read to its end, without rows, or without the columns needed.
    """
    rows = problems = told_at = 0
    first: list[Problem] = []
    columns = Columns(mapping or {})
    for source, item in _items(path, name, columns):
        found = _row(item, source, columns) if closely or not rows else item
        if isinstance(found, Problem):
            problems += 1
            first += [found.shortened] if len(first) < 2 * LOOKED_AT else []
        else:
            rows += 1
        if heard and ((rows + problems) % HEARD_EVERY == 0 or abs(item.line - told_at) >= HEARD_EVERY):
            told_at = item.line
            heard(rows + problems)
    if not rows:
        _refuse(path, name or path.name, mapping or {}, first)
    return Survey(rows, problems)


def _refuse(path: Path, name: str, mapping: Mapping[str, str], problems: Sequence[Problem]) -> None:
    """Raises Unreadable, where one sentence about a file without a good row says more than a problem for each."""
    if not problems:
        raise Unreadable(f"{name} has no rows.")
    if _all_lack_columns(problems):
        raise MissingColumns(lacking(name, _found_columns(path, name), mapping))
    if all(problem.reason.startswith("Not JSON") for problem in problems):
        reason = problems[0].reason.removeprefix("Not JSON: ")
        raise Unreadable(f"{name} is not JSON at line {problems[0].line}: {reason}")


def _all_lack_columns(problems: Sequence[Problem]) -> bool:
    return bool(problems) and all(problem.reason.startswith(MISSING) for problem in problems)


def preview(path: Path, *, name: str = "", mapping: Mapping[str, str] | None = None, limit: int = 5) -> Preview:
    """The first `limit` rows and problems, the columns found and what each would mean. Raises Unreadable.

    What is packed is not unpacked to its end: `described` says what is assumed of it.
    """
    name = name or path.name
    columns = Columns(mapping or {})
    with telling_what_breaks(name):
        found = _found_columns(path, name)
        described, rows, problems = _beginning(path, name, mapping, limit)
    lacks = lacking(name, found, columns.mapping) if not rows and _all_lack_columns(problems) else ""
    shown = tuple(problems[: 1 if lacks else limit])
    return Preview(described, found, columns.meanings(found), tuple(rows), shown, lacks)


def _beginning(
    path: Path, name: str, mapping: Mapping[str, str] | None, limit: int
) -> tuple[str, list[Row], list[Problem]]:
    """What the file is, and its first rows and problems."""
    rows: list[Row] = []
    problems: list[Problem] = []
    described = ""
    columns = Columns(mapping or {})
    for source in open_sources(path, name, glimpse=True):
        described = described or (f"Dataset folder, {source.described}" if source.part else source.described)
        for item in islice(records(source), 2 * LOOKED_AT):
            found = _row(item, source, columns)
            if isinstance(found, Problem):
                problems.append(found.shortened)
            else:
                rows.append(found)
            if len(rows) >= limit:
                return described, rows, problems
    return described, rows, problems


def _found_columns(path: Path, name: str) -> tuple[str, ...]:
    """The header's columns, or the names that the first objects use."""
    found: dict[str, None] = {}
    for source in open_sources(path, name, glimpse=True):
        if source.columns:
            return source.columns
        for item in islice(records(source), LOOKED_AT):
            if isinstance(item, Record):
                found.update(dict.fromkeys(storable(name)[:MAX_NAME] for name in item.values))
        break
    return tuple(found)[:60]


# --- one row ------------------------------------------------------------------------------------
def _row(item: Record | Problem, source: Source, columns: Columns) -> Row | Problem:
    if isinstance(item, Problem):
        return replace(item, file=source.part) if source.part else item
    try:
        return Row(line=item.line, **_row_values(item.values, columns, item.split or source.split))
    except BadValue as error:
        return Problem(item.line, error.name, error.reason, _raw(item), source.part)
    except RecursionError:
        return Problem(item.line, "", "The row is nested too deeply.", item.raw, source.part)


def _raw(item: Record) -> str:
    return item.raw or cells_as_json(item.values)


def _row_values(values: dict[str, Any], columns: Columns, split: str) -> dict[str, Any]:
    """The fields of one row; `split` is the side that its place names, where the row itself names none."""
    if QUOTED in values:
        values = unquoted(values)
    matched = columns.of_row(values)
    given = {name: values[column] for name, column in matched.items()}
    used = set(matched.values())
    if "instruction" not in given and (chat := _chat_column(values)):
        given |= from_chat(chat, values[chat])
        used.add(chat)
    refuse_missing(given, values)
    if split and not given.get("wanted_split"):
        given["wanted_split"] = split
    rest = {name: value for name, value in values.items() if name not in used and value not in (None, "")}
    return clean_values(parted(given, rest.pop(INPUT_BEGINS, None))) | {"metadata": _metadata(rest)}


def _chat_column(values: Mapping[str, Any]) -> str | None:
    return next((name for name in values if plain(name) in CHATS and values[name]), None)


def _metadata(rest: Mapping[str, Any]) -> dict[str, Any]:
    """The columns without a field; those within a column `metadata`, as an export writes it, each by its own name."""
    named = from_json(rest.get("metadata"), dict)
    if isinstance(named, dict):
        rest = {**{name: value for name, value in rest.items() if name != "metadata"}, **named}
    return {name: plain_json(name, value) for name, value in rest.items()}
