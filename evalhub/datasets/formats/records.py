"""What every format gives: records, problems with their line, and one sentence for a file that cannot be read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

MAX_RAW = 500  # characters of a refused row that are kept with its import
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
WORDS = {"json": "JSON", "jsonl": "JSONL", "csv": "CSV", "xlsx": "XLSX", "parquet": "Parquet", "arrow": "Arrow"}
SPLITS = {"train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
          "dev": "validation", "eval": "validation", "test": "test", "testing": "test"}  # fmt: skip
"""What people call the sides of a split, in columns, keys, folders and file names."""


class Unreadable(Exception):
    """The file as a whole cannot be read; the message is one sentence for a person."""

    def __init__(self, message: str) -> None:
        super().__init__(storable(message))


def storable(text: str) -> str:
    """`text` without what no database and no page can hold: lone surrogates become ?, NULs a picture of one."""
    return text.encode("utf-8", "replace").decode().replace("\0", "␀")


@dataclass(frozen=True, slots=True)
class Record:
    """One row as it stands in the file. `line` counts from 1 (in XLSX, Parquet, Arrow and one-line JSON: the row).

    `split`: the side that the row's place in the file names ({"train": […]}), in the file's own word. `raw`: its text
    as it stands in the file, broken bytes as lone surrogates; empty in XLSX, Parquet and Arrow, which have cells.
    """

    line: int
    values: dict[str, Any]
    split: str = ""
    raw: str = ""


@dataclass(frozen=True)
class Problem:
    """Why one row cannot be taken: line from 1, the field if one is to blame, one sentence, and the row.

    `raw`: its text as it stands in the file, or its cells as JSON. `file`: which file of a folder it stands in; empty
    where there is one only.
    """

    line: int
    field: str
    reason: str
    raw: str = ""
    file: str = ""

    def __post_init__(self) -> None:
        for name in ("field", "reason", "file"):
            object.__setattr__(self, name, storable(getattr(self, name)))

    @property
    def shortened(self) -> "Problem":
        """As it is kept with an import and shown on a page: the row's beginning, without what no database holds."""
        return replace(self, raw=storable(self.raw[:MAX_RAW]))


@dataclass(frozen=True)
class Source:
    """A file whose format and encoding are known. `columns` is empty where each row names its own.

    `part` and `split`: the file's place in a dataset folder, and the side of the split that this place names.
    `member`: the path is a ZIP, and this file in it is the text. `assumed`: a beginning alone told the encoding.
    """

    path: Path
    name: str
    format: str  # one of WORDS
    packed: bool = False
    encoding: str = "utf-8"
    delimiter: str = ","
    columns: tuple[str, ...] = ()
    part: str = ""
    split: str = ""
    member: str = ""
    assumed: bool = False

    @property
    def described(self) -> str:
        """For people: "CSV with semicolons, cp1252"."""
        words = WORDS[self.format]
        if self.format == "csv":
            words += f" with {DELIMITERS[self.delimiter]}"
        if self.format in ("csv", "json", "jsonl"):
            words += f", {self.encoding.replace('_', '-').upper().replace('UTF-8-SIG', 'UTF-8')}"
        words = f"{words}, gzipped" if self.packed else words
        return f"{words} (as it begins; the import looks at all of it)" if self.assumed else words


def kind_of(value: Any) -> str:
    """For people: "a list", "an object", "a number", …"""
    kinds = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        bytes: "bytes",
    }
    return kinds.get(type(value), "null" if value is None else f"a {type(value).__name__}")


def as_record(line: int, value: Any, raw: str, split: str = "") -> Record | Problem:
    """A decoded value as a row; a Problem for what has no named fields."""
    if isinstance(value, dict):
        return Record(line, value, split, raw)
    return Problem(line, "", f"The row is {kind_of(value)}; an object with named fields is needed.", raw)


def cells_as_json(cells: Mapping[str, Any] | Sequence[Any]) -> str:
    """A row of cells that has no text of its own, whole."""
    return json.dumps(cells, ensure_ascii=False, default=str)
