"""What all tables share: a header whose names stand once, and rows as wide as it."""

from typing import Any

from evalhub.datasets.formats.records import Problem, Record, Unreadable, cells_as_json, storable


def header(name: str, cells: list[str]) -> tuple[str, ...]:
    """The columns' names. Raises Unreadable for a header that names a column twice, or not in text."""
    columns = tuple(cell.strip().strip("\ufeff") for cell in cells)
    if any(column != storable(column) for column in columns):
        raise Unreadable(f"The header of {name} is not valid UTF-8: {', '.join(columns)[:200]}.")
    lowered = [column.casefold() for column in columns if column]
    twice = [column for column in columns if lowered.count(column.casefold()) > 1]
    if twice:
        raise Unreadable(f"The header of {name} names the column “{twice[0]}” twice; rename one of them.")
    return columns


def table_row(line: int, columns: tuple[str, ...], cells: list[Any], raw: str = "") -> Record | Problem | None:
    """A table's row as a record; None where every cell is empty. `raw`: its text, where it has one."""
    if all(cell is None or cell == "" for cell in cells):
        return None
    extra = [cell for cell in cells[len(columns) :] if cell not in (None, "")]
    if extra or (len(cells) < len(columns) and len(cells) == 1):
        fields = "1 field" if len(cells) == 1 else f"{len(cells)} fields"
        reason = f"The row has {fields}; the header has {len(columns)}."
        return Problem(line, "", reason, raw or cells_as_json(cells))
    padded = cells[: len(columns)] + [None] * (len(columns) - len(cells))
    return Record(line, {name: cell for name, cell in zip(columns, padded, strict=True) if name}, raw=raw)
