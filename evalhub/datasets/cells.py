"""Values in the cells of a table, and back: lists as JSON, and no cell that a spreadsheet would run. Pure Python.

A spreadsheet takes text that begins like a formula for one. Such a cell gets a quote before it, and the row's column
QUOTED names the columns concerned: an import takes exactly these quotes off again.
"""

import json
from collections.abc import Mapping
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
QUOTED = "quoted_cells"


def as_cell(value: Any) -> str:
    """Text as it is, a list or an object as JSON, nothing for what is empty."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if value not in (None, [], {}) else ""


def harmless_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets a quote before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def quoted(cells: Mapping[str, str]) -> dict[str, Any]:
    """The cells of a row, none of them a formula, and in QUOTED the columns that got a quote."""
    names = [name for name, cell in cells.items() if cell.startswith(FORMULA)]
    return {**{name: harmless_cell(cell) for name, cell in cells.items()}, QUOTED: " ".join(names)}


def unquoted(values: Mapping[str, Any]) -> dict[str, Any]:
    """A row as it was before `quoted`; rows without QUOTED are left as they are."""
    names = str(values.get(QUOTED) or "").split()
    if QUOTED not in values or not set(names) <= set(values):
        return dict(values)
    bare = {name: values[name].removeprefix("'") for name in names if isinstance(values[name], str)}
    return {name: bare.get(name, value) for name, value in values.items() if name != QUOTED}


def from_json(value: Any, kind: type) -> Any:
    """A list or object that stands in its cell as JSON; anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, kind) else value
