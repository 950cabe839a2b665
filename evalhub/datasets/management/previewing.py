"""What an import of a file would find, for commands: nothing is stored, and no copy of the file is kept."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evalhub.accounts.commands import Told
from evalhub.datasets.api.imports import PreviewSerializer
from evalhub.datasets.formats.packing import as_one_file
from evalhub.datasets.importing import Preview, Survey, preview, survey
from evalhub.datasets.reading import Unreadable, storable
from evalhub.datasets.selection import title_of
from evalhub.errors import Refused


def previewed(file: Path, mapping: Mapping[str, str]) -> Told:
    """The columns, the first rows, and all rows counted. Raises Refused for a file that cannot be read."""
    try:
        with as_one_file(file, storable(file.name)) as (path, name):
            found = preview(path, name=name, mapping=mapping)
            counted = None if found.lacking else survey(path, name=name, mapping=mapping)
    except Unreadable as error:
        raise Refused(str(error), field="file") from error
    return Told(as_json(file, found, counted), in_lines(found, counted))


def as_json(file: Path, found: Preview, counted: Survey | None) -> dict[str, Any]:
    """As the API answers; `counts` is null where columns are `lacking`: then no row could be stored."""
    problems = [vars(problem) for problem in found.problems]
    told = {**asdict(found), "problems": problems, "counts": counted and vars(counted)}
    return {"file": storable(file.name), **PreviewSerializer(told).data}


def in_lines(found: Preview, counted: Survey | None) -> list[str]:
    counts = f" {counted.total:,} rows, of which {counted.problems:,} would be set aside." if counted else ""
    meaning = {column: field for field, column in found.mapping.items()}
    columns = [f"{name} → {meaning[name]}" if name in meaning else name for name in found.columns]
    rows = [f"  {title_of(vars(row))}" for row in found.rows]
    problems = [f"  line {problem.line}: {problem.reason}" for problem in found.problems]
    said = [f"{found.described}.{counts}", f"Columns: {', '.join(columns)}.", *rows, *problems]
    return [*said, found.lacking] if found.lacking else said
