"""How soon a version of 50,000 examples is exported: as a stream over HTTP, and as files by a worker's code.

Rows as real data has them: instruction 20 words, input 60, output 80.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.ours import manage
from benchmarks.results import Measure, Outcome

ROOT = Path(__file__).resolve().parent.parent
ROWS, REPEATS = 50_000, 3

FILL = """
import random
from django.db import connection
from evalhub.accounts.actions import create_project, create_user
from evalhub.datasets.actions import create_dataset
from evalhub.datasets.models import Example, Version, VersionExample
from evalhub.datasets.importing import fingerprint
admin = create_user(username="admin", email="admin@example.org", password="correct-horse-battery")
project = create_project(name="Bench", by=admin, slug="bench")
dataset = create_dataset(project, name="Memos", by=admin)
words = [f"word{{n}}" for n in range(5000)]
draw = random.Random(7)
def text(count):
    return " ".join(draw.choices(words, k=count))
def row(number):
    return {{"key": f"m{{number}}", "instruction": text(20), "input": text(60), "output": text(80), "system": "",
            "history": [], "category": f"c{{number % 8}}", "source": f"d{{number // 5}}"}}
def frozen(examples, number, changed):
    version = Version.objects.create(dataset=dataset, number=number, frozen_by=admin, data_hash="0" * 64,
        counts={{"train": {rows} * 8 // 10, "validation": {rows} // 10, "test": {rows} // 10, "total": {rows}}})
    names = ("instruction", "input", "output", "system", "history", "category", "source", "key")
    for start in range(0, {rows}, 1000):
        entries = []
        for at, example in enumerate(examples[start:start + 1000], start):
            values = {{name: getattr(example, name) for name in names}}
            other = changed and at % 10 == 0
            if other:
                values["output"] += " and more"
            side = "train" if at % 10 < 8 else "validation" if at % 10 == 8 else "test"
            entries.append(VersionExample(version=version, example=example, split=side, position=at + 1,
                                          revision_number=2 if other else 1, values=values))
        VersionExample.objects.bulk_create(entries)
examples = []
for start in range(0, {rows}, 1000):
    made = [Example(dataset=dataset, fingerprint=fingerprint(values), **values)
            for values in map(row, range(start, start + 1000))]
    examples += Example.objects.bulk_create(made)
frozen(examples, 1, False)
frozen(examples, 2, True)
connection.cursor().execute("ANALYZE")
"""

MEASURE = """
import json, resource, tempfile, time
from pathlib import Path
from django.core.cache import cache
from django.db import connection
from django.test import Client
from evalhub.accounts.models import User
from evalhub.datasets.card import data_card
from evalhub.datasets.comparing import compare, version_of
from evalhub.datasets.exporting.extracts import Wanted, extract
from evalhub.datasets.exporting.formats import FORMATS, write_export, writing
from evalhub.datasets.models import Dataset
dataset = Dataset.objects.get()
client = Client(SERVER_NAME="localhost")
client.force_login(User.objects.get())
def resident():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def streamed():
    began = time.monotonic()
    response = client.get("/p/bench/data/memos/versions/1/all.jsonl")
    parts = iter(response.streaming_content)
    size, first = len(next(parts)), time.monotonic() - began
    size += sum(map(len, parts))
    return first, time.monotonic() - began, size
client.get("/p/bench/data/memos/versions/1/train.jsonl").close()
idle = resident()
found = {{"first": [], "stream": [], "database": connection.vendor}}
for _ in range({repeats}):
    first, whole, size = streamed()
    found["first"].append(first)
    found["stream"].append(whole)
found["megabytes"] = size / 1e6
found["growth"] = resident() - idle
with tempfile.TemporaryDirectory() as folder:
    for name in FORMATS:
        chosen, one = writing(name), extract(dataset, Wanted(number=1))
        found[name] = []
        for at in range({repeats}):
            began = time.monotonic()
            write_export(one, chosen, Path(folder) / f"{{at}}{{chosen.file_name(one)}}")
            found[name].append(time.monotonic() - began)
one, two = version_of(dataset, 1), version_of(dataset, 2)
for name, act in {{"compare": lambda: compare(one, two), "card": lambda: data_card(two)}}.items():
    found[name] = []
    for _ in range({repeats}):
        cache.clear()  # both are kept, since versions never change
        began = time.monotonic()
        act()
        found[name].append(time.monotonic() - began)
print(json.dumps(found))
"""


def run() -> Outcome:
    """In a database of its own: SQLite, or what EVALHUB_DATABASE_URL names (an empty one)."""
    with tempfile.TemporaryDirectory(prefix="evalhub-bench-") as folder:
        environment = {**os.environ, "EVALHUB_VAR": folder}
        manage(environment, "migrate", "--verbosity", "0")
        manage(environment, "shell", "--no-imports", "-c", FILL.format(rows=ROWS))
        found = measured(environment)
    return Outcome(
        name="exports",
        title="Taking out, comparing and describing 50,000 examples",
        method=f"A version of {ROWS:,} examples ({found['megabytes']:.0f} MB as JSONL) on {found['database']}. The "
        "JSONL stream is read through the view, from the request to the last byte, without a network; the files are "
        "written as a worker writes them. Then two versions are compared, a tenth of whose texts differ, and the data "
        f"card is made. Median of {REPEATS}.",
        measures=[
            Measure("JSONL stream, first bytes", "s", rounded(found["first"]), limit=1),
            Measure("JSONL stream, all of it", "s", rounded(found["stream"]), limit=5),
            Measure("Memory that streaming adds", "MB", [round(found["growth"], 1)]),
            *(Measure(f"File: {name}", "s", rounded(found[name]))
              for name in ("jsonl", "csv", "spreadsheet", "parquet", "folder", "xlsx")),
            Measure("Two versions compared", "s", rounded(found["compare"])),
            Measure("Data card", "s", rounded(found["card"])),
        ],
    )  # fmt: skip


def rounded(seconds: list[float]) -> list[float]:
    return [round(one, 2) for one in seconds]


def measured(environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", MEASURE.format(repeats=REPEATS)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-1500:])
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
