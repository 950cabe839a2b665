"""Commands that a worker can carry out: --queue hands one over, --no-wait does not wait for it.

The job's row carries the command's options, so that a worker does exactly what the terminal would have done.
"""

import shutil
import zipfile
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from django.core.management.base import CommandError

from evalhub.accounts.commands import ProjectCommand, Told, acting_user, project_named, readable
from evalhub.accounts.models import Project, User
from evalhub.jobs import actions
from evalhub.jobs.models import Job

OWN = ("queue", "no_wait", "json", "project", "username")
DJANGOS = ("version", "verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color", "skip_checks",
           "stdout", "stderr")  # fmt: skip


class QueueableCommand(ProjectCommand):
    """A command of the loop, done here or by a worker of queue cpu."""

    reads = ""  # the option that names a file it reads
    writes = ""  # the option that names a file or folder it writes
    in_one_step = True  # one transaction; else the action itself sees to it that doing it twice changes nothing
    request_key: str | None = None  # names the job that is carried out, so that an action can know it again

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--queue", action="store_true", help="Let a worker do it, and wait for its end.")
        parser.add_argument("--no-wait", action="store_true", help="With --queue: do not wait for its end.")

    @property
    def name(self) -> str:
        return type(self).__module__.rpartition(".")[2]

    def title(self, options: dict[str, Any]) -> str:
        """What the job is called."""
        raise NotImplementedError

    def perform(self, options: dict[str, Any]) -> Told:
        project = project_named(options["project"])
        by = acting_user(project, options["username"], self.right)
        if not options["queue"]:
            return self._placed(self.act(project, by, options), options)
        job = self._requested(project, by, options)
        return waiting(job) if options["no_wait"] else self._awaited(job, options)

    def completed(self, options: dict[str, Any]) -> dict[str, Any]:
        """A job's options, and the command's own defaults for those that it does not name."""
        arguments = self.create_parser("manage.py", self.name)._actions
        return {item.dest: item.default for item in arguments if item.dest != "help"} | options

    def _requested(self, project: Project, by: User, options: dict[str, Any]) -> Job:
        path = options[self.reads] if self.reads else None
        known = set(self.completed({})) - {*OWN, *DJANGOS, self.reads}
        kept = {name: as_json(value) for name, value in options.items() if name in known}
        path = readable(path) if path else None
        title = self.title(options)
        return actions.request_job(project, command=self.name, title=title, options=kept, by=by, path=path)

    def _awaited(self, job: Job, options: dict[str, Any]) -> Told:
        """What a worker made of it; who interrupts the waiting stops nothing."""
        self.say(f"Job {job.pk} waits for a worker of queue cpu.")
        bar = self.bar(job.title)
        try:
            job = actions.wait_for(job, progress=bar)
        except KeyboardInterrupt:
            raise CommandError(f"Job {job.pk} goes on without you; its page shows how far it is.") from None
        finally:
            bar.close()
        if job.state != Job.State.SUCCEEDED:
            return Told({**job.result, "job": job.pk}, error=job.message)
        if not (self.writes and job.output.name):
            return Told({**job.result, "job": job.pk}, job.lines)
        deliver(job, Path(options[self.writes]))
        return self._placed(Told({**job.result, "job": job.pk}, job.lines), options)

    def _placed(self, told: Told, options: dict[str, Any]) -> Told:
        """What was told, and where the file is: only the terminal knows, a worker writes into a folder of its own."""
        if told.error or not (self.writes and options[self.writes]):
            return told
        path = str(options[self.writes])
        return replace(told, values={**told.values, "file": path}, lines=[*told.lines, f"It is in {path}."])


def waiting(job: Job) -> Told:
    values = {"job": job.pk, "state": job.state}
    return Told(values, [f"Job {job.pk} ({job.title}) waits for a worker of queue cpu; its page shows how far it is."])


def as_json(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def deliver(job: Job, path: Path) -> None:
    """What the worker wrote, to where it was asked for: whole, or not at all. Raises CommandError."""
    part = path.with_name(f"{path.name}.part")
    try:
        with default_storage.open(str(job.output.name), "rb") as stored, part.open("wb") as file:
            shutil.copyfileobj(stored, file)
        if job.output_name == f"{path.name}.zip":  # a folder
            with zipfile.ZipFile(part) as archive:
                archive.extractall(path)
            part.unlink()
        else:
            part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        kept = f"Its page still has it (job {job.pk})."
        raise CommandError(f"{path} cannot be written: {error.strerror or error}. {kept}") from error
