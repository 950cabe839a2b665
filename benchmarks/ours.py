"""evalhub as `make run` starts it: an open study of the benchmark's texts with one expert, and a closed real one."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.tasks import tasks
from tests.browser.processes import free_port, running, wait_for

ROOT = Path(__file__).resolve().parent.parent
USER, PASSWORD = "rater@example.org", "correct-horse-battery"
ADMIN = "admin@example.org"
DESK, RATE, REPORT = "/p/bench/rate/", "/p/bench/rate/side-by-side/", "/p/bench/reports/real-ratings/"
RATINGS = ROOT / "demo" / "squality_ratings.csv"

MAKE_STUDY = """
import json
from pathlib import Path
from evalhub.accounts.actions import add_member, create_project, create_user
from evalhub.accounts.models import Role
from evalhub.datasets.actions import create_dataset, freeze_version, import_file
from evalhub.runs.actions import store_answers
from evalhub.studies.actions import create_study, import_ratings, open_study
from evalhub.studies.design import ArmDesign
path, password = Path({path!r}), {password!r}
admin = create_user(username="admin", email="admin@example.org", password=password)
rater = create_user(username="rater", email="rater@example.org", password=password)
project = create_project(name="Bench", by=admin, slug="bench")
add_member(project, user=rater, role=Role.EXPERT, by=admin)
dataset = create_dataset(project, name="Memos", by=admin)
import_file(dataset, path=path, file_name=path.name, by=admin)
version = freeze_version(dataset, by=admin)
rows = [json.loads(line) for line in path.read_text().splitlines()]
arms = [ArmDesign(side, store_answers(version, name=side, by=admin, answers={{row["key"]: row[side] for row in rows}}),
                  baseline=side == "a") for side in "ab"]
study = create_study(project, name="Side by side", by=admin, arms=arms, raters=[rater], overlap=1)
open_study(study, by=admin)
import_ratings(project, name="Real ratings", path=Path({ratings!r}), file_name="ratings.csv", by=admin, scale=(0, 100))
"""


@contextmanager
def started() -> Iterator[str]:
    """The address of evalhub with its study, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="evalhub-bench-") as folder:
        var, log = Path(folder) / "var", Path(folder) / "log"
        var.mkdir()
        environment = {**os.environ, "EVALHUB_VAR": str(var)}
        manage(environment, "migrate", "--verbosity", "0")
        make_study(environment, Path(folder) / "memos.jsonl")
        port = free_port()
        command = [sys.executable, "manage.py", "up", "--no-demo", "--port", str(port)]
        with running(command, log=log, environment=environment, folder=ROOT) as process:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/login/", process, log=log)
            yield url


def make_study(environment: Mapping[str, str], path: Path) -> None:
    rows = [{**row, "output": row["a"], "split": "test"} for row in tasks()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    script = MAKE_STUDY.format(path=str(path), password=PASSWORD, ratings=str(RATINGS))
    manage(environment, "shell", "--no-imports", "-c", script)


def manage(environment: Mapping[str, str], *arguments: str) -> None:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"manage.py {arguments[0]}: {done.stderr[-1500:]}")
