"""The rows of a chunk into the database at once, each with its first revision: by COPY on PostgreSQL.

What the models say stays in one place: columns that a row does not give get the value that a new Example has. The
texts are written once: a first revision has none of its own until its example changes (models.Revision).
"""

# ruff: noqa: S608  (names are the models' own; every value is a parameter)

import json
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import JSONField
from django.utils import timezone

from evalhub.datasets.importing import Row
from evalhub.datasets.models import Example, ImportBatch, Revision

TEXTS = ("key", "instruction", "input", "output", "system", "category", "source", "language", "wanted_split")
LISTS = ("history", "tags", "metadata")  # kept as JSON
BY_INDEX = {"enable_seqscan": "OFF", "enable_hashjoin": "OFF", "enable_mergejoin": "OFF", "jit": "OFF",
            "max_parallel_workers_per_gather": "0"}  # fmt: skip
"""Settings under which a planner without statistics looks rows up, instead of reading all of them."""
GIVEN = (*TEXTS, *LISTS, "fingerprint")
REVISED = (*TEXTS, "history", "tags")
EXAMPLES, REVISIONS = Example._meta.db_table, Revision._meta.db_table
FIRST_REASON = "imported"
FIRST = ("example_id", "fingerprint", "number", "reason", "author_id", "created_at")  # of a revision without texts


@dataclass(frozen=True, slots=True)
class Ready:
    """A row as the database takes it: its fingerprint, a cell for each of GIVEN, and these as a line of COPY."""

    fingerprint: str
    cells: tuple[str, ...]
    line: str = ""

    @property
    def weight(self) -> int:
        """Characters, roughly."""
        return sum(map(len, self.cells))


def ready(row: Row) -> Ready:
    mark = row.fingerprint
    values = vars(row)
    texts = tuple(values[name] for name in TEXTS)
    cells = (*texts, *(_json(values[name]) for name in LISTS), mark)
    return Ready(mark, cells, "\t".join(map(_escaped, cells)) if connection.vendor == "postgresql" else "")


def _escaped(text: str) -> str:
    """https://www.postgresql.org/docs/current/sql-copy.html, text format."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


def _json(value: Any) -> str:
    if not value:
        return "[]" if isinstance(value, list) else "{}"
    return json.dumps(value)


def prepare(batch: ImportBatch) -> None:
    """For this transaction: fingerprints are looked up by their index, and its end does not wait for the disk.

    Of tables that grow this fast PostgreSQL knows no statistics, and would read all of them for every chunk. What a
    crash of the server takes with it is the end of the import, rows and counts together, and it goes on from there; the
    commit that says how it ended does wait, and brings all before it to the disk as well.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        wanted = BY_INDEX if batch.in_one_step else {**BY_INDEX, "synchronous_commit": "OFF"}
        cursor.execute("; ".join(f"SET LOCAL {name} TO {value}" for name, value in wanted.items()))


def insert(batch: ImportBatch, rows: Sequence[Ready]) -> None:
    """Store rows that the dataset does not have. Raises IntegrityError where somebody else has just stored one."""
    store = _postgresql if connection.vendor == "postgresql" else _sqlite
    store(rows, _constants(batch), _first_revision(batch))


def _constants(batch: ImportBatch) -> dict[str, Any]:
    """Column → value of all that the rows do not give, as a new Example of this import has it."""
    example = Example(dataset=batch.dataset, batch=batch)
    values = {field: field.pre_save(example, True) for field in _other_fields()}
    known = {field: value for field, value in values.items() if not hasattr(value, "resolve_expression")}
    return {str(field.column): _cell(field, value) for field, value in known.items()}  # the rest has a database default


@cache
def _other_fields() -> tuple[Any, ...]:
    fields = Example._meta.concrete_fields
    return tuple(field for field in fields if not (field.primary_key or field.generated or field.name in GIVEN))


def _first_revision(batch: ImportBatch) -> list[Any]:
    """Of FIRST the values that are the same for every row."""
    now = _cell(Revision._meta.get_field("created_at"), timezone.now())
    return ["", 1, FIRST_REASON, batch.created_by_id, now]


def _cell(field: Any, value: Any) -> Any:
    """`value` as SQL takes it as a parameter."""
    return json.dumps(value) if isinstance(field, JSONField) else field.get_db_prep_save(value, connection)


# --- PostgreSQL ---------------------------------------------------------------------------------
def _postgresql(rows: Sequence[Ready], constants: Mapping[str, Any], first: Sequence[Any]) -> None:
    """COPY into both tables, under ids taken from the sequence before."""
    same, revision = _line(constants.values()), _line(first)
    with connection.wrap_database_errors, connection.cursor() as cursor:
        ids = _taken_ids(cursor, len(rows))
        examples = (f"{pk}\t{row.line}\t{same}\n" for pk, row in zip(ids, rows, strict=True))
        _copy(cursor, EXAMPLES, ("id", *GIVEN, *constants), examples)
        _copy(cursor, REVISIONS, FIRST, (f"{pk}\t{revision}\n" for pk in ids))


def _taken_ids(cursor: Any, count: int) -> list[int]:
    sequence = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"
    cursor.execute(sequence, [EXAMPLES, count])
    return [pk for (pk,) in cursor.fetchall()]


def _copy(cursor: Any, table: str, columns: Iterable[str], lines: Iterable[str]) -> None:
    with cursor.copy(f"COPY {table} ({_names(columns)}) FROM STDIN") as copy:
        copy.write("".join(lines))


def _line(values: Iterable[Any]) -> str:
    """Values as a part of a line of COPY."""
    return "\t".join("\\N" if value is None else _escaped(str(value)) for value in values)


# --- SQLite -------------------------------------------------------------------------------------
def _sqlite(rows: Sequence[Ready], constants: Mapping[str, Any], first: Sequence[Any]) -> None:
    """Nobody else writes meanwhile, so that what has a higher id than before is ours."""
    values = tuple(constants.values())
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(max(id), 0) FROM {EXAMPLES}")
        (before,) = cursor.fetchone()
        cursor.executemany(
            f"INSERT INTO {EXAMPLES} ({_names(GIVEN)}, {_names(constants)}) VALUES ({_marks(GIVEN)}, {_marks(values)})",
            [(*row.cells, *values) for row in rows],
        )
        cursor.execute(
            f"INSERT INTO {REVISIONS} ({_names(FIRST)}) "
            f"SELECT id, {_marks(first)} FROM {EXAMPLES} WHERE id > %s ORDER BY id",
            [*first, before],
        )


def _names(columns: Iterable[str]) -> str:
    return ", ".join(map(connection.ops.quote_name, columns))


def _marks(values: Sized) -> str:
    return ", ".join(["%s"] * len(values))
