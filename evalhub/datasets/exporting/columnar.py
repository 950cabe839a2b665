"""Rows as Parquet: texts as strings, turns and messages as lists of {role, content}, tags as lists of strings."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from evalhub.datasets.cells import as_cell
from evalhub.datasets.exporting.extracts import Extract
from evalhub.datasets.shapes import ALPACA, INPUT_BEGINS, MESSAGES, TEXTS, shaped

GROUP = 2000  # rows of a row group, and so in memory
TURNS, TAGS = ("history", "messages"), ("tags",)


def write(extract: Extract, shape: str, path: Path) -> None:
    """One file with all rows."""
    with ParquetRows(path, columns_of(extract, shape)) as file:
        for group in groups(extract.rows()):
            file.add([shaped(values, shape) for values in group])


def groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while group := list(islice(rows, GROUP)):
        yield group


def columns_of(extract: Extract, shape: str) -> tuple[str, ...]:
    """The columns that rows of this shape may have."""
    if shape == ALPACA:
        return extract.columns
    rest = tuple(name for name in extract.columns if name not in TEXTS)
    texts = ("messages",) if shape == MESSAGES else ("prompt", "completion", "system", "history")
    return (*texts, INPUT_BEGINS, *rest)


class ParquetRows:
    """A Parquet file that takes rows a group at a time."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        import pyarrow  # noqa: PLC0415  (45 MB in every web process, for what only workers write)
        from pyarrow import parquet  # noqa: PLC0415  (with it)

        self.arrow = pyarrow
        self.schema = pyarrow.schema([(name, _kind(pyarrow, name)) for name in columns])
        self.file = parquet.ParquetWriter(path, self.schema, compression="zstd")
        self.count = 0

    def __enter__(self) -> "ParquetRows":
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        cells = [{name: _cell(name, row.get(name)) for name in self.schema.names} for row in rows]
        self.file.write_table(self.arrow.Table.from_pylist(cells, schema=self.schema))
        self.count += len(rows)


def _kind(arrow: Any, name: str) -> Any:
    if name in TURNS:
        return arrow.list_(arrow.struct([("role", arrow.string()), ("content", arrow.string())]))
    if name in TAGS:
        return arrow.list_(arrow.string())
    return arrow.int64() if name == INPUT_BEGINS else arrow.string()


def _cell(name: str, value: Any) -> Any:
    return value if name in (*TURNS, *TAGS, INPUT_BEGINS) else as_cell(value)
