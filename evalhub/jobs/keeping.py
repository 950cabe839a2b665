"""How long the files of jobs are kept: what somebody brought or asked for does not lie about for ever."""

from contextlib import suppress
from datetime import datetime, timedelta

from django.core.cache import cache
from django.core.files.storage import default_storage
from django.db.models import Q

from evalhub.jobs.models import Job

KEPT = timedelta(days=7)  # after the end of a job
AT_ONCE = 20
FOLDERS = {"jobs/in": "file", "jobs/out": "output"}  # in storage → the field that names what lies there
NAMELESS = timedelta(days=1)  # after which a file that no row names is none that a transaction still works on
LOOKED = "jobs-nameless-files"  # in the cache: the folders were looked through not long ago
LOOK_SECONDS = 3600


def kept_until(job: Job) -> datetime | None:
    """When the job's files go; None while it lives, or where it has none."""
    return job.finished_at + KEPT if job.finished_at and (job.output.name or job.file.name) else None


def clear_old(now: datetime) -> None:
    """Delete the files of jobs that ended long ago; what they told stays."""
    files = ~Q(output="") | ~Q(file="")
    for job in Job.objects.filter(files, finished_at__lt=now - KEPT)[:AT_ONCE]:
        for name in (job.output.name, job.file.name):
            if name:
                default_storage.delete(name)
        Job.objects.filter(pk=job.pk).update(output="", file="")


def clear_nameless(now: datetime) -> None:
    """Delete files that no job names: their transaction was rolled back. Looked for once an hour."""
    if not cache.add(LOOKED, now.isoformat(), LOOK_SECONDS):
        return
    for folder, field in FOLDERS.items():
        for name in _nameless(folder, field):
            with suppress(FileNotFoundError):  # another worker clears too, and was quicker
                if default_storage.get_modified_time(name) < now - NAMELESS:
                    default_storage.delete(name)


def _nameless(folder: str, field: str) -> list[str]:
    """Files of the folder that no row names; none where the storage cannot list."""
    try:
        names = {f"{folder}/{name}" for name in default_storage.listdir(folder)[1]}
    except (FileNotFoundError, NotImplementedError):
        return []
    named = Job.objects.exclude(**{field: ""}).values_list(field, flat=True)
    return sorted(names.difference(named.iterator()))
