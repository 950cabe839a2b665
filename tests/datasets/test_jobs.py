"""Imports as jobs: asked for, claimed, followed, lost and taken up again; by page and by API."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest
from django.core.files.storage import default_storage
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evalhub import upkeep
from evalhub.accounts.models import AuditEvent
from evalhub.datasets import actions, api, storing, tasks
from evalhub.datasets.models import Dataset, ImportBatch, Revision
from evalhub.errors import FULL, Refused
from evalhub.jobs import lifecycle
from tests.conftest import logged_in
from tests.datasets.conftest import row, worked_off
from tests.datasets.test_api import BASE
from tests.datasets.test_api import upload as sent
from tests.datasets.test_pages import address


@pytest.fixture
def ask(dataset, admin, file):
    """ask(rows…) asks for the import of these rows."""

    def one(*rows: dict | str, path: Path | None = None, **options) -> ImportBatch:
        path = path or file(*rows)
        return actions.request_import(dataset, path=path, file_name=path.name, by=admin, **options)

    return one


def counts(batch: ImportBatch) -> tuple[str, int, int, int]:
    batch.refresh_from_db()
    return batch.state, batch.imported, batch.set_aside, batch.unchanged


def silent(batch: ImportBatch) -> None:
    """As if nothing had been heard of its worker for long."""
    ImportBatch.objects.filter(pk=batch.pk).update(heartbeat_at=timezone.now() - timedelta(seconds=31))


# --- the row ------------------------------------------------------------------------------------
def test_it_waits_with_its_file_and_stores_nothing_by_itself(ask, dataset):
    batch = ask(row(1), row(2))
    assert (batch.state, batch.total, batch.done) == ("queued", 0, 0)
    assert default_storage.exists(batch.file.name)
    assert not dataset.examples.exists()


def test_a_worker_stores_what_the_command_would(ask, dataset):
    batch = ask(row(1), row(1), row(2, output=""), "nonsense", row(3))
    worked_off()
    assert counts(batch) == ("succeeded", 2, 2, 1)
    assert (batch.done, batch.total, batch.attempt, batch.eta_seconds) == (5, 5, 1, None)
    assert [problem["line"] for problem in batch.problems] == [3, 4]
    assert AuditEvent.objects.get(verb="import_file").details["imported"] == 2


def test_a_message_that_comes_twice_does_nothing_the_second_time(ask, dataset):
    batch = ask(row(1))
    tasks.perform(batch.pk)
    tasks.perform(batch.pk)
    assert counts(batch) == ("succeeded", 1, 0, 0)
    assert (batch.attempt, AuditEvent.objects.filter(verb="import_file").count()) == (1, 1)


def test_a_worker_that_was_given_up_stores_nothing_more_and_the_next_goes_on(ask, dataset, monkeypatch):
    monkeypatch.setattr(storing, "CHUNK", 2)
    batch = ask(*map(row, range(3)), row(3, output=""), row(4), row(5))
    first = lifecycle.claim(ImportBatch, batch.pk)
    assert first

    def taken_over(done: int, total: int) -> None:
        silent(batch)
        tasks.sweep()
        assert lifecycle.claim(ImportBatch, batch.pk)

    path = Path(default_storage.path(batch.file.name))
    with pytest.raises(lifecycle.Superseded):
        storing.store_file(first, path, storing.Survey(5, 1), tell=taken_over)
    assert dataset.examples.count() == Revision.objects.count() == 2
    batch.refresh_from_db()
    assert (batch.state, batch.done, batch.imported, batch.attempt) == ("running", 2, 2, 2)
    silent(batch)
    tasks.sweep()
    tasks.work(batch.pk)
    assert counts(batch) == ("succeeded", 5, 1, 0)
    assert len(batch.problems) == 1
    assert dataset.examples.count() == Revision.objects.count() == 5


def test_an_import_is_queued_again_when_its_worker_is_lost_and_fails_at_the_third_time(ask):
    batch = ask(row(1))
    for losses in (1, 2):
        assert lifecycle.claim(ImportBatch, batch.pk)
        silent(batch)
        tasks.sweep()
        batch.refresh_from_db()
        assert (batch.state, batch.losses) == ("queued", losses)
    assert lifecycle.claim(ImportBatch, batch.pk)
    silent(batch)
    tasks.sweep()
    batch.refresh_from_db()
    assert batch.state == "failed"
    assert "Its worker was lost 3 times" in batch.message
    assert "import the same file again" in batch.message


def test_a_worker_that_shows_life_is_left_alone(ask):
    batch = ask(row(1))
    held = lifecycle.claim(ImportBatch, batch.pk)
    assert held
    tasks.sweep()
    silent(batch)
    (seen,) = lifecycle.lost(ImportBatch, timezone.now())
    lifecycle.write(held)
    assert not lifecycle.give_up_on_worker(seen, way_on="")
    assert ImportBatch.objects.get().state == "running"


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_stores_all_in_one_step_is_not_given_up_meanwhile(ask, settings, monkeypatch):
    """Its signs of life cannot be seen before it commits."""
    monkeypatch.setattr(storing, "CHUNK", 2)
    settings.HEARTBEAT_SECONDS = 0
    batch, inside, swept = ask(*map(row, range(4)), policy="all-or-nothing"), Event(), Event()

    def hold(done: int, total: int) -> None:
        inside.set()
        swept.wait(1)  # where the database has one writer, the sweep waits for us

    def store() -> None:
        try:
            held = lifecycle.claim(ImportBatch, batch.pk)
            path = Path(default_storage.path(batch.file.name))
            storing.store_file(held, path, storing.Survey(4, 0), tell=hold)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        storing_it = pool.submit(store)
        assert inside.wait(10)
        tasks.sweep()
        swept.set()
        storing_it.result()
    assert counts(batch) == ("succeeded", 4, 0, 0)
    assert (batch.attempt, batch.losses) == (1, 0)


def test_the_queue_is_told_again_of_an_import_whose_message_is_lost(ask):
    batch = ask(row(1))
    long_ago = timezone.now() - timedelta(seconds=25)
    ImportBatch.objects.update(created_at=long_ago, sent_at=None)
    tasks.sweep()
    batch.refresh_from_db()
    assert batch.sent_at > long_ago
    sent_at = batch.sent_at
    tasks.sweep()
    batch.refresh_from_db()
    assert batch.sent_at == sent_at


# --- what goes wrong ----------------------------------------------------------------------------
def test_a_file_that_cannot_be_read_fails_in_one_sentence(ask, dataset, tmp_path):
    path = tmp_path / "a.json"
    path.write_text('[{"instruction": "a", "output": "b"},')
    batch = ask(path=path)
    worked_off()
    assert counts(batch) == ("failed", 0, 0, 0)
    assert "broken JSON" in batch.message
    assert not dataset.examples.exists()


def test_a_file_that_is_gone_is_said_to_be(ask):
    batch = ask(row(1))
    default_storage.delete(batch.file.name)
    worked_off()
    batch.refresh_from_db()
    assert (batch.state, batch.message) == ("failed", tasks.GONE)


def test_a_full_disk_fails_it_with_the_sentence_and_keeps_what_was_stored(ask, dataset, monkeypatch):
    monkeypatch.setattr(storing, "CHUNK", 2)
    inner = storing.store_rows

    def refuse(batch, rows):
        if batch.done >= 2:
            raise OSError(28, "No space left on device")
        return inner(batch, rows)

    monkeypatch.setattr(storing, "store_rows", refuse)
    batch = ask(*map(row, range(5)))
    worked_off()
    assert counts(batch) == ("failed", 2, 0, 0)
    assert FULL in batch.message


def test_a_database_that_is_away_leaves_it_to_the_sweep(ask, monkeypatch):
    def away(batch, rows):
        raise OperationalError("server closed the connection")

    batch = ask(row(1))
    with monkeypatch.context() as patched:
        patched.setattr(storing, "store_rows", away)
        with pytest.raises(OperationalError):
            tasks.work(batch.pk)
    assert ImportBatch.objects.get().state == "running"
    silent(batch)
    tasks.sweep()
    worked_off()
    assert counts(batch) == ("succeeded", 1, 0, 0)


def test_a_worker_that_is_stopped_hands_it_on(ask, monkeypatch):
    batch = ask(row(1))

    def stopped(batch, rows):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(storing, "store_rows", stopped)
        with pytest.raises(SystemExit):
            tasks.work(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.losses) == ("queued", 0)


def test_a_command_that_is_interrupted_says_so_in_the_row(dataset, admin, file):
    def interrupted(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        actions.import_file(dataset, path=file(row(1)), file_name="rows.jsonl", by=admin, progress=interrupted)
    batch = ImportBatch.objects.get()
    assert (batch.state, batch.imported) == ("failed", 1)
    assert "it was interrupted" in batch.message


def test_a_dataset_is_not_discarded_under_an_import(ask, dataset, admin):
    ask(row(1))
    with pytest.raises(Refused, match="under way"):
        actions.discard_empty(dataset, by=admin)
    assert Dataset.objects.exists()


def test_a_busy_worker_does_what_the_clock_would(ask, settings, transactional_db, monkeypatch):
    done = []
    monkeypatch.setattr(upkeep, "import_string", lambda name: lambda: done.append(name))
    settings.SWEEP_SECONDS = 0
    upkeep.Upkeep()()
    assert {f"evalhub.{room}.tasks.sweep" for room in ("datasets", "jobs", "runs")} <= set(done)

    def locked():
        raise OperationalError("database is locked")

    monkeypatch.setattr(upkeep, "import_string", lambda name: locked)
    upkeep.Upkeep()()


# --- the doors ----------------------------------------------------------------------------------
def test_the_page_shows_how_far_it_is_and_then_the_result(ask, dataset, admin, pm, expert, outsider):
    batch = ask(row(1), row(2))
    live, page = address("batch_live", dataset, batch.pk), address("batch", dataset, batch.pk)
    client = logged_in(pm)
    assert "the next free worker of queue cpu takes it" in client.get(live).content.decode()
    ImportBatch.objects.update(state="running", total=2000, done=500, imported=490, eta_seconds=90, message="")
    shown = client.get(page).content.decode()
    assert "500 of 2,000 rows" in shown
    assert "about 2 min left" in shown
    assert '<progress value="500" max="2000"' in shown
    with CaptureQueriesContext(connection) as asked:
        assert "<html" not in client.get(live).content.decode()
    assert [query["sql"] for query in asked if not query["sql"].startswith("SELECT")] == []
    assert [logged_in(user).get(live).status_code for user in (expert, outsider)] == [403, 404]
    ImportBatch.objects.update(state="succeeded")
    ended = client.get(live)
    assert (ended.status_code, ended.headers["HX-Refresh"]) == (204, "true")
    assert "hx-get" not in client.get(page).content.decode().partition("<main")[2]


def test_the_dataset_says_that_an_import_is_under_way(ask, dataset, admin):
    ask(row(1))
    waiting = logged_in(admin).get(address("detail", dataset)).content.decode()
    assert "<b>rows.jsonl is being imported.</b>" in waiting
    assert "No examples yet" not in waiting
    worked_off()
    assert "is being imported" not in logged_in(admin).get(address("detail", dataset)).content.decode()


def test_the_api_stores_a_small_file_at_once_and_tells_where_a_large_one_is(dataset, admin, monkeypatch):
    client = logged_in(admin)
    assert client.post(f"{BASE}content-copy/imports/", {"file": sent(row(1))}).status_code == 201
    monkeypatch.setattr(api.imports, "HERE_AND_NOW", 10)
    asked = client.post(f"{BASE}content-copy/imports/", {"file": sent(row(1), row(2), row(3, output=""))})
    assert (asked.status_code, asked.json()["state"], asked.json()["imported"]) == (202, "queued", 0)
    worked_off()
    told = client.get(asked["Location"]).json()
    assert {name: told[name] for name in ("state", "total", "done", "imported", "set_aside", "unchanged")} == {
        "state": "succeeded", "total": 3, "done": 3, "imported": 1, "set_aside": 1, "unchanged": 1,
    }  # fmt: skip


def test_the_slower_of_two_clicks_at_once_shows_the_import_of_the_other(dataset, admin, monkeypatch):
    client = logged_in(admin)
    seen = client.get(client.post(address("import", dataset), {"file": sent(row(1))})["Location"])
    token = seen.context["token"]
    first = client.post(address("store", dataset), {"file": token})
    looked = iter([None, ImportBatch.objects.get()])
    monkeypatch.setattr("evalhub.datasets.views.bringing.asked_before", lambda *given: next(looked))
    assert client.post(address("store", dataset), {"file": token})["Location"] == first["Location"]
    assert ImportBatch.objects.count() == 1
