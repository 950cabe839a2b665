"""How long the files of jobs are kept: what somebody brought or asked for does not lie about for ever."""

from datetime import datetime, timedelta

from django.core.files.storage import default_storage
from django.db.models import Q

from evalhub.jobs.models import Job

KEPT = timedelta(days=7)  # after the end of a job
AT_ONCE = 20


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
