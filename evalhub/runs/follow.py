"""Follows a run's process: starts it in a group of its own, keeps the row alive, stops it when that is asked for.

The process writes, this reads; both may die at any moment. The child notices its parent's death by itself, and the
folder's lock keeps a second one out.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import OperationalError, connection

from evalhub.progress import Heard
from evalhub.runs import lifecycle, places, results
from evalhub.runs.journal import Story
from evalhub.runs.lifecycle import Claim
from evalhub.runs.models import Journal, Run
from evalhub.upkeep import leaving
from runkit.folder import PARENT_VARIABLE, EventReader

POLL_SECONDS = 0.1
BEAT_SECONDS = 1.0
LOOK_SECONDS = 0.5  # how often the row is asked whether somebody wants to stop
KILL_AFTER = 4.0
SILENCE_SECONDS = 600  # a process that says nothing for so long is taken for stuck
OUTPUT = "output.log"
SECRETS = (
    "EVALHUB_SECRET_KEY", "EVALHUB_DATABASE_URL", "EVALHUB_BROKER_URL", "EVALHUB_CACHE_URL", "EVALHUB_S3_",
    "EVALHUB_EMAIL_", "EVALHUB_KEY_",
)  # fmt: skip

Progress = Heard


@dataclass(frozen=True)
class Ending:
    """How a process ended. `superseded`: the run was taken from us, so nothing may be written any more.

    `left`: the worker was asked to stop, and stopped the process.
    """

    code: int
    superseded: bool = False
    stuck: bool = False
    left: bool = False


class Follower:
    """One process and its row, from start to end."""

    def __init__(
        self, claim: Claim, run: Run, folder: Path, *, progress: Progress | None = None, upkeep: Callable[[], None]
    ) -> None:
        self.claim, self.run, self.folder = claim, run, folder
        self.progress, self.upkeep = progress, upkeep
        self.events, self.story = EventReader(folder), Story()
        self.answers = results.AnswerReader(run, folder) if run.kind == Run.Kind.GENERATION else None
        self.started = self.heard = self.beaten = self.looked = self.stop_asked = 0.0
        self.written: dict[str, Any] = {}
        self.superseded = self.stuck = self.left = False

    def follow(self) -> Ending:
        """Start the process and stay with it to its end."""
        child = start(self.run, self.folder)
        self.started = self.heard = time.monotonic()
        try:
            while (code := child.poll()) is None:
                self.tend(child)
                time.sleep(POLL_SECONDS)
            self.superseded = not self.beat() or self.superseded
        finally:
            end(child)
        return Ending(code, self.superseded, self.stuck, self.left)

    def tend(self, child: "subprocess.Popen[bytes]") -> None:
        """One look at everything that is due."""
        now = time.monotonic()
        if now - self.beaten >= BEAT_SECONDS:
            self.beaten = now
            self.superseded = self.superseded or not self._tolerant(self.beat, meanwhile=True)
            self.upkeep()
        if now - self.looked >= LOOK_SECONDS:
            self.looked = now
            self._look(child)
        if self.stop_asked and now - self.stop_asked >= KILL_AFTER:
            send(child, signal.SIGKILL)

    def beat(self) -> bool:
        """Write what is new; false if the run is no longer ours."""
        self.story.take(self.events.new())
        if not lifecycle.beat(self.claim, **self.story.progress()):
            return False
        journal = self.story.journal()
        if journal != self.written:
            Journal.objects.update_or_create(run=self.run, defaults=journal)
            self.written = journal
        if self.answers:
            self.answers.keep_new()
        if self.progress and self.story.total:
            self.progress(self.story.done, self.story.total)
        return True

    def _look(self, child: "subprocess.Popen[bytes]") -> None:
        """Ask the process to stop: a person wants that, we must go, the run was taken from us, or it is stuck."""
        self.left = self.left or leaving.is_set()
        self.stuck = self.stuck or self._silent_for() > SILENCE_SECONDS
        if not self.stop_asked and (
            self.left or self.superseded or self.stuck or self._tolerant(self._cancel_asked, meanwhile=False)
        ):
            self.stop_asked = time.monotonic()
            send(child, signal.SIGTERM)

    def _cancel_asked(self) -> bool:
        return self.claim.held.filter(cancel_requested_at__isnull=False).exists()

    def _silent_for(self) -> float:
        since_start = time.monotonic() - self.started
        return min(since_start, time.time() - self.story.last_sign) if self.story.last_sign else since_start

    def _tolerant(self, ask: Callable[[], bool], *, meanwhile: bool) -> bool:
        """Ask the database; while it is away, answer `meanwhile`, for as long as the row counts as alive."""
        try:
            answer = ask()
        except OperationalError:
            connection.close()
            if time.monotonic() - self.heard > settings.HEARTBEAT_SECONDS:
                raise
            return meanwhile
        self.heard = time.monotonic()
        return answer


def command(run: Run, folder: Path) -> list[str]:
    """What starts the program for this run, as one would type it."""
    program = "training" if run.kind == Run.Kind.TRAINING else "inference"
    if run.spec.get("engine") == "vllm":
        program = "vllm"
    return [*settings.RUN_PROGRAMS[program], str(folder)]


def start(run: Run, folder: Path) -> "subprocess.Popen[bytes]":
    """The program, in a session of its own, told who its parent is; what it prints goes to output.log."""
    with (folder / OUTPUT).open("ab") as output:
        return subprocess.Popen(
            command(run, folder),
            cwd=settings.BASE_DIR,
            env=environment(run),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def environment(run: Run) -> dict[str, str]:
    """Our own environment without our secrets but the key that `run` needs, telemetry off, no hub where we are offline.

    Raises Refused for a key that may not go to the run's endpoint.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SECRETS)} | needed_key(run)
    quiet = {"HF_HUB_DISABLE_TELEMETRY": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "PYTHONUNBUFFERED": "1"}
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"} if settings.OFFLINE else {}
    # OpenMP threads sleep while they wait: where others use the cores too, spinning made a step several times slower.
    kept.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return {**kept, **quiet, **offline, PARENT_VARIABLE: str(os.getpid())}


def needed_key(run: Run) -> dict[str, str]:
    """The one key that the run's endpoint asks for; checked again here, since the worker's settings are what counts."""
    variable = str(run.spec.get("endpoint_key_variable") or "")
    if not variable:
        return {}
    places.allowed_key(variable, urlsplit(str(run.spec["endpoint"])))
    return {name: value for name, value in os.environ.items() if name == variable}


def send(child: "subprocess.Popen[bytes]", number: int) -> None:
    """Send a signal to the process and all it started."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def end(child: "subprocess.Popen[bytes]") -> None:
    """Leave nothing behind, whatever made us stop following."""
    if child.poll() is None:
        send(child, signal.SIGKILL)
    child.wait()
