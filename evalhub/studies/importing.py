"""Bytes → rating rows and line-numbered problems, of the long table: one row per value. Knows no database."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalhub.datasets.reading import storable
from evalhub.progress import Heard, told
from evalhub.studies.texts import LONGEST, unfit

NAMES: dict[str, tuple[str, ...]] = {
    "item": ("item", "item_id", "question", "question_id", "example", "prompt_id", "task"),
    "arm": ("arm", "system", "model", "generator"),
    "rater": ("rater", "worker_id", "worker", "annotator", "annotator_id", "rater_id", "user"),
    "criterion": ("criterion", "metric", "dimension", "aspect"),
    "value": ("value", "score", "rating"),
    "answer": ("answer", "response", "output", "text"),
    "instruction": ("instruction", "prompt"),
    "input": ("input", "source", "context"),
    "category": ("category",),
    "position": ("position",),
    "round": ("round", "revision"),
    "seconds": ("seconds", "active_seconds", "time_spent"),
    "time": ("time", "submitted_at", "timestamp"),
    "guidelines_version": ("guidelines_version",),
    "preference": ("preference",),
    "comment": ("comment",),
    "marks": ("marks",),
}
NEEDED = ("item", "arm", "rater", "criterion", "value")
LARGEST_NUMBER = 1_000_000  # of a position or a round
FORMULA_STARTS = "=+-@\t\r'"


class Unreadable(Exception):
    """The file as a whole cannot be read; the message is one sentence."""

    def __init__(self, message: str) -> None:
        super().__init__(storable(message))


@dataclass(frozen=True)
class Problem:
    line: int
    field: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", storable(self.reason))

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclass(frozen=True)
class RatingRow:
    """One value, as it came: rater × item × arm × criterion, and what the row knew beside it."""

    line: int
    item: str
    arm: str
    rater: str
    criterion: str
    value: float
    round: int = 1
    position: int | None = None
    seconds: float | None = None
    texts: Mapping[str, str] = field(default_factory=dict)


def read_ratings(
    content: bytes,
    file_name: str,
    *,
    scale: tuple[float, float],
    mapping: Mapping[str, str] | None = None,
    heard: Heard | None = None,
) -> tuple[list[RatingRow], list[Problem]]:
    """The rows of a CSV or JSONL file, and what is wrong with the others.

    `mapping`: our column name → the file's; common names are found without it. `heard` learns how many rows
    are read. Raises Unreadable.
    """
    records = _records(content, file_name)
    columns = _columns(records, mapping or {})
    rows: list[RatingRow] = []
    problems: list[Problem] = []
    seen: dict[tuple[str, str, str, str, int], int] = {}
    for line, record in told(records, len(records), heard, every=1000):
        row, found = _row(line, {ours: record.get(theirs) or "" for ours, theirs in columns.items()}, scale)
        if row is not None:
            cell = (row.item, row.arm, row.rater, row.criterion, row.round)
            if cell in seen:
                found = [Problem(line, "value", f"the same rater, item, arm and criterion as line {seen[cell]}")]
            seen.setdefault(cell, line)
        problems += found
        rows += [row] if row is not None and not found else []
    return rows, problems


def _records(content: bytes, file_name: str) -> list[tuple[int, Mapping[str, Any]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(
            f"{file_name} is not UTF-8 text (byte {error.start}); save it as UTF-8 and import it again."
        ) from error
    if not text.strip():
        raise Unreadable(f"{file_name} is empty.")
    is_jsonl = file_name.lower().endswith((".jsonl", ".ndjson")) or text.lstrip().startswith("{")
    records = list(_json_lines(text, file_name) if is_jsonl else _csv_lines(text, file_name))
    if not records:
        raise Unreadable(f"{file_name} has a header and no rows.")
    return records


def _json_lines(text: str, file_name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise Unreadable(f"{file_name}, line {number}, is not a JSON object.")
            yield number, {name: _text(value) for name, value in record.items()}
        except ValueError as error:
            raise Unreadable(f"{file_name}, line {number}, is not JSON: {error}.") from error
        except RecursionError as error:
            raise Unreadable(f"{file_name}, line {number}, is nested too deeply to be read.") from error


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _csv_lines(text: str, file_name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    csv.field_size_limit(2**24)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    before = reader.line_num
    try:
        for record in reader:
            yield max(before + 1, 2), {k: _plain(v) for k, v in record.items() if k is not None}
            before = reader.line_num
    except csv.Error as error:
        raise Unreadable(f"{file_name}, line {reader.line_num}, is not readable as CSV: {error}.") from error


def _plain(cell: object) -> object:
    """A cell as it was before an export protected it from being taken for a formula."""
    if isinstance(cell, str) and len(cell) > 1 and cell[0] == "'" and cell[1] in FORMULA_STARTS:
        return cell[1:]
    return cell


def _columns(records: Sequence[tuple[int, Mapping[str, Any]]], mapping: Mapping[str, str]) -> dict[str, str]:
    """Our column → theirs. Raises Unreadable when one that is needed is missing."""
    present = {name: None for _, record in records for name in record}
    by_lower = {name.strip().lower(): name for name in reversed(present)}
    columns = {ours: theirs for ours, theirs in mapping.items() if theirs in present}
    for ours, names in NAMES.items():
        found = next((by_lower[n] for n in names if n in by_lower and by_lower[n] not in columns.values()), None)
        if ours not in columns and found is not None:
            columns[ours] = found
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise Unreadable(
            f"The column{'s' if len(missing) > 1 else ''} {', '.join(missing)} "
            f"{'are' if len(missing) > 1 else 'is'} missing; the file has {', '.join(present)}."
        )
    return columns


def _row(line: int, cells: Mapping[str, str], scale: tuple[float, float]) -> tuple[RatingRow | None, list[Problem]]:
    empty = [name for name in NEEDED if not cells[name].strip()]
    problems = [Problem(line, name, f"{name} is empty") for name in empty]
    reasons = {name: unfit(text.strip(), name, most=LONGEST.get(name)) for name, text in cells.items()}
    problems += [Problem(line, name, reason) for name, reason in reasons.items() if reason]
    value = _number(cells["value"])
    if "value" not in empty and value is None:
        problems.append(Problem(line, "value", f"“{cells['value'][:40]}” is not a number"))
    if value is not None and not scale[0] <= value <= scale[1]:
        problems.append(Problem(line, "value", f"{value:g} is off the scale of {scale[0]:g} to {scale[1]:g}"))
    for name in ("position", "round", "seconds"):
        least, most = (0.0, float("inf")) if name == "seconds" else (1.0, float(LARGEST_NUMBER))
        if cells.get(name, "").strip() and not least <= (_number(cells[name]) or 0) <= most:
            wanted = "0 up" if name == "seconds" else f"1 to {LARGEST_NUMBER:,}"
            problems.append(Problem(line, name, f"{name} “{cells[name][:40]}” is not a number from {wanted}"))
    if problems or value is None:
        return None, problems
    return _good_row(line, cells, value), []


def _good_row(line: int, cells: Mapping[str, str], value: float) -> RatingRow:
    position, seconds = _number(cells.get("position", "")), _number(cells.get("seconds", ""))
    other = (
        "answer",
        "instruction",
        "input",
        "category",
        "time",
        "guidelines_version",
        "preference",
        "comment",
        "marks",
    )
    return RatingRow(
        line, cells["item"].strip(), cells["arm"].strip(), cells["rater"].strip(), cells["criterion"].strip(), value,
        round=int(_number(cells.get("round", "")) or 1),
        position=None if position is None else int(position),
        seconds=seconds,
        texts={name: cells[name] for name in other if cells.get(name, "").strip()},
    )  # fmt: skip


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number - number == 0 else None  # neither infinite nor not-a-number
