"""A job's command, carried out by a worker: its options, its files, how far it is, and what it told."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.core.management import CommandError, get_commands, load_command_class
from django.db import connection, transaction
from django.utils import timezone

from evalhub.accounts.commands import Told, declined, one_sentence
from evalhub.accounts.permissions import may, role_in
from evalhub.errors import Refused
from evalhub.jobs import lifecycle
from evalhub.jobs.commands import QueueableCommand, Step
from evalhub.jobs.files import local_file, name_of, working_folder
from evalhub.jobs.lifecycle import Claim, State, Stopped, Superseded
from evalhub.jobs.models import Job
from evalhub.upkeep import Upkeep, beating

BEAT_SECONDS = 1.0
LOOK_SECONDS = 0.3  # how often a busy command asks whether somebody wants the end
Made = TypeVar("Made")
TAIL = 20  # of what a command says, so many lines are on its page while it works
OUTPUTS = "jobs/out"  # in storage
OUT = "out"  # within a job's own folder: what its command writes, and nothing else
GONE = "The file of this job is no longer kept. Ask for it again, with the file."


def command_of(name: str) -> QueueableCommand:
    """The command of that name. Raises Refused for one that no worker does."""
    application = get_commands().get(name)
    command = load_command_class(application, name) if isinstance(application, str) else None
    if not isinstance(command, QueueableCommand):
        raise Refused(f"There is no command “{name}” that a worker could do.")
    return command


def carry_out(claim: Claim[Job], *, stay: Callable[[], None]) -> None:
    """Do it, and keep what it tells. `stay` is called often, and raises where this worker is to stop.

    A command that works in one step reads and compares first, and ends in the transaction that also says so in the
    job's row: never twice, never half; any other knows by its `request_key` what it has done before. Raises Superseded
    if the job was stopped or taken over, Refused for what cannot be done.
    """
    job = claim.row("project")
    lifecycle.write(claim, role=role_in(job.created_by, job.project) or "")
    command, signs = command_of(job.command), Signs(claim, stay)
    command.teller, command.request_key = signs, f"job-{job.pk}"
    with attended_to(signs), _files(job, command) as options, signs.heeding():
        step, error = _declinable(partial(_prepared, job, command, options))
        told = Told({})
        with transaction.atomic() if command.in_one_step else nullcontext():
            if step:
                told, error = _told(step, command)
            if error is None:
                _keep(claim, told, command, options)
        if error is not None:
            kept = {"result": {**told.values, **declined(error)}, "link": told.link}
            lifecycle.finish(claim, State.FAILED, str(error)[:1000], **kept)


@contextmanager
def attended_to(signs: "Signs") -> Iterator[None]:
    """Meanwhile two threads show life and look after the other rows: the work itself may be one long transaction."""
    with beating(signs.beat, every=BEAT_SECONDS), beating(Upkeep(), every=BEAT_SECONDS):
        yield


def _prepared(job: Job, command: QueueableCommand, options: dict[str, Any]) -> Step:
    if not job.created_by.is_active or not may(job.created_by, job.project, command.right):
        raise Refused(f"{job.created_by} does not have the right to {command.right} any more.")
    return command.prepared(job.project, job.created_by, options)


def _told(step: Step, command: QueueableCommand) -> tuple[Told, CommandError | None]:
    """What the step tells, or why it declined; then the transaction around it holds nothing of it."""
    told, error = _declinable(partial(_within, step, in_one_step=command.in_one_step))
    if told is None:
        return Told({}), error
    return told, CommandError(told.error) if told.error else None


def _within(step: Step, *, in_one_step: bool) -> Told:
    with transaction.atomic() if in_one_step else nullcontext():
        return step()


def _declinable(work: Callable[[], Made]) -> tuple[Made | None, CommandError | None]:
    """What it comes to, or the sentence with which the command declined."""
    try:
        with one_sentence():
            return work(), None
    except CommandError as error:
        return None, error


def _keep(claim: Claim[Job], told: Told, command: QueueableCommand, options: dict[str, Any]) -> None:
    values = {"result": told.values, "lines": list(told.lines), "link": told.link}
    if command.writes and options[command.writes]:
        values |= _kept_output(claim, Path(options[command.writes]))
    lifecycle.finish(claim, State.SUCCEEDED, next(iter(told.lines), "Done.")[:1000], **values)


def _kept_output(claim: Claim[Job], path: Path) -> dict[str, str]:
    """The file in storage; a folder becomes a ZIP file, made outside of what it holds."""
    if path.is_dir():
        path = Path(shutil.make_archive(str(path.parent.parent / path.name), "zip", path))
    name = f"{OUTPUTS}/{claim.pk}-{claim.attempt}{''.join(path.suffixes)[-20:]}"
    with path.open("rb") as file:
        return {"output": default_storage.save(name, File(file)), "output_name": path.name}


def place_in(folder: Path, asked: str) -> Path:
    """Where the command is to write what was asked for as `asked`: inside the folder, which is made. Raises Refused."""
    place = folder / name_of(Path(asked))
    folder.mkdir()
    return place


@contextmanager
def _files(job: Job, command: QueueableCommand) -> Iterator[dict[str, Any]]:
    """The command's options, with its files on the local disk as long as the block runs."""
    options = command.completed(job.options)
    with working_folder(f"job-{job.pk}") as folder:
        if command.writes and options[command.writes]:
            options[command.writes] = place_in(folder / OUT, str(options[command.writes]))
        if not job.file.name:
            yield options
            return
        if not default_storage.exists(job.file.name):
            raise Refused(GONE)
        with default_storage.open(job.file.name, "rb") as stored, local_file(stored, name=job.file_name) as path:
            yield options | {command.reads: path}


