"""Starts the processes of one machine, starts again those that die, and stops them together.

Pure standard library; `python manage.py up` says which processes. A child ends with its supervisor even where that
is killed without a word (Linux's parent-death signal), and what a child started in its own group ends with the child.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 10.0  # a worker has four for its job's process, and gives the job back after that
LONGEST_PAUSE = 30.0
HEALTHY_SECONDS = 60.0
TRIES_ONCE = 3
LARGEST_LOG = 5 * 2**20
LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

Say = Callable[[str], None]


@dataclass
class Child:
    """One process to keep alive. `once`: done after one success, or given up after a few failures."""

    name: str
    command: Sequence[str]
    log: Path
    once: bool = False
    nice: int = 0
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    not_before: float = 0.0
    failures: int = 0
    finished: bool = False

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


def pause_after(failures: int) -> float:
    """Seconds to wait before the next start: 1, 2, 4 … 30."""
    return float(min(LONGEST_PAUSE, 2.0 ** max(0, failures - 1)))


@dataclass
class Supervisor:
    """Keeps `children` running until `stop`. `tick` is called about four times a second while all is well."""

    children: list[Child]
    environment: Mapping[str, str]
    say: Say
    stopping: bool = False
    _pause: float = field(default=0.25, repr=False)

    def run(self, tick: Callable[[], None] = lambda: None) -> None:
        """Start everything and look after it; returns when a stop was asked for and all have ended."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            while not self.stopping:
                for child in self.children:
                    self._look_after(child)
                tick()
                time.sleep(self._pause)
        finally:
            self._stop_all()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _look_after(self, child: Child) -> None:
        if child.finished or child.alive or time.monotonic() < child.not_before:
            return
        if child.process is not None:
            _signal(child, signal.SIGKILL, whole_group=True)  # what it started must not outlive it
            self._note_ending(child, child.process.wait())
        else:
            self._start(child)

    def _note_ending(self, child: Child, status: int) -> None:
        lived = time.monotonic() - child.started
        child.process = None
        child.failures = 1 if lived > HEALTHY_SECONDS else child.failures + 1
        if child.once and (status == 0 or child.failures >= TRIES_ONCE):
            child.finished = True
            if status:
                self.say(f"{child.name} gave up (status {status}). Its log: {child.log}")
            return
        pause = pause_after(child.failures)
        child.not_before = time.monotonic() + pause
        self.say(f"{child.name} ended (status {status}); starting it again in {pause:.0f} s. Its log: {child.log}")

    def _start(self, child: Child) -> None:
        make_room(child.log)
        supervisor = os.getpid()
        with child.log.open("ab") as log:
            child.process = subprocess.Popen(
                child.command,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: _prepare(supervisor, child.nice),  # noqa: PLW1509 (this process has one thread)
            )
        child.started = time.monotonic()

    def _stop_all(self) -> None:
        """Ask first, the last started first; insist after GRACE_SECONDS."""
        living = [child for child in reversed(self.children) if child.alive]
        for child in living:
            _signal(child, signal.SIGTERM, whole_group=False)
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline and any(child.alive for child in living):
            time.sleep(0.05)
        for child in self.children:
            _signal(child, signal.SIGKILL, whole_group=True)
        for child in living:
            if child.process:
                child.process.wait()


def make_room(log: Path) -> None:
    """A log that has grown large becomes NAME.old, in place of the one before."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        log.replace(log.with_suffix(".old"))


def _prepare(supervisor: int, nice: int) -> None:
    """In the child, before its program starts: end with the supervisor, and step back if asked to."""
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != supervisor:
            os._exit(1)
    if nice:
        os.nice(nice)


def _signal(child: Child, number: int, *, whole_group: bool) -> None:
    if child.process is None:
        return
    with suppress(ProcessLookupError):
        if whole_group:
            os.killpg(child.process.pid, number)
        elif child.alive:
            child.process.send_signal(number)
