"""How soon evalhub answers, and what its web process weighs.

`start` measures later starts on this tree; `fresh_start`, only when named since it takes minutes, clones the
repository and times `make run` from nothing but a warm package cache.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

from benchmarks import ours
from benchmarks.results import Measure, Outcome
from tests.browser.processes import family_of, free_port, running, wait_for

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 3
GPU_LIBRARIES = ("torch", "transformers", "peft", "vllm", "nvidia", "libcuda")


def run() -> Outcome:
    """Later starts with a data folder that has been used before, and the web process before and after a report."""
    with tempfile.TemporaryDirectory(prefix="evalhub-bench-") as folder:
        var = Path(folder) / "var"
        start(ROOT, var)
        ours.make_study({**os.environ, "EVALHUB_VAR": str(var)}, Path(folder) / "memos.jsonl")
        found = [start(ROOT, var, visit=read_report) for _ in range(REPEATS)]
    return Outcome(
        name="start",
        title="A later start, and the web process",
        method="`manage.py up` (what `make run` hands over to) with a data folder used before, until the log-in page "
        "answers; then the resident memory of the largest web process, at once and after an admin has read the report "
        "of a study of 100 items and 2,700 scores, and the GPU libraries mapped into it. Median "
        f"of {REPEATS} starts.",
        measures=[
            Measure("Start to the log-in page", "s", [round(one.seconds, 2) for one in found], limit=5),
            Measure("Web process, at the start", "MB", [one.fresh_mb for one in found], limit=200),
            Measure("Web process, after the report", "MB", [one.used_mb for one in found], limit=200),
            Measure("The report page", "s", [round(one.visit_seconds, 2) for one in found]),
            Measure("GPU libraries in the web process", "count", [len(one.libraries) for one in found], limit=0),
        ],
        facts={"gpu_libraries_found": sorted({name for one in found for name in one.libraries})},
    )


def run_fresh() -> Outcome:
    """`make run` in a fresh clone, and once more."""
    with tempfile.TemporaryDirectory(prefix="evalhub-fresh-") as folder:
        clone, var = Path(folder) / "clone", Path(folder) / "var"
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)], check=True)
        first = start(clone, var, made=True)
        later = [start(clone, var, made=True) for _ in range(REPEATS)]
    return Outcome(
        name="fresh_start",
        title="`make run` from a fresh clone",
        method="A clone of the last commit, an empty data folder, packages in pip's and npm's caches or a local "
        "index; time until the log-in page answers, while the demo makes itself. Then the same command again.",
        measures=[
            Measure("First `make run` to the log-in page", "s", [round(first.seconds, 1)], limit=240),
            Measure("Later `make run` to the log-in page", "s", [round(one.seconds, 2) for one in later], limit=5),
            Measure("Web process, resident", "MB", [one.fresh_mb for one in later], limit=200),
        ],
    )


@dataclass(frozen=True)
class Started:
    """One start: seconds to the log-in page, the web process's memory, and what is mapped into it."""

    seconds: float
    fresh_mb: float
    used_mb: float
    visit_seconds: float
    libraries: frozenset[str]


def start(tree: Path, var: Path, *, made: bool = False, visit: Callable[[str], None] | None = None) -> Started:
    """Start, wait for the log-in page, look at the web process, visit, look again, stop."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    var.mkdir(exist_ok=True)
    log = var.parent / f"{var.name}.log"
    up = [sys.executable, "manage.py", "up", "--no-demo", "--port", str(port)]
    command = ["make", "run", f"PORT={port}"] if made else up
    with running(command, log=log, environment={"EVALHUB_VAR": str(var)}, folder=tree) as process:
        seconds = wait_for(f"{url}/login/", process, log=log, patience=900)
        web = web_process(process.pid, port)
        fresh = resident(web)
        begun = time.monotonic()
        if visit:
            visit(url)
        return Started(seconds, fresh, resident(web), time.monotonic() - begun, gpu_libraries(web))


def read_report(url: str) -> None:
    """Log in as the admin and read the report, as a browser without scripts would."""
    with requests.Session() as session:
        session.get(f"{url}/login/", timeout=60)
        form = {"username": ours.ADMIN, "password": ours.PASSWORD, "csrfmiddlewaretoken": session.cookies["csrftoken"]}
        session.post(f"{url}/login/", data={**form, "next": ours.REPORT}, timeout=60).raise_for_status()
        page = session.get(url + ours.REPORT, timeout=60)
        page.raise_for_status()
        if "Real ratings" not in page.text:
            raise RuntimeError("The report page did not come.")


def resident(process: psutil.Process) -> float:
    """Megabytes of a process in memory."""
    return round(float(process.memory_info().rss) / 1e6, 1)


def web_process(pid: int, port: int) -> psutil.Process:
    """The largest process below `pid` that listens on `port` (a server and its workers share the socket)."""
    listening = [member for member in family_of(pid) if listens(member, port)]
    return max(listening, key=lambda member: member.memory_info().rss)


def listens(process: psutil.Process, port: int) -> bool:
    try:
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for connection in process.net_connections(kind="tcp")
        )
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return False


def gpu_libraries(process: psutil.Process) -> frozenset[str]:
    """Which GPU libraries are mapped into the process, by their files."""
    files = [mapping.path for mapping in process.memory_maps()]
    return frozenset(name for name in GPU_LIBRARIES for file in files if f"/{name}" in file)
