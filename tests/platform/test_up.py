"""`up` for real: the log-in page, the workers, a killed web process, a second start, a taken port; lean and quick."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
GPU = ("torch", "transformers", "peft", "vllm")
pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(folder: Path, port: int) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EVALHUB_", "DJANGO_"))}
    return subprocess.Popen(
        [sys.executable, "manage.py", "up", "--port", str(port), "--no-demo"],
        cwd=ROOT, env={**kept, "EVALHUB_VAR": str(folder)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@contextmanager
def running(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`up` over `folder`, its log-in page answering: the process and its port."""
    port = free_port()
    process = start(folder, port)
    try:
        wait_for_page(port)
        yield process, port
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def wait_for_page(port: int, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urlopen(f"http://127.0.0.1:{port}/login/", timeout=5) as page:
                assert b"Log in" in page.read()
                return
        except (URLError, OSError):
            time.sleep(0.05)
    raise AssertionError("the log-in page did not answer")


def web_processes(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The web's own process and its worker."""
    master = next(c for c in psutil.Process(process.pid).children() if "gunicorn" in " ".join(c.cmdline()))
    return [master, *master.children()]


def wait_for_worker(process: subprocess.Popen[str], *, other_than: int = 0) -> list[psutil.Process]:
    """The cpu worker and its clock, once both run."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children():
                if "cpu@" in " ".join(child.cmdline()) and child.pid != other_than and child.children():
                    return [child, *child.children()]
        time.sleep(0.1)
    raise AssertionError("the cpu worker and its clock did not start")


def not_gone(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run."""
    return psutil.wait_procs(processes, timeout=5)[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which `up` has run once."""
    made = tmp_path_factory.mktemp("up")
    with running(made):
        pass
    return made


def test_it_starts_a_second_time_in_five_seconds_of_work(folder: Path) -> None:
    """Processor seconds of what stands between command and page: a busy machine proves nothing."""
    with running(folder) as (process, _):
        path = [psutil.Process(process.pid), *web_processes(process)]
        times = [one.cpu_times() for one in path]
    assert sum(t.user + t.system for t in times) < 5


def test_it_serves_pages_without_a_gpu_library_in_200_megabytes(folder: Path) -> None:
    with running(folder) as (process, port):
        for _ in range(20):
            wait_for_page(port)
        for web in web_processes(process):
            assert web.memory_info().rss < 200 * 2**20
            assert [m.path for m in web.memory_maps() if any(f"/{name}/" in m.path for name in GPU)] == []


def test_it_starts_the_web_again_after_a_kill(folder: Path) -> None:
    with running(folder) as (process, port):
        for web in web_processes(process):
            web.kill()
        wait_for_page(port, 30)


def test_it_answers_health_without_an_account_or_a_known_host(folder: Path) -> None:
    with running(folder) as (_, port), urlopen(f"http://127.0.0.1:{port}/healthz") as page:
        assert page.read() == b'{"status": "ok"}'


def test_it_leaves_nobody_behind(folder: Path) -> None:
    with running(folder) as (process, _):
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= 4
    assert process.returncode == 0
    assert not_gone(family) == []


def test_it_leaves_nobody_behind_after_a_worker_was_killed(folder: Path) -> None:
    with running(folder) as (process, _):
        first = wait_for_worker(process)
        family = psutil.Process(process.pid).children(recursive=True)
        first[0].kill()
        second = wait_for_worker(process, other_than=first[0].pid)
        assert not_gone(first) == []
        family += psutil.Process(process.pid).children(recursive=True)
        assert {one.pid for one in second} <= {one.pid for one in family}
    assert process.returncode == 0
    assert not_gone(family) == []


def test_it_says_in_a_sentence_that_the_port_is_taken(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        output, _ = start(folder, port).communicate(timeout=60)
    assert f"Port {port} of 127.0.0.1 cannot be used" in output
    assert f"make run PORT={port + 1}" in output
    assert "Traceback" not in output


def test_it_says_in_a_sentence_that_it_runs_already(folder: Path) -> None:
    with running(folder):
        output, _ = start(folder, free_port()).communicate(timeout=60)
    assert "evalhub already runs over" in output
    assert "Traceback" not in output
