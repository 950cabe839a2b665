"""Answers made elsewhere: a file becomes rows, and rows find their prompts. Pure Python.

AlpacaEval's model_outputs.json ([{"instruction", "output", "generator"}]), JSONL, or CSV with a column for the
example (key, id, position, or instruction and input) and one for the answer.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from evalhub.datasets.reading import storable

KEYS = ("key", "example", "example_id", "id", "position")
ANSWERS = ("output", "answer", "response", "text", "completion", "generation", "prediction")
USED = (*KEYS, *ANSWERS, "instruction", "input")


class Unreadable(Exception):
    """The file as a whole cannot be used; the message is one sentence."""


@dataclass(frozen=True)
class FileRow:
    """One answer of a file: where it stands, how it names its example, what it says; or why it cannot be kept."""

    line: int
    names: tuple[str, ...]
    instruction: str
    input: str
    answer: str | None
    problem: str = ""


@dataclass
class Prompts:
    """The frozen examples of a split, by every name that a file may use for them."""

    by_key: dict[str, int] = field(default_factory=dict)
    by_position: dict[str, int] = field(default_factory=dict)
    by_text: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, entry: int, position: int, values: Mapping[str, Any]) -> None:
        if values.get("key"):
            self.by_key[str(values["key"])] = entry
        self.by_position[str(position)] = entry
        instruction, given = str(values.get("instruction", "")), str(values.get("input", ""))
        for text in {squeezed(instruction, given), squeezed(instruction)}:
            self.by_text[text].append(entry)

    def named(self, name: str) -> int | None:
        """The example with this key, else the one at this position."""
        return self.by_key.get(name, self.by_position.get(name))

    def find(self, row: FileRow) -> int | None:
        """The example that a row of a file answers; None where none, or more than one, fits."""
        for name in row.names:
            if (entry := self.named(name)) is not None:
                return entry
        if not row.instruction:
            return None
        fitting = self.by_text.get(squeezed(row.instruction, row.input), [])
        return fitting[0] if len(fitting) == 1 else None


def squeezed(*texts: str) -> str:
    """Texts as one, with every run of white space a single blank: files differ in nothing but that."""
    return " ".join(" ".join(texts).split())


def read_answers(content: bytes, file_name: str) -> list[FileRow]:
    """The rows of a file; raises Unreadable."""
    text = _decoded(content)
    rows = [_row(line, values) for line, values in _records(text, file_name.lower())]
    if not rows:
        raise Unreadable("The file holds no rows.")
    if all(row.answer is None and not row.problem for row in rows):
        raise Unreadable(f"No row has an answer; name its column one of: {', '.join(ANSWERS)}.")
    return rows


def matched(rows: Iterable[FileRow], prompts: Prompts) -> tuple[dict[int, str], list[str]]:
    """(answers by example, a sentence for every row that was left out)."""
    answers: dict[int, str] = {}
    left: list[str] = []
    for row in rows:
        entry = prompts.find(row)
        if row.problem:
            left.append(row.problem)
        elif row.answer is None:
            left.append(f"Row {row.line} has no answer.")
        elif entry is None:
            left.append(f"Row {row.line} fits no example of this split{_called(row)}.")
        elif entry in answers:
            left.append(f"Row {row.line} answers an example that an earlier row had answered{_called(row)}.")
        else:
            answers[entry] = row.answer
    return answers, left


def _called(row: FileRow) -> str:
    name = next(iter(row.names), "") or squeezed(row.instruction)[:60]
    return f": “{name}”" if name else ""


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"The file is not UTF-8 text (byte {error.start:,}); save it as UTF-8.") from error


def _records(text: str, file_name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    if file_name.endswith((".csv", ".tsv")):
        return _table(text, "\t" if file_name.endswith(".tsv") else ",")
    if text.lstrip().startswith("["):
        return _array(text)
    return _lines(text)


def _table(text: str, separator: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for values in reader:
            yield reader.line_num, {str(name).strip().lower(): value for name, value in values.items()}
    except csv.Error as error:
        raise Unreadable(f"The table cannot be read at line {reader.line_num}: {error}.") from error


def _array(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, row in enumerate(_parsed(text, "The file"), start=1):
        if not isinstance(row, dict):
            raise Unreadable(f"Row {number} is not an object with named fields.")
        yield number, row


def _lines(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        row = _parsed(line, f"Line {number}")
        if not isinstance(row, dict):
            raise Unreadable(f"Line {number} is not an object with named fields.")
        yield number, row


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Unreadable(f"{place} is not JSON: {error}.") from error
    except RecursionError as error:
        raise Unreadable(f"{place} is nested too deeply to be read; a row is an object with texts.") from error


def _row(line: int, values: Mapping[str, Any]) -> FileRow:
    if problem := next((text for name in USED if (text := _unkept(line, name, values.get(name)))), ""):
        return FileRow(line, (), "", "", None, problem)
    names = tuple(str(values[name]).strip() for name in KEYS if values.get(name) not in (None, ""))
    answer = next((str(values[name]) for name in ANSWERS if values.get(name) is not None), None)
    return FileRow(line, names, str(values.get("instruction") or ""), str(values.get("input") or ""), answer)


def _unkept(line: int, name: str, value: Any) -> str:
    """Why a field of a row cannot be kept, in one sentence; "" where it can."""
    if isinstance(value, (list, dict)):
        return f"Row {line}: the field “{name}” holds a list or an object where a text is needed."
    if isinstance(value, str) and storable(value) != value:
        return f"Row {line}: the field “{name}” holds half a character (a lone surrogate) or a NUL; mend it."
    return ""
