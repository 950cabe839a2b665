"""The texts of a version: their hash, and how the database copies them from the examples, without a way through Python.

The copy is one statement per chunk. It takes a row only while it is still approved and as it was when it was looked at,
so that counting the rows copied tells whether anything has changed since; nobody's row is locked for it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from evalhub.datasets.models import Example, Split, Version, VersionExample
from evalhub.progress import Heard, chunks

CHUNK = 5000
FROZEN = ("instruction", "input", "output", "system", "history", "category", "source", "key")
DETAILS: dict[str, Any] = {
    "language": "",
    "tags": [],
    "metadata": {},
}  # frozen as well, but no part of the hash of the texts
BEFORE_SPLIT = tuple(name for name in FROZEN if name < "split")
AFTER_SPLIT = tuple(name for name in FROZEN if name > "split")
TARGET, SOURCE = VersionExample._meta.db_table, Example._meta.db_table
COLUMNS = '(version_id, example_id, split, position, revision_number, "values")'
GIVEN = {  # rows of the JSON array [[id, revision, split, position, changed], …]
    "sqlite": "SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS revision, "
    "json_extract(value, '$[2]') AS split, json_extract(value, '$[3]') AS position, "
    "json_extract(value, '$[4]') AS changed FROM json_each(%s)",
    "postgresql": "SELECT (value->>0)::bigint AS id, (value->>1)::integer AS revision, value->>2 AS split, "
    "(value->>3)::integer AS position, (value->>4)::timestamptz AS changed FROM jsonb_array_elements(%s::jsonb)",
}
OBJECT = {"sqlite": "json_object", "postgresql": "jsonb_build_object"}
AS_JSON = {"sqlite": "json(e.{})", "postgresql": "e.{}"}
LISTS = ("history", "tags", "metadata")
Given = list[Any]  # [example, revision, split, position, last change as the database writes it]


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a version to be: which example at which revision on which side, its digest there, its last change."""

    example: int
    revision: int
    split: str
    digest: bytes
    changed: datetime | None = None
    details: bytes = b""  # digest of language, tags and metadata


def data_hash(digests: Iterable[bytes]) -> str:
    """sha256 (hex) over the sorted row digests (hex), one per line."""
    total = hashlib.sha256()
    for number, digest in enumerate(sorted(digests)):
        total.update((b"\n" if number else b"") + digest.hex().encode())
    return total.hexdigest()


def row_digest(values: Mapping[str, Any], split: str) -> bytes:
    """sha256 of canonical JSON: {**values, "split": split}, keys sorted, no spaces, UTF-8."""
    return digests(values)[split]


def digests(values: Mapping[str, Any]) -> dict[str, bytes]:
    """{side: row_digest there}, for all sides at the price of little more than one."""
    head = hashlib.sha256(_canonical({name: values[name] for name in BEFORE_SPLIT})[:-1].encode())
    tail = _canonical({name: values[name] for name in AFTER_SPLIT})[1:]
    found = {}
    for side in Split.values:
        whole = head.copy()
        whole.update(f',"split":"{side}",{tail}'.encode())
        found[side] = whole.digest()
    return found


def details_digest(values: Mapping[str, Any]) -> bytes:
    """sha256 of canonical JSON of language, tags and metadata; of a version of before these were frozen, of none."""
    details = {name: values.get(name, nothing) for name, nothing in DETAILS.items()}
    return hashlib.sha256(_canonical(details).encode()).digest()


def details_hash(entries: Iterable[Entry]) -> str:
    """sha256 (hex) over which row has which details: it tells a version of the same texts and other details apart."""
    return data_hash(hashlib.sha256(entry.digest + entry.details).digest() for entry in entries)


def has_details(version: Version) -> bool:
    """Whether language, tags and metadata were frozen with it."""
    return "details_hash" in version.settings


def _canonical(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def given(entries: Sequence[Entry], *, after: int = 0) -> list[Given]:
    """The entries as the copy wants them, in this order behind position `after`."""
    return [_given(entry, position) for position, entry in enumerate(entries, after + 1)]


def _given(entry: Entry, position: int) -> Given:
    changed = entry.changed and str(connection.ops.adapt_datetimefield_value(entry.changed))
    return [entry.example, entry.revision, entry.split, position, changed]


def copy_examples(version: Version, entries: Sequence[Given], heard: Heard | None = None) -> bool:
    """Copy examples into the version, in this order. False if one of them is not as it was looked at."""
    origin = _Origin(SOURCE, "e.id", "e.updated_at = given.changed AND e.state = %s", Example.State.APPROVED, _texts())
    return _copy(version, entries, origin, heard)


def copy_entries(version: Version, entries: Sequence[Given], source: Version) -> bool:
    """Copy entries of another version into this one. False if they are not there."""
    origin = _Origin(TARGET, "e.example_id", "e.version_id = %s", source.pk, 'e."values"')
    return _copy(version, entries, origin)


@dataclass(frozen=True)
class _Origin:
    """Where texts come from, in SQL: a table as `e`, the example's id in it, what must hold, and the texts."""

    table: str
    example: str
    condition: str
    parameter: Any
    texts: str


def _copy(version: Version, entries: Sequence[Given], origin: _Origin, heard: Heard | None = None) -> bool:
    sql = (  # made of names of tables and columns; all values are parameters
        f"INSERT INTO {TARGET} {COLUMNS} "  # noqa: S608  (said above)
        f"SELECT %s, {origin.example}, given.split, given.position, given.revision, {origin.texts} "
        f"FROM ({GIVEN[connection.vendor]}) given JOIN {origin.table} e ON {origin.example} = given.id "
        f"AND e.revision_number = given.revision AND {origin.condition} ORDER BY given.position"
    )
    with connection.cursor() as cursor:
        for chunk in chunks(entries, CHUNK, heard):
            cursor.execute(sql, [version.pk, json.dumps(chunk), origin.parameter])
            if cursor.rowcount != len(chunk):
                return False
    return True


def _texts() -> str:
    """The frozen texts and details of an example `e` as one JSON object."""
    as_json, names = AS_JSON[connection.vendor], (*FROZEN, *DETAILS)
    columns = {name: as_json.format(name) if name in LISTS else f"e.{name}" for name in names}
    named = ", ".join(f"'{name}', {column}" for name, column in columns.items())
    return f"{OBJECT[connection.vendor]}({named})"
