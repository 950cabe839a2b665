"""The supervisor: starts again what dies, gives up on what cannot live, and leaves nobody behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from evalhub.supervisor import LARGEST_LOG, Child, make_room, pause_after

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import os, sys
from pathlib import Path
from evalhub.supervisor import Child, Supervisor
folder = Path(sys.argv[1])
sleeper = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(120)"]
deaf = [sys.executable, "-c", "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print(os.getpid(), flush=True); time.sleep(120)"]
twin = [sys.executable, "-c", "import os, subprocess, sys, time; "
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(120)']); "
        "print(os.getpid(), other.pid, flush=True); time.sleep(120)"]
wrong = [sys.executable, "-c", "raise SystemExit(3)"]
children = [Child("web", sleeper, folder / "web.log"), Child("deaf", deaf, folder / "deaf.log"),
            Child("twin", twin, folder / "twin.log"),
            Child("demo", wrong, folder / "demo.log", once=True)]
Supervisor(children, dict(os.environ), say=lambda line: print(line, flush=True)).run()
print("stopped", flush=True)
"""


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.wait()


def pids(log: Path, count: int = 1) -> list[int]:
    """The process numbers that a child wrote into its log, once there are `count`."""
    for _ in range(200):
        found = [int(word) for word in log.read_text().split()] if log.exists() else []
        if len(found) >= count:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{log.name} has no {count} lines")


def gone(pid: int) -> bool:
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_it_starts_again_a_child_that_was_killed(supervisor: subprocess.Popen[str], tmp_path: Path) -> None:
    first = pids(tmp_path / "web.log")[0]
    os.kill(first, signal.SIGKILL)
    second = pids(tmp_path / "web.log", 2)[1]
    assert second != first
    assert psutil.pid_exists(second)


def test_it_ends_what_a_killed_child_had_started(supervisor: subprocess.Popen[str], tmp_path: Path) -> None:
    first, its_own = pids(tmp_path / "twin.log", 2)
    os.kill(first, signal.SIGKILL)
    assert gone(its_own)
    again = pids(tmp_path / "twin.log", 4)[2:]
    os.kill(again[0], signal.SIGKILL)  # and also where nobody has noticed its death yet
    supervisor.send_signal(signal.SIGTERM)
    supervisor.communicate(timeout=20)
    assert all(gone(pid) for pid in again)


def test_it_stops_all_even_those_that_do_not_listen(supervisor: subprocess.Popen[str], tmp_path: Path) -> None:
    living = pids(tmp_path / "web.log") + pids(tmp_path / "deaf.log")
    supervisor.send_signal(signal.SIGINT)
    output, _ = supervisor.communicate(timeout=20)
    assert output.endswith("stopped\n")
    assert all(gone(pid) for pid in living)


def test_it_gives_up_on_a_job_that_fails_again_and_again(supervisor: subprocess.Popen[str], tmp_path: Path) -> None:
    pids(tmp_path / "web.log")
    lines: list[str] = []
    assert supervisor.stdout is not None
    for line in supervisor.stdout:
        lines.append(line)
        if "gave up" in line:
            break
    assert sum("demo ended (status 3)" in line for line in lines) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_it_takes_its_children_along_when_it_is_killed(supervisor: subprocess.Popen[str], tmp_path: Path) -> None:
    child = pids(tmp_path / "web.log")[0]
    supervisor.kill()
    assert gone(child)


def test_it_waits_longer_after_each_failure_but_never_forgets() -> None:
    assert [pause_after(n) for n in (1, 2, 3, 4, 9)] == [1, 2, 4, 8, 30]


def test_it_moves_a_large_log_aside(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_bytes(b"x" * (LARGEST_LOG + 1))
    make_room(log)
    assert not log.exists()
    assert (tmp_path / "web.old").exists()
    assert Child("web", [], log).alive is False
