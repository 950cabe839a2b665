"""What people do with jobs: request_job, cancel_job, retry_job, wait_for."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction

from evalhub.accounts.actions import record
from evalhub.accounts.models import Project, User
from evalhub.errors import Refused
from evalhub.jobs import lifecycle
from evalhub.jobs.models import Job, Lived
from evalhub.jobs.queue import tell_queue
from evalhub.progress import Heard

WAIT_SECONDS = 0.2
PATIENCE_SECONDS = 20  # each time it is used up, the next one is twice as long
UNTAKEN = (
    "No worker has taken it for {:.0f} s: none runs, or all are busy. One starts with: "
    "celery -A evalhub worker --queues cpu --pool solo --beat. Ctrl-C ends the waiting, not the work."
)
GONE = "The file of this job is no longer kept. Ask for it again, with the file."
State = Job.State
Row = TypeVar("Row", bound=Lived)


def request_job(
    project: Project,
    *,
    command: str,
    title: str,
    options: Mapping[str, Any],
    by: User,
    path: Path | None = None,
    request_key: str | None = None,
) -> Job:
    """Let a worker carry out the command with these options; the same `request_key` twice is one job.

    A copy of the file at `path` is kept for it. Whether `by` may do this is asked again when it is done.
    """
    job = Job(
        project=project, command=command, options=dict(options), title=title[:255], created_by=by,
        request_key=request_key,
    )  # fmt: skip
    if path is not None:
        job.file_name = path.name[:255]
        with path.open("rb") as file:
            job.file.save(f"{command}{path.suffix[:10]}", File(file), save=False)
    try:
        with transaction.atomic():
            job.save()
            record("request_job", by=by, project=project, target=f"job {job.pk}", command=command)
    except IntegrityError:
        _forget(job)
        return project.jobs.get(request_key=request_key)
    except Exception:
        _forget(job)
        raise
    transaction.on_commit(partial(knock, job))
    return job


def knock(job: Job) -> None:
    tell_queue(Job, job.pk)


def _forget(job: Job) -> None:
    if job.file.name:
        default_storage.delete(job.file.name)


def cancel_job(job: Job, *, by: User) -> Job:
    """Stop a job: nothing of it is kept. Asking again changes nothing. Raises Refused for one that has ended."""
    job.refresh_from_db()
    with lifecycle.asked_to_stop(job), transaction.atomic():
        won = lifecycle.cancel(job)
        if won:
            Job.objects.filter(pk=job.pk).update(message=f"Stopped by {by}. Nothing of it was kept.")
            record("cancel_job", by=by, project=job.project, target=f"job {job.pk}", command=job.command)
    job.refresh_from_db()
    if job.state != State.CANCELLED:
        raise Refused(f"This job has already {job.state}.")
    return job


def retry_job(job: Job, *, by: User) -> Job:
    """The same again, for a job that failed or was stopped. A second click changes nothing. Raises Refused."""
    job.refresh_from_db()
    if job.is_live:
        return job
    if job.state == State.SUCCEEDED:
        raise Refused("This job has already succeeded.")
    if job.file_name and not (job.file.name and default_storage.exists(job.file.name)):
        raise Refused(GONE)
    with transaction.atomic():
        if lifecycle.again(job):
            Job.objects.filter(pk=job.pk).update(total=0, done=0, result={}, lines=[])
            record("retry_job", by=by, project=job.project, target=f"job {job.pk}", command=job.command)
            transaction.on_commit(partial(knock, job))
    job.refresh_from_db()
    return job


def wait_for(row: Row, *, progress: Heard | None = None, say: Callable[[str], None] | None = None) -> Row:
    """Wait until a worker has brought the row to its end; `say` is told now and then that none has taken it."""
    began, patience = time.monotonic(), PATIENCE_SECONDS
    row.refresh_from_db()
    while row.is_live:
        if progress and row.total:
            progress(row.done, row.total)
        if say and row.state == State.QUEUED and time.monotonic() - began > patience:
            say(UNTAKEN.format(patience))
            patience *= 2
        time.sleep(WAIT_SECONDS)
        row.refresh_from_db()
    return row
