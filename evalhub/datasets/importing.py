"""records → rows and line-numbered problems: which column means what, and which values can be kept. Pure Python.

Understood: Alpaca (instruction, input, output), prompt and completion, chat (messages or ShareGPT conversations, of
one or several turns), and any columns by a mapping {field: column}. Columns of no known meaning become metadata.
"""

import hashlib
import json
import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalhub.datasets.reading import (
    MAX_FIELD,
    MAX_RAW,
    Problem,
    Record,
    Source,
    Unreadable,
    kind_of,
    open_source,
    records,
    storable,
)

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
]

ALIASES: dict[str, tuple[str, ...]] = {
    "instruction": ("instruction", "prompt"),
    "input": ("input", "context"),
    "output": ("output", "completion", "response"),
    "system": ("system", "system_prompt"),
    "category": ("category", "task"),
    "source": ("document", "document_id", "doc_id", "source_document", "path", "source", "url"),
    "language": ("language", "lang"),
    "tags": ("tags",),
    "wanted_split": ("split", "wanted_split"),
    "key": ("id", "key"),
}
"""Names a column may have for each field of an example; the first one present wins, the others become metadata."""

FIELDS = tuple(ALIASES)
CHATS = ("messages", "conversations", "conversation")
REQUIRED = ("instruction", "output")
MAX_NAME = 200  # characters of a column's name
LONGEST = {"key": 200, "category": 120, "source": 255, "language": 20}
SPLITS = {"train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
          "dev": "validation", "eval": "validation", "test": "test", "testing": "test"}  # fmt: skip
ROLES = {"system": "system", "user": "user", "human": "user", "prompter": "user", "assistant": "assistant",
         "gpt": "assistant", "model": "assistant", "bot": "assistant"}  # fmt: skip


NOT_NUMBERS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


class BadValue(Exception):
    """One field of one row cannot be kept as it is; `reason` is one sentence."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name, self.reason = name, reason


class MissingColumns(Unreadable):
    """No row has the columns that every example needs, or one that was mapped to is not there."""


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
    texts = [_same(values.get(name) or "") for name in ("system", "instruction", "input", "output")]
    turns = [[turn["role"], _same(turn["content"])] for turn in values.get("history") or []]
    return hashlib.sha256(json.dumps([texts, turns], ensure_ascii=False).encode()).hexdigest()


def _same(text: str) -> str:
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def read_rows(path: Path, *, name: str = "", mapping: Mapping[str, str] | None = None) -> Iterator[Row | Problem]:
    """The rows of `path` in order, in constant memory. Raises Unreadable, also in the middle."""
    source = open_source(path, name)
    columns = _Columns(mapping or {})
    if source.format in ("csv", "xlsx", "parquet"):
        columns.expect(source)
    for item in records(source):
        yield item if isinstance(item, Problem) else _row(item, columns)


def survey(
    path: Path,
    *,
    name: str = "",
    mapping: Mapping[str, str] | None = None,
    heard: Callable[[int], None] | None = None,
) -> Survey:
    """Read all of `path` and count; `heard` is told how many rows so far.

    Raises Unreadable for a file without rows, or without the columns needed.
    """
    rows = problems = 0
    first: list[Problem] = []
    for item in read_rows(path, name=name, mapping=mapping):
        rows += isinstance(item, Row)
        problems += isinstance(item, Problem)
        if heard:
            heard(rows + problems)
        if isinstance(item, Problem) and len(first) < 200:
            first.append(item)
    name = name or path.name
    if not rows + problems:
        raise Unreadable(f"{name} has no rows.")
    if not rows and _all_lack_columns(first):
        raise MissingColumns(_lacking(name, _found_columns(path, name), mapping or {}))
    if not rows and all(problem.reason.startswith("Not JSON") for problem in first):
        raise Unreadable(f"{name} is not JSON at line {first[0].line}: {first[0].reason.removeprefix('Not JSON: ')}")
    return Survey(rows, problems)


def preview(path: Path, *, name: str = "", mapping: Mapping[str, str] | None = None, limit: int = 5) -> Preview:
    """The first `limit` rows and problems, the columns found and what each would mean. Raises Unreadable."""
    source = open_source(path, name)
    columns = _Columns(mapping or {})
    found = _found_columns(path, source.name)
    rows: list[Row] = []
    problems: list[Problem] = []
    for number, item in enumerate(records(source)):
        row = item if isinstance(item, Problem) else _row(item, columns)
        if isinstance(row, Row):
            rows.append(row)
        else:
            problems.append(row)
        if number > 200 or len(rows) >= limit:
            break
    lacking = _lacking(source.name, found, columns.mapping) if not rows and _all_lack_columns(problems) else ""
    shown = tuple(problems[: 1 if lacking else limit])
    return Preview(source.described, found, columns.meanings(found), tuple(rows), shown, lacking)


def _found_columns(path: Path, name: str) -> tuple[str, ...]:
    """The header's columns, or the names that the first 100 objects use."""
    source = open_source(path, name)
    if source.columns:
        return source.columns
    found: dict[str, None] = {}
    for number, item in enumerate(records(source)):
        if isinstance(item, Record):
            found.update(dict.fromkeys(storable(name)[:MAX_NAME] for name in item.values))
        if number > 100:
            break
    return tuple(found)[:60]


