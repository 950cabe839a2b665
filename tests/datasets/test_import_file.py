"""import_file: stored, set aside, unchanged; twice, interrupted, all or nothing."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from evalhub.accounts.models import AuditEvent
from evalhub.datasets import actions, storing, tasks
from evalhub.datasets.models import Dataset, ImportBatch, Revision
from evalhub.errors import Refused
from tests.datasets.conftest import DEMO, row


def imported(dataset, path, by, **options) -> ImportBatch:
    return actions.import_file(dataset, path=path, file_name=path.name, by=by, **options)


def counts(batch: ImportBatch) -> tuple[int, int, int]:
    batch.refresh_from_db()
    return batch.imported, batch.set_aside, batch.unchanged


def test_it_imports_the_shipped_examples_with_documents_and_splits(dataset, admin):
    batch = imported(dataset, DEMO, admin)
    assert counts(batch) == (1540, 0, 0)
    examples = dataset.examples
    assert dict(
        examples.order_by().values_list("category").distinct().values_list("category", "dataset")
    ) == dict.fromkeys(["headline", "meta", "deck"], dataset.pk)
    assert examples.order_by().values("source").distinct().count() == 1197
    assert examples.filter(wanted_split="train").count() == 1251
    assert examples.filter(state="approved").count() == 1540


def test_it_keeps_the_file_the_hash_and_who_did_it(dataset, admin, file):
    batch = imported(dataset, file(row(1)), admin)
    assert default_storage.open(batch.file.name).read() == file(row(1)).read_bytes()
    event = AuditEvent.objects.get(verb="import_file")
    assert (event.actor, event.details["imported"]) == (admin, 1)


def test_it_changes_nothing_when_the_same_file_comes_twice(dataset, admin, file):
    path = file(row(1), row(2), "broken")
    assert counts(imported(dataset, path, admin)) == (2, 1, 0)
    again = imported(dataset, path, admin)
    assert counts(again) == (0, 1, 2)
    assert again.state == "succeeded"
    assert "Nothing new" in again.message
    assert (dataset.examples.count(), Revision.objects.count()) == (2, 2)


def test_it_stores_a_row_once_that_stands_twice_in_the_file(dataset, admin, file):
    assert counts(imported(dataset, file(row(1), row(1, id="other"), row(2)), admin)) == (2, 0, 1)
    assert dataset.examples.get(input="Text 1").key == "r1"


def test_it_does_not_bring_back_what_was_edited(dataset, admin, file):
    path = file(row(1))
    imported(dataset, path, admin)
    actions.edit_example(dataset.examples.get(), by=admin, values={"output": "Better"})
    assert counts(imported(dataset, path, admin)) == (0, 0, 1)
    assert dataset.examples.get().output == "Better"


def test_it_keeps_problems_with_line_field_and_reason(dataset, admin, file):
    batch = imported(dataset, file(row(1), row(2, output=None), "nonsense"), admin)
    assert [(item["line"], item["field"]) for item in batch.problems] == [(2, "output"), (3, "")]
    assert batch.problems[0]["reason"] == "The output is empty."


def test_it_stores_all_or_nothing(dataset, admin, file):
    batch = imported(dataset, file(row(1), row(2, output="")), admin, policy="all-or-nothing")
    assert counts(batch) == (0, 1, 0)
    assert (batch.state, dataset.examples.count()) == ("failed", 0)
    assert "1 of 2 rows have problems" in batch.message
    assert counts(imported(dataset, file(row(1), row(2)), admin, policy="all-or-nothing")) == (2, 0, 0)


def test_it_fails_when_no_row_can_be_stored(dataset, admin, file):
    batch = imported(dataset, file(row(1, output=""), row(2, output="")), admin)
    assert (batch.state, batch.message) == ("failed", "None of the 2 rows could be stored.")


def test_it_leaves_nothing_behind_of_a_file_that_cannot_be_read(dataset, admin, tmp_path):
    path = tmp_path / "a.json"
    path.write_text('[{"instruction": "a", "output": "b"},')
    with pytest.raises(Refused, match="broken JSON"):
        imported(dataset, path, admin)
    assert not ImportBatch.objects.exists()
    assert not dataset.examples.exists()


def test_it_refuses_a_policy_it_does_not_know(dataset, admin, file):
    with pytest.raises(Refused, match="There is no policy “maybe”"):
        imported(dataset, file(row(1)), admin, policy="maybe")


def test_it_tells_how_far_it_is(dataset, admin, file, monkeypatch):
    monkeypatch.setattr(storing, "CHUNK", 2)
    seen = []
    imported(dataset, file(*map(row, range(5))), admin, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]


@pytest.mark.parametrize("policy", ["set-aside", "all-or-nothing"])
def test_it_says_so_when_it_breaks_in_the_middle_and_completes_later(dataset, admin, file, monkeypatch, policy):
    monkeypatch.setattr(storing, "CHUNK", 2)
    path = file(*map(row, range(5)))

    def break_after_the_first_chunk(done, total):
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        imported(dataset, path, admin, policy=policy, progress=break_after_the_first_chunk)
    batch = ImportBatch.objects.get()
    assert (batch.state, dataset.examples.count()) == ("failed", 2 if policy == "set-aside" else 0)
    assert "Import the same file again" in batch.message
    again = imported(dataset, path, admin, policy=policy)
    assert again.imported + again.unchanged == 5
    assert dataset.examples.count() == Revision.objects.count() == 5


KILLED = """
import os, sys, django
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()
from django.conf import settings
from django.db import connections
settings.MEDIA_ROOT = sys.argv[4]
connections["default"].settings_dict["NAME"] = sys.argv[1]
from pathlib import Path
from evalhub.accounts.models import User
from evalhub.datasets import actions, storing
from evalhub.datasets.models import Dataset
storing.CHUNK = 10
def report(done, total):
    print(done, flush=True)
    if done == 30:
        import time; time.sleep(60)
