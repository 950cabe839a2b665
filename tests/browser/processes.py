"""Starts servers for a test or a measurement, waits until they answer, and leaves no process behind."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil


class NoAnswer(Exception):
    """A server did not come up; the message ends with the tail of its log."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The process of `command` in a group of its own, which is ended (Ctrl-C first) on the way out."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes], patience: float = 15) -> None:
    """Interrupt the process, then kill what is left of it and its children."""
    family = family_of(process.pid)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
    for member in family:
        if member.is_running():
            member.kill()
    process.wait(patience)


def family_of(pid: int) -> list[psutil.Process]:
    """A process and everything it started."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def wait_for(url: str, process: subprocess.Popen[bytes], *, log: Path, patience: float = 300) -> float:
    """Seconds until `url` answers with a page. Raises NoAnswer."""
    start = time.monotonic()
    while time.monotonic() - start < patience and process.poll() is None:
        if answers(url):
            return time.monotonic() - start
        time.sleep(0.05)
    tail = log.read_text(encoding="utf-8", errors="replace")[-1500:]
    raise NoAnswer(f"{url} gave no page within {patience:g} s. {tail}")


def answers(url: str) -> bool:
    """Whether `url` gives a page now."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False
