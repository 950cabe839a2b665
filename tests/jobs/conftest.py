"""A file of ratings that a job can bring in, and a worker that comes by."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command

from evalhub.jobs import performing, tasks
from evalhub.jobs.models import Job

INTO = ["--project=content-copy", "--study=Elsewhere"]


@pytest.fixture(autouse=True)
def own_files(settings, tmp_path_factory, monkeypatch):
    """And no signs of life from a thread: within a test's transaction they would wait for its end."""
    settings.MEDIA_ROOT = tmp_path_factory.mktemp("files")
    monkeypatch.setattr(performing, "BEAT_SECONDS", 60)


@pytest.fixture
def ratings(tmp_path: Path) -> Callable[..., Path]:
    """ratings(items) writes a long table: so many items × two arms × two raters."""

    def write(items: int = 4, value: str = "7") -> Path:
        lines = [f"q{i},{arm},{rater},clear,{value}" for i in range(items) for arm in "ab" for rater in "xy"]
        path = tmp_path / "ratings.csv"
        path.write_text("\n".join(["item,arm,rater,criterion,value", *lines]))
        return path

    return write


def asked(path: Path, *more: str) -> Job:
    """The job of `import_ratings PATH --queue --no-wait`."""
    call_command("import_ratings", str(path), *INTO, "--queue", "--no-wait", *more)
    return Job.objects.latest("pk")


def worked_off() -> list[Job]:
    """What a worker makes of the jobs that wait, in line."""
    waiting = list(Job.objects.filter(state="queued").order_by("pk"))
    for job in waiting:
        tasks.work(job.pk)
        job.refresh_from_db()
    return waiting