path = Path(sys.argv[2])
actions.import_file(Dataset.objects.get(), path=path, file_name=path.name, by=User.objects.get(username="ines"),
                    policy=sys.argv[3], progress=report)
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("policy", "kept"), [("set-aside", 30), ("all-or-nothing", 0)])
def test_it_neither_doubles_nor_loses_a_row_when_killed(dataset, admin, file, policy, kept, settings):
    path = file(*map(row, range(100)))
    environment = {**os.environ, "EVALHUB_VAR": str(django_settings.VAR)}
    command = [sys.executable, "-c", KILLED, str(connection.settings_dict["NAME"]), str(path), policy]
    command.append(str(settings.MEDIA_ROOT))
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, cwd=Path(__file__).parents[2]
    )
    assert [process.stdout.readline().strip() for _ in range(3)] == ["10", "20", "30"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.2)
    assert dataset.examples.count() == kept
    assert ImportBatch.objects.get().state == "running"
    batch = ImportBatch.objects.get()
    ImportBatch.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=31))
    tasks.sweep()
    tasks.work(batch.pk)
    assert counts(batch) == (100, 0, 0)
    assert (batch.state, batch.done, batch.attempt) == ("succeeded", 100, 2)
    assert dataset.examples.count() == dataset.examples.values("input").distinct().count() == 100
    assert counts(imported(dataset, path, admin, policy=policy)) == (0, 0, 100)


@pytest.mark.django_db(transaction=True)
def test_it_stores_each_row_once_when_two_import_at_the_same_time(dataset, admin, file, monkeypatch):
    monkeypatch.setattr(storing, "CHUNK", 7)
    path = file(*map(row, range(60)))

    def work(_: int) -> ImportBatch:
        try:
            return imported(Dataset.objects.get(), path, admin)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        batches = list(pool.map(work, range(2)))
    assert sum(batch.imported for batch in batches) == 60
    assert sum(batch.unchanged for batch in batches) == 60
    assert dataset.examples.count() == Revision.objects.count() == 60
    assert set(ImportBatch.objects.values_list("state", flat=True)) == {"succeeded"}


@pytest.mark.django_db(transaction=True)
def test_it_numbers_versions_without_gaps_when_two_freeze_at_the_same_time(dataset, admin, file):
    imported(dataset, file(*map(row, range(20))), admin)

    def work(seed: int) -> int:
        try:
            return actions.freeze_version(Dataset.objects.get(), by=admin, seed=seed).number
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(work, [1, 2])) == [1, 2]


def test_it_makes_datasets_with_a_name_once_per_project(project, admin, dataset):
    other = actions.create_dataset(project, name="Content  copy!", by=admin)
    assert other.slug == "content-copy-2"
    with pytest.raises(Refused, match="already has a dataset named “Content copy”"):
        actions.create_dataset(project, name=" Content copy ", by=admin)
    with pytest.raises(Refused, match="needs a name"):
        actions.create_dataset(project, name=" ", by=admin)


def test_it_discards_an_empty_dataset_only(dataset, admin, file):
    imported(dataset, file(row(1)), admin)
    with pytest.raises(Refused, match="only an empty dataset"):
        actions.discard_empty(dataset, by=admin)
    assert Dataset.objects.exists()
