"""The run folder: spec.json in, events.jsonl along the way, result.json or error.json at the end.

A folder belongs to one process at a time (an advisory lock), is written atomically where it matters, and can be
run again by hand: `python -m training FOLDER` or `python -m inference FOLDER`.
"""

import contextlib
import fcntl
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, NoReturn, Self

SPEC, EVENTS, RESULT, ERROR, LOCK = "spec.json", "events.jsonl", "result.json", "error.json", "lock"
PARENT_VARIABLE = "EVALHUB_PARENT_PID"
HEARTBEAT_SECONDS = 2.0

EXIT_DONE, EXIT_FAILED, EXIT_CANCELLED, EXIT_REFUSED, EXIT_BUSY = 0, 1, 3, 4, 5


class RunRefused(Exception):
    """The run cannot be done as asked; the message is one sentence for a person."""


class RunCancelled(Exception):
    """Somebody asked the run to stop (SIGTERM), or the process that started it is gone."""


class FolderBusy(Exception):
    """Another process holds this folder."""


def end_at_once() -> NoReturn:
    """End this process as stopped on request, with the processes that a library started."""
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(EXIT_CANCELLED)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write `value` so that a reader sees all of it or nothing, also after a crash."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in `path`, or None where there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return value if isinstance(value, dict) else None


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file, leaving out a last line that a crash cut off."""
    try:
        file = path.open(encoding="utf-8")
    except FileNotFoundError:
        return
    with file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)


class EventReader:
    """Reads whole new lines of events.jsonl since the last call; a line that a crash spoilt is passed over."""

    def __init__(self, folder: Path, offset: int = 0) -> None:
        self.path = folder / EVENTS
        self.offset = offset

    def new(self) -> list[dict[str, Any]]:
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                block = file.read()
        except FileNotFoundError:
            return []
        end = block.rfind(b"\n") + 1
        self.offset += end
        return [event for line in block[:end].split(b"\n") if (event := _event(line)) is not None]


class RunFolder:
    """A process's hold on its folder. Use as a context manager; `emit` events, `check` often for a stop.

    SIGTERM, SIGINT and the end of the process that started us ask for a stop. With `grace_seconds`, a program that
    has not stopped by itself in that time (one long operation, say) is ended with EXIT_CANCELLED.

    Events are objects with `t` (Unix seconds) and `kind`:
    heartbeat · log {text, level} · progress {done, total, unit, eta_seconds} · metric {step, …} ·
    sample {step, prompt, text} · warning {text} · answer {id} · resumed {done}.
    """

    def __init__(self, path: Path, *, grace_seconds: float = 0.0) -> None:
        self.path = path
        self.stopping = False
        self.grace_seconds = grace_seconds
        self._events: IO[str] | None = None
        self._lock: IO[str] | None = None
        self._mutex = threading.Lock()
        self._done = threading.Event()
        self._asked = threading.Event()
        self._before: list[tuple[int, Any]] = []
        self._bell = (-1, -1)
        self._parent = int(os.environ.get(PARENT_VARIABLE, "0") or 0)

    def __enter__(self) -> Self:
        self._lock = (self.path / LOCK).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise FolderBusy(f"Another process is working in {self.path.name}.") from error
        self._mend_events()
        self._events = (self.path / EVENTS).open("a", encoding="utf-8")
        (self.path / ERROR).unlink(missing_ok=True)
        self._hear_signals()
        for work in (self._beat, self._end_after_grace):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._asked.set()
        self._unhear_signals()
        with self._mutex:
            if self._events:
                with contextlib.suppress(OSError):  # a full disk was told by the line that met it
                    self._events.close()
                self._events = None
        if self._lock:
            self._lock.close()

    @property
    def spec(self) -> dict[str, Any]:
        value = read_json(self.path / SPEC)
        if value is None:
            raise RunRefused(f"{self.path / SPEC} is missing.")
        return value

    def emit(self, kind: str, **fields: Any) -> None:
        line = json.dumps({"t": round(time.time(), 3), "kind": kind, **fields}, ensure_ascii=False)
        with self._mutex:
            if self._events:
                self._events.write(line + "\n")
                self._events.flush()

    def log(self, text: str, level: str = "info") -> None:
        self.emit("log", text=text, level=level)

    def progress(self, done: int, total: int, unit: str = "steps", eta_seconds: float | None = None) -> None:
        self.emit("progress", done=done, total=total, unit=unit, eta_seconds=eta_seconds)

    def check(self) -> None:
        """Raise RunCancelled if a stop was asked for."""
        if self.stopping:
            raise RunCancelled("Stopped on request.")

    def finish(self, result: Mapping[str, Any]) -> None:
        write_json(self.path / RESULT, result)

    def fail(self, message: str, detail: str = "") -> None:
        write_json(self.path / ERROR, {"message": message, "detail": detail})

    def _mend_events(self) -> None:
        """Cut a half-written last line, so that what follows starts on a line of its own."""
        path = self.path / EVENTS
        if not path.is_file():
            return
        with path.open("rb+") as file:
            end = file.seek(0, os.SEEK_END)
            while end > 0:
                file.seek(end - 1)
                if file.read(1) == b"\n":
                    break
                end -= 1
            file.truncate(end)

    def _hear_signals(self) -> None:
        """Note a signal at once, also while the main thread is inside one long operation: Python runs handlers only
        between its own instructions, but writes the signal's number into this pipe immediately."""
        self._bell = os.pipe()
        os.set_blocking(self._bell[1], False)
        signal.set_wakeup_fd(self._bell[1], warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before.append((number, signal.signal(number, self._on_signal)))
        threading.Thread(target=self._listen, name="_listen", daemon=True).start()

    def _unhear_signals(self) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._before:
            signal.signal(number, handler)
        os.close(self._bell[1])  # the listener reads the end and leaves

    def _listen(self) -> None:
        while rung := os.read(self._bell[0], 1):
            if rung[0] in (signal.SIGTERM, signal.SIGINT):
                self._ask_to_stop()
        os.close(self._bell[0])

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._ask_to_stop()

    def _ask_to_stop(self) -> None:
        self.stopping = True
        self._asked.set()

    def _end_after_grace(self) -> None:
        self._asked.wait()
        if self.grace_seconds and not self._done.wait(self.grace_seconds):
            end_at_once()

    def _beat(self) -> None:
        """Say every two seconds that we live, and stop when the process that started us is gone."""
        while not self._done.wait(HEARTBEAT_SECONDS):
            with contextlib.suppress(OSError):  # on a full disk the work itself meets the error and tells it
                self.emit("heartbeat")
            if self._parent and os.getppid() != self._parent:
                self._ask_to_stop()


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
