"""How soon a file is imported, and how much memory that takes: on PostgreSQL and on SQLite.

A JSON list as people have it: instruction 20 words, input 60, output 80, some 1.7 kB a row; 52,000 rows are 87 MB.
`imports_million`, only when named since it takes minutes, brings 1,000,000 rows (1.7 GB) into PostgreSQL.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks.ours import ROOT, manage
from benchmarks.results import Measure, Outcome
from tests.parts import Missing, postgres

ROWS, MANY, REPEATS = 52_000, 1_000_000, 3
WORDS = {"instruction": 20, "input": 60, "output": 80}

IMPORT = """
import json, time
from pathlib import Path
from evalhub.accounts.actions import create_project, create_user
from evalhub.datasets.actions import create_dataset, import_file
path = Path({path!r})
def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1000
admin = create_user(username="admin", email="admin@example.org", password="correct-horse-battery")
dataset = create_dataset(create_project(name="Bench", by=admin, slug="bench"), name="Rows", by=admin)
idle, began = memory("VmRSS"), time.monotonic()
batch = import_file(dataset, path=path, file_name=path.name, by=admin)
seconds = time.monotonic() - began
again = time.monotonic()
twin = import_file(dataset, path=path, file_name=path.name, by=admin)
print(json.dumps({{"seconds": seconds, "again": time.monotonic() - again, "peak": memory("VmHWM") - idle,
                  "imported": batch.imported, "unchanged": twin.unchanged}}))
"""


@dataclass(frozen=True)
class Brought:
    """One import into an empty database, and the same file once more."""

    seconds: float
    again: float
    peak: float  # MB of the importing process above what it had before
    imported: int
    unchanged: int


def run() -> Outcome:
    return _outcome("imports", ROWS, ("PostgreSQL", "SQLite"), repeats=REPEATS, seconds=6)


def run_million() -> Outcome:
    return _outcome("imports_million", MANY, ("PostgreSQL",), repeats=1, seconds=180)


def _outcome(name: str, rows: int, databases: Sequence[str], *, repeats: int, seconds: float) -> Outcome:
    measures, failures = [], []
    with tempfile.TemporaryDirectory(prefix="evalhub-bench-") as folder:
        path = written(Path(folder) / "rows.json", rows)
        for database in databases:
            try:
                found = [_brought(database, path, rows, Path(folder)) for _ in range(repeats)]
            except Missing as reason:
                failures.append(f"{database}: {reason}")
                continue
            measures += _measures(database, found, seconds if database == "PostgreSQL" else None)
        size = path.stat().st_size
    return Outcome(
        name=name,
        title=f"Import of {rows:,} rows",
        method=f"`import_file` of a JSON list of {rows:,} different rows ({size / 1e6:,.0f} MB; instruction 20 words, "
        "input 60, output 80) into an empty database: every row checked, exact duplicates found, a first revision "
        "each. Then the same file again, of which every row is found unchanged. Memory is the peak of the importing "
        f"process above what it had before, over both. Median of {repeats}, each in a process of its own.",
        measures=measures,
        failures=failures,
    )


def _measures(database: str, found: list[Brought], limit: float | None) -> list[Measure]:
    return [
        Measure(f"Import, {database}", "s", [round(one.seconds, 1) for one in found], limit=limit),
        Measure(f"The same file again, {database}", "s", [round(one.again, 1) for one in found]),
        Measure(f"Memory, {database}", "MB", [round(one.peak) for one in found], limit=300),
    ]


def written(path: Path, rows: int) -> Path:
    """A JSON list of `rows` different rows, the same at each call."""
    draw = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(draw.choices(letters, k=draw.randint(4, 14))) for _ in range(20_000)]
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            texts = {name: " ".join(draw.choices(words, k=count)) for name, count in WORDS.items()}
            row = {"id": f"r{number}", **texts, "category": f"c{number % 7}"}
            file.write(("[\n" if number == 0 else ",\n") + json.dumps(row))
        file.write("\n]\n")
    return path


def _brought(database: str, path: Path, rows: int, folder: Path) -> Brought:
    with tempfile.TemporaryDirectory(dir=folder) as var, _empty(database, var) as environment:
        manage(environment, "migrate", "--verbosity", "0")
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", IMPORT.format(path=str(path))]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The import failed: {done.stderr[-1500:]}")
    found = Brought(**json.loads(done.stdout.splitlines()[-1]))
    if (found.imported, found.unchanged) != (rows, rows):
        raise RuntimeError(f"Of {rows} rows {found.imported} were stored, and then {found.unchanged} found unchanged.")
    return found


@contextmanager
def _empty(database: str, var: str) -> Iterator[dict[str, str]]:
    """The environment of an empty database, gone when the block ends. Raises Missing."""
    environment = {**os.environ, "EVALHUB_VAR": var}
    environment.pop("EVALHUB_DATABASE_URL", None)
    if database == "SQLite":
        yield environment
        return
    server, name = postgres().rpartition("/")[0], f"evalhub_bench_{os.getpid()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield {**environment, "EVALHUB_DATABASE_URL": f"{server}/{name}"}
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