class Signs:
    """A worker's teller: what a command says and how far it is, kept in its job's row."""

    def __init__(self, claim: Claim[Job], stay: Callable[[], None]) -> None:
        self.claim, self.stay = claim, stay
        self.values: dict[str, Any] = {}
        self.said: list[str] = []
        self.gone, self.looked, self.began = threading.Event(), 0.0, time.monotonic()
        self.looking = False

    def beat(self) -> bool:
        """From a thread with a connection of its own, so that it is seen while a transaction goes on."""
        try:
            lifecycle.write(self.claim, **self.values)
        except Superseded:
            self.gone.set()
        return not self.gone.is_set()

    def say(self, sentence: str) -> None:
        self.said = [*self.said, f"{timezone.localtime():%H:%M:%S} {sentence}"][-TAIL:]
        self.values = {"message": sentence, "lines": self.said}
        self.look()
        if not connection.in_atomic_block:
            self.beat()

    def bar(self, title: str) -> "Signs":
        self.began = time.monotonic()
        self.say(title)
        return self

    def __call__(self, done: int, total: int) -> None:
        left = (time.monotonic() - self.began) / max(1, done) * (total - done)
        self.values |= {"done": done, "total": total, "eta_seconds": left if done else None}
        self.look()

    def close(self) -> None:
        """The bar is full; nothing to do."""

    @contextmanager
    def heeding(self) -> Iterator[None]:
        """Meanwhile every statement to the database is an occasion to look: a long one in one step can be stopped."""
        with connection.execute_wrapper(self._before):
            yield

    def _before(self, execute: Callable[..., Any], *statement: Any) -> Any:
        if not self.looking:
            self.look()
        return execute(*statement)

    def look(self) -> None:
        """Raises Superseded, Stopped, or what `stay` raises, where the work is to end; looked at now and then."""
        if time.monotonic() - self.looked < LOOK_SECONDS:
            return
        self.looking = True  # what looks has statements of its own; and after the end, what undoes the work
        self.stay()
        if self.gone.is_set():
            raise Superseded
        if self.claim.wants_end:
            raise Stopped
        self.looking, self.looked = False, time.monotonic()
