"""A worker shows life while files are prepared or copied, however long that takes: its run is not taken away."""

import json
import time

import pytest
from django.core.files.storage import FileSystemStorage
from django.utils import timezone

from evalhub.datasets import actions as datasets
from evalhub.datasets import tasks as imports
from evalhub.datasets.models import ImportBatch
from evalhub.jobs import lifecycle as jobs
from evalhub.runs import actions, lifecycle, tasks
from evalhub.runs.models import Run
from tests.datasets.conftest import row

pytestmark = pytest.mark.django_db(transaction=True)
SLOW = 1.5  # seconds; longer than the silence after which a job counts as lost
SEEN: list[int] = []


class SlowStorage(FileSystemStorage):
    """Far away: opening and keeping a file take long. Notes how many jobs would count as lost meanwhile."""

    def save(self, *given, **more):
        self.linger()
        return super().save(*given, **more)

    def open(self, *given, **more):
        self.linger()
        return super().open(*given, **more)

    def linger(self):
        time.sleep(SLOW)
        now = timezone.now()
        batches = ImportBatch.objects.filter(state="running")
        if batches.exists() or Run.objects.filter(state="running").exists():
            SEEN.append(lifecycle.lost_runs(now).count() + jobs.lost(ImportBatch, now).count())


@pytest.fixture
def far_away(settings):
    """A storage that is slow, and workers that count as lost after a second."""
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": f"{__name__}.SlowStorage"}}
    settings.HEARTBEAT_SECONDS = 1
    SEEN.clear()


def test_a_run_shows_life_while_its_adapter_is_kept(project, base, version, admin, far_away) -> None:
    run = actions.request_training(project, base=base, version=version, by=admin, send=False)
    tasks.work(run.pk)
    run.refresh_from_db()
    assert run.state == "succeeded"
    assert SEEN
    assert not any(SEEN)


def test_a_run_shows_life_while_its_folder_is_prepared(project, base, version, admin, settings, monkeypatch) -> None:
    settings.HEARTBEAT_SECONDS = 1
    prepared, lost = tasks.prepared, []

    def slowly(run):
        time.sleep(SLOW)
        lost.append(lifecycle.lost_runs(timezone.now()).count())
        return prepared(run)

    monkeypatch.setattr(tasks, "prepared", slowly)
    run = actions.request_training(project, base=base, version=version, by=admin, send=False)
    tasks.work(run.pk)
    assert lost == [0]


def test_an_import_shows_life_while_its_file_is_fetched(dataset, admin, tmp_path, far_away) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row(number)) + "\n" for number in range(3)))
    batch = datasets.request_import(dataset, path=path, file_name=path.name, by=admin)
    imports.work(batch.pk)
    batch.refresh_from_db()
    assert batch.state == "succeeded"
    assert SEEN
    assert not any(SEEN)
