"""How long freezing 50,000 real-shaped examples takes, and how long others wait meanwhile; near duplicates alone."""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.ours import manage
from benchmarks.results import Measure, Outcome
from benchmarks.rows import written
from evalhub.datasets.checks.neighbours import WORDS, near_duplicates, words

ROOT = Path(__file__).resolve().parent.parent
ROWS, TEXTS, PLANTED, REPEATS = 50_000, 52_000, 2_000, 3
METHOD = (
    "{rows:,} examples of 20, 60 and 80 words (instruction, input, output) out of real sentences, in documents of 20, "
    "on {database}, in a process of its own on one core: read, compared, split, checked against a frozen test set of "
    "2,000 and a benchmark of 500, a tenth of train replayed from another dataset, hashed and stored: CPU seconds. "
    "Meanwhile another process writes a row every 20 ms; the longest wait is told. Then near duplicates alone among "
    "{texts:,} texts of 160 words, of which {planted:,} repeat another one but for 1 to 6 words. Median of {repeats}."
)

FILL = """
from benchmarks.rows import texts
from evalhub.accounts.actions import create_project, create_user
from evalhub.datasets.actions import create_dataset, describe_dataset, freeze_version
from evalhub.datasets.models import Example
admin = create_user(username="admin", email="admin@example.org", password="correct-horse-battery")
project = create_project(name="Bench", by=admin, slug="bench")
def filled(name, count, seed, **more):
    dataset = create_dataset(project, name=name, by=admin)
    Example.objects.bulk_create((
        Example(dataset=dataset, fingerprint=f"{{text.id}}", key=f"m{{text.id}}", instruction=text.instruction,
                input=text.input, output=text.output, category=text.category, source=text.source, **more)
        for text in texts(count, seed=seed)), batch_size=1000)
    return dataset
filled("Memos", {rows}, 1)
tested = filled("Tested", 2000, 2, wanted_split="test")
freeze_version(tested, by=admin)
general = filled("General", 20000, 3)
freeze_version(general, by=admin)
describe_dataset(filled("Exam", 500, 4), by=admin, description="", credit="", is_benchmark=True)
"""

FREEZE = """
import json, resource, time
from django.db import connection
from evalhub.accounts.models import User
from evalhub.datasets.actions import freeze_version
from evalhub.datasets.models import Dataset
from evalhub.datasets.replaying import Replay
dataset, admin = Dataset.objects.get(slug="memos"), User.objects.get(username="admin")
seconds = []
for seed in range({repeats}):
    began = time.process_time()
    version = freeze_version(dataset, by=admin, seed=seed, keep_test=False, min_test=500, replay=Replay("general", 0.1),
                             leak_reason="Measured")
    seconds.append(time.process_time() - began)
print(json.dumps({{"seconds": seconds, "database": connection.vendor, "counts": version.counts,
    "leaks": version.settings.get("leaks", {{}}).get("count", 0), "replay": version.settings["replay"]["count"],
    "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}}))
"""

WRITE = """
import json, time
from pathlib import Path
from evalhub.datasets.models import Dataset
waits = []
while not Path({stop!r}).exists():
    began = time.monotonic()
    Dataset.objects.filter(slug="exam").update(description=str(began))
    waits.append(time.monotonic() - began)
    time.sleep(0.02)  # a writer among others, not one that keeps the database busy by itself
print(json.dumps({{"longest": max(waits), "writes": len(waits)}}))
"""


def run() -> Outcome:
    """In a database of its own: SQLite, or what EVALHUB_DATABASE_URL names (an empty one)."""
    with tempfile.TemporaryDirectory(prefix="evalhub-bench-") as folder:
        environment = {**os.environ, "EVALHUB_VAR": folder, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        manage(environment, "migrate", "--verbosity", "0")
        manage(environment, "shell", "--no-imports", "-c", FILL.format(rows=ROWS))
        found, waited = measured(environment, Path(folder) / "stop")
    near = [alone(seed) for seed in range(REPEATS)]
    method = METHOD.format(
        rows=ROWS, texts=TEXTS, planted=PLANTED, repeats=REPEATS, database=found["database"]
    )  # fmt: skip
    return Outcome(
        name="freezing",
        title="Freezing 50,000 examples",
        method=method,
        measures=[
            Measure("Freeze, one core", "s", [round(one, 1) for one in found["seconds"]], limit=20),
            Measure("Longest wait of another writer", "s", [round(waited["longest"], 2)], limit=5),
            Measure("Largest memory", "MB", [round(found["megabytes"])]),
            Measure("Near duplicates among 52,000", "s", [one["seconds"] for one in near], limit=10),
            Measure("Planted pairs missed", "%", [one["missed"] for one in near], limit=1),
        ],
        facts={"counts": found["counts"], "leaks": found["leaks"], "replayed": found["replay"], "writes": waited},
    )


def measured(environment: dict[str, str], stop: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the freezing process tells, and what the writing one beside it does."""
    writer = script(environment, WRITE.format(stop=str(stop)))
    try:
        found = told(script(environment, FREEZE.format(repeats=REPEATS)))
    finally:
        stop.touch()
        waited = told(writer)
    return found, waited


def script(environment: dict[str, str], text: str) -> subprocess.Popen[str]:
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", text]
    return subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate()
    if process.returncode:
        raise RuntimeError(err[-1500:])
    found: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return found


def alone(seed: int) -> dict[str, float]:
    """CPU seconds of near_duplicates, and which per cent of the planted pairs of an index of .8 or more it misses."""
    given, planted = crowd(seed)
    begun = time.process_time()
    found = {(pair.first, pair.second) for pair in near_duplicates(given)}
    seconds = time.process_time() - begun
    missed = len(planted - found)
    return {"seconds": round(seconds, 1), "missed": round(100 * missed / len(planted), 3)}


def crowd(seed: int) -> tuple[list[str], set[tuple[int, int]]]:
    """The texts, and the positions of the planted pairs that are near duplicates indeed."""
    chance = random.Random(seed)
    given = [written(chance, 160) for _ in range(TEXTS - PLANTED)]
    pairs = set()
    for number, at in enumerate(chance.sample(range(len(given)), PLANTED)):
        changed = given[at].split(" ")
        for place in chance.sample(range(160), chance.randint(1, 6)):
            changed[place] = f"other{chance.randrange(10**6)}"
        given.append(" ".join(changed))
        if index(given[at], given[-1]) >= 0.8:
            pairs.add((at, TEXTS - PLANTED + number))
    return given, pairs


def index(one: str, other: str) -> float:
    """The Jaccard index of two texts' runs of words."""
    first, second = (
        set(zip(*(found[at:] for at in range(WORDS)), strict=False)) for found in (words(one), words(other))
    )
    return len(first & second) / len(first | second)