# --- columns ------------------------------------------------------------------------------------
MISSING = "No column "


def _plain(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def _all_lack_columns(problems: Sequence[Problem]) -> bool:
    return bool(problems) and all(problem.reason.startswith(MISSING) for problem in problems)


def _lacking(name: str, found: tuple[str, ...], mapping: Mapping[str, str]) -> str:
    """What a file's columns lack: one that was mapped to, or those that every example needs."""
    names = ", ".join(column[:60] for column in found) or "no columns"
    present = {_plain(column) for column in found}
    lost = [column for column in mapping.values() if column and _plain(column) not in present]
    if lost:
        return f"{name} has no column “{lost[0]}”; it has {names}."
    return (
        f"{name}: found the columns {names}; wanted are instruction and output (input is optional), "
        "or prompt and completion, or messages."
    )


class _Columns:
    """Which column of a row each field is taken from: as mapped, otherwise by name, whatever the case."""

    def __init__(self, mapping: Mapping[str, str]) -> None:
        unknown = sorted(set(mapping) - set(FIELDS))
        if unknown:
            raise Unreadable(f"There is no field “{unknown[0]}” to map to; there are {', '.join(FIELDS)}.")
        self.mapping = dict(mapping)
        self._known: dict[tuple[str, ...], dict[str, str]] = {}

    def meanings(self, found: tuple[str, ...]) -> dict[str, str]:
        """{field: column} for a row with the columns `found`."""
        if found not in self._known:
            self._known[found] = self._matched(found)
        return self._known[found]

    def _matched(self, found: tuple[str, ...]) -> dict[str, str]:
        by_name = {_plain(name): name for name in reversed(found)}
        taken = {by_name[_plain(column)] for column in self.mapping.values() if _plain(column) in by_name}
        matched = {}
        for name, aliases in ALIASES.items():
            wanted = (self.mapping[name],) if name in self.mapping else aliases
            free = [by_name[_plain(alias)] for alias in wanted if _plain(alias) in by_name]
            free = [column for column in free if name in self.mapping or column not in taken]
            if free:
                matched[name] = free[0]
        return matched

    def expect(self, source: Source) -> None:
        """Raises Unreadable if a table's header cannot give an instruction and an output."""
        matched = self.meanings(source.columns)
        present = {_plain(name) for name in source.columns}
        lost = [column for column in self.mapping.values() if column and _plain(column) not in present]
        if lost or (not present & set(CHATS) and not all(name in matched for name in REQUIRED)):
            raise MissingColumns(_lacking(source.name, source.columns, self.mapping))


def _row(record: Record, columns: _Columns) -> Row | Problem:
    try:
        return Row(line=record.line, **_row_values(record.values, columns))
    except BadValue as error:
        return Problem(record.line, error.name, error.reason, _raw(record.values))
    except RecursionError:
        return Problem(record.line, "", "The row is nested too deeply.", _raw({}))


def _raw(values: Mapping[str, Any]) -> str:
    short = {str(name)[:60]: value if not isinstance(value, str) else value[:200] for name, value in values.items()}
    return json.dumps(short, ensure_ascii=False, default=str)[:MAX_RAW]


def _row_values(values: dict[str, Any], columns: _Columns) -> dict[str, Any]:
    _refuse_names(values)
    matched = columns.meanings(tuple(values))
    chat = next((name for name in values if _plain(name) in CHATS and values[name]), None)
    given = {name: values[column] for name, column in matched.items()}
    used = set(matched.values())
    if chat and "instruction" not in given:
        given |= _from_chat(chat, values[chat])
        used.add(chat)
    _refuse_missing(given, values)
    rest = {
        name: plain_json(name, value) for name, value in values.items() if name not in used and value not in (None, "")
    }
    return clean_values(given) | {"metadata": rest}


def _refuse_names(values: dict[str, Any]) -> None:
    """Raises BadValue for a name that cannot be kept, or that stands twice in different cases."""
    for name in values:
        if name != storable(name) or len(name) > MAX_NAME:
            raise BadValue(name[:60], "A field's name is too long, holds a NUL character, or is not valid UTF-8.")
    plain = [_plain(name) for name in values]
    if len(set(plain)) < len(plain):
        twin = next(name for name in values if plain.count(_plain(name)) > 1)
        raise BadValue(twin, f"The row names “{twin}” twice, in different cases.")


def _refuse_missing(given: dict[str, Any], values: dict[str, Any]) -> None:
    missing = [name for name in REQUIRED if name not in given]
    if missing:
        names = " and ".join(f"“{name}”" for name in missing)
        found = ", ".join(str(name)[:60] for name in values) or "nothing"
        raise BadValue(missing[0], f"{MISSING}{names}. The row has: {found[:300]}.")


# --- values -------------------------------------------------------------------------------------
def clean_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an example as they are stored, from whatever types a file or a form gives.

    Numbers, true and false become text; line ends become line feeds. Raises BadValue for what cannot be kept:
    an empty instruction or output, a list or object for a text, NUL characters, lone surrogates, NaN, more than
    2 MB, an unknown split.
    """
    cleaned: dict[str, Any] = {
        name: as_text(name, given[name]) for name in FIELDS if name in given and name not in ("tags", "wanted_split")
    }
    for name in ("key", "category", "source", "language"):
        if name in cleaned:
            cleaned[name] = _short(name, cleaned[name].strip())
    for name in REQUIRED:
        if name in cleaned and not cleaned[name].strip():
            raise BadValue(name, f"The {name} is empty.")
    if "tags" in given:
        cleaned["tags"] = _tags(given["tags"])
    if "wanted_split" in given:
        cleaned["wanted_split"] = _split(given["wanted_split"])
    if "history" in given:
        cleaned["history"] = _turns("history", given["history"])
    return cleaned


def as_text(name: str, value: Any) -> str:
    """`value` as text with line feeds as line ends. Raises BadValue."""
    if value is None:
        return ""
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, float) and not math.isfinite(value):
        raise BadValue(
            name, f"The {name} is {NOT_NUMBERS.get(str(value), value)}, which is not a number that can be kept."
        )
    elif isinstance(value, list | dict | tuple | set | bytes):
        raise BadValue(name, f"The {name} is {kind_of(value)}; a text is needed.")
    text = value if isinstance(value, str) else str(value)
    _check_characters(name, text)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _check_characters(name: str, text: str) -> None:
    if len(text) > MAX_FIELD or (len(text) > MAX_FIELD // 4 and len(text.encode("utf-8", "replace")) > MAX_FIELD):
        raise BadValue(
            name, f"The {name} has {len(text):,} characters; a field may have at most {MAX_FIELD // 10**6} MB."
        )
    if "\0" in text:
        raise BadValue(name, f"The {name} holds a NUL character (U+0000) at character {text.index(chr(0)) + 1}.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadValue(name, f"The {name} is not valid UTF-8 at character {error.start + 1}.") from error


def _short(name: str, text: str) -> str:
    label = "id" if name == "key" else name
    if len(text) > LONGEST[name]:
        raise BadValue(name, f"The {label} has {len(text)} characters; at most {LONGEST[name]} can be kept.")
    return text


def _tags(value: Any) -> list[str]:
    if isinstance(value, str):
        value = value.replace(";", ",").split(",")
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise BadValue("tags", f"The tags are {kind_of(value)}; a list or a text with commas is needed.")
    return list(dict.fromkeys(tag for item in value if (tag := as_text("tags", item).strip())))


def _split(value: Any) -> str:
    text = as_text("split", value).strip().casefold()
    if text and text not in SPLITS:
        raise BadValue("split", f"The split is “{text[:40]}”; known are train, validation and test.")
    return SPLITS.get(text, "")


def plain_json(name: str, value: Any) -> Any:
    """`value` as what JSON and the database can keep. Raises BadValue, naming the column."""
    if isinstance(value, dict):
        return {as_text(name, key): plain_json(name, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(name, item) for item in value]
    if value is None or isinstance(value, bool | int):
        return value
    text = as_text(name, value)
    return value if isinstance(value, float) else text


# --- chats --------------------------------------------------------------------------------------
def _from_chat(name: str, value: Any) -> dict[str, Any]:
    """System text, earlier turns, last question and last answer of a chat. Raises BadValue."""
    turns = _turns(name, value)
    system = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
    spoken = [turn for turn in turns if turn["role"] != "system"]
    if not spoken or spoken[-1]["role"] != "assistant":
        raise BadValue(name, "The chat does not end with an answer of the assistant.")
    if [turn["role"] for turn in spoken] != ["user", "assistant"] * (len(spoken) // 2):
        raise BadValue(
            name, "The turns of the chat do not alternate between user and assistant, beginning with the user."
        )
    found = {"instruction": spoken[-2]["content"], "output": spoken[-1]["content"], "history": spoken[:-2]}
    return found | ({"system": system} if system else {})


def _turns(name: str, value: Any) -> list[dict[str, str]]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise BadValue(name, f"The {name} are a text that is not JSON; a list of turns is needed.") from error
    if not isinstance(value, list | tuple):
        raise BadValue(name, f"The {name} are {kind_of(value)}; a list of turns is needed.")
    return [_turn(name, item) for item in value]


def _turn(name: str, item: Any) -> dict[str, str]:
    if not isinstance(item, dict):
        raise BadValue(name, f"A turn of the {name} is {kind_of(item)}; an object with role and content is needed.")
    said = item.get("role", item.get("from"))
    role = ROLES.get(said.casefold()) if isinstance(said, str) else None
    if role is None:
        raise BadValue(name, f"A turn has the role “{str(said)[:40]}”; known are system, user and assistant.")
    content = item.get("content", item.get("value"))
    if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        content = "".join(as_text(name, part.get("text")) for part in content)
    if content is None:
        raise BadValue(name, f"A turn of the {said} has no content.")
    return {"role": role, "content": as_text(name, content)}
