"""An append-only JSONL file that survives a kill at any moment: a row is one write, and a half-written one is cut."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from runkit.folder import RunRefused, read_jsonl


class Ledger:
    """Rows already in `path` can be read back; new ones are appended and flushed one by one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mend()
        self._file: IO[str] = path.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def rows(self) -> Iterator[dict[str, Any]]:
        return read_jsonl(self.path)

    def append(self, *rows: dict[str, Any]) -> None:
        self._file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        self._file.flush()

    def _mend(self) -> None:
        if not self.path.exists():
            return
        block = self.path.read_bytes()
        if block and not block.endswith(b"\n"):
            os.truncate(self.path, block.rfind(b"\n") + 1)


def read_rows(path: Path, *needed: str) -> list[dict[str, Any]]:
    """The rows of an input file, each with the fields `needed` and an id of its own.

    Raises RunRefused naming the file and the line that cannot be used.
    """
    if not path.exists():
        raise RunRefused(f"{path.name} is missing in {path.parent}.")
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if line.strip():
            rows.append(_row(line, f"Line {number} of {path.name}", needed, seen))
    if not rows:
        raise RunRefused(f"{path.name} holds no rows.")
    return rows


def _row(line: str, where: str, needed: tuple[str, ...], seen: set[str]) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise RunRefused(f"{where} is not JSON.") from error
    missing = [name for name in ("id", *needed) if not isinstance(row, dict) or name not in row]
    if missing:
        raise RunRefused(f"{where} lacks {', '.join(missing)}.")
    row["id"] = str(row["id"])
    if row["id"] in seen:
        raise RunRefused(f"{where} repeats the id “{row['id']}”.")
    seen.add(row["id"])
    return dict(row)
