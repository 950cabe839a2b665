"""Commands that a worker can carry out: --queue hands one over, --no-wait does not wait for it.

The job's row carries the command's options, so that a worker does exactly what the terminal would have done.
"""

from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from evalhub.accounts.commands import ProjectCommand, Told, acting_user, project_named, readable
from evalhub.accounts.models import Project, User
from evalhub.jobs import actions
from evalhub.jobs.delivering import deliver, destination
from evalhub.jobs.models import Job

Step = Callable[[], Told]  # what a command does in one transaction
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
        check_waiting(options)
        if not options["queue"]:
            return self._placed(self.act(project, by, options), options)
        job = self._requested(project, by, options)
        return waiting(job) if options["no_wait"] else self._awaited(job, options)

    def check_request(self, project: Project, by: User, options: dict[str, Any]) -> None:
        """Raise what can be told at once of this request: --queue hands nothing over that must fail."""

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        return self.prepared(project, by, options)()

    def prepared(self, project: Project, by: User, options: dict[str, Any]) -> Step:
        """Read and compare; then what comes back writes and tells, in one step. Or do all of it in `act`."""
        return partial(self.act, project, by, options)

    def completed(self, options: dict[str, Any]) -> dict[str, Any]:
        """A job's options, and the command's own defaults for those that it does not name."""
        arguments = self.create_parser("manage.py", self.name)._actions
        return {item.dest: item.default for item in arguments if item.dest != "help"} | options

    def _requested(self, project: Project, by: User, options: dict[str, Any]) -> Job:
        self.check_request(project, by, options)
        path = options[self.reads] if self.reads else None
        known = set(self.completed({})) - {*OWN, *DJANGOS, self.reads}
        kept = {name: as_json(value) for name, value in options.items() if name in known}
        if self.writes and options[self.writes]:
            kept[self.writes] = destination(Path(options[self.writes])).name
        path = readable(path) if path else None
        title = self.title(options)
        return actions.request_job(project, command=self.name, title=title, options=kept, by=by, path=path)

    def _awaited(self, job: Job, options: dict[str, Any]) -> Told:
        """What a worker made of it; who interrupts the waiting stops nothing."""
        self.say(f"Job {job.pk} waits for a worker of queue cpu.")
        bar = self.bar(job.title)
        try:
            job = actions.wait_for(job, progress=bar, say=self.say)
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


def check_waiting(options: dict[str, Any]) -> None:
    """Raise CommandError where nobody is to do what is not waited for."""
    if options["no_wait"] and not options["queue"]:
        raise CommandError("--no-wait goes with --queue: without a worker there is nothing to wait for.")


def waiting(job: Job) -> Told:
    values = {"job": job.pk, "state": job.state}
    return Told(values, [f"Job {job.pk} ({job.title}) waits for a worker of queue cpu; its page shows how far it is."])


def as_json(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
