"""Imports that are stopped, and that are tried again: nothing half stored, no row twice; by page, API and home."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from django.core.files.storage import default_storage
from django.db import connection

from evalhub.accounts.models import AuditEvent
from evalhub.datasets import actions, storing, tasks
from evalhub.datasets.models import ImportBatch, Revision
from evalhub.errors import Refused
from evalhub.jobs import lifecycle
from tests.conftest import logged_in
from tests.datasets.conftest import row, worked_off
from tests.datasets.test_api import BASE
from tests.datasets.test_jobs import ask, counts
from tests.datasets.test_pages import address

__all__ = ["ask"]  # a fixture


def test_one_that_waits_is_stopped_at_once_and_stores_nothing(ask, admin, dataset):
    batch = actions.cancel_import(ask(row(1)), by=admin)
    worked_off()
    tasks.work(batch.pk)
    assert counts(batch) == ("cancelled", 0, 0, 0)
    assert batch.message == "Stopped by ines. Nothing was stored."
    assert batch.finished_at
    actions.cancel_import(batch, by=admin)
    assert AuditEvent.objects.filter(verb="cancel_import").count() == 1


def between_chunks(batch: ImportBatch, admin):
    """What a worker is told after its first chunk: a person stops the import."""
    return lambda done, total: actions.cancel_import(batch, by=admin)


def test_the_rows_stored_so_far_stay_and_trying_again_goes_on_after_them(ask, admin, dataset, monkeypatch):
    monkeypatch.setattr(storing, "CHUNK", 2)
    batch = ask(*map(row, range(4)), row(4, output=""), row(5))
    held = lifecycle.claim(ImportBatch, batch.pk)
    path = Path(default_storage.path(batch.file.name))
    with pytest.raises(lifecycle.Superseded):
        storing.store_file(held, path, storing.Survey(6, 1), tell=between_chunks(batch, admin))
    assert counts(batch) == ("cancelled", 2, 0, 0)
    assert batch.message == "Stopped by ines. 2 rows were stored until then; they stay."
    assert dataset.examples.count() == Revision.objects.count() == 2
    actions.retry_import(batch, by=admin)
    assert actions.retry_import(batch, by=admin).state == "queued"
    assert AuditEvent.objects.filter(verb="retry_import").count() == 1
    worked_off()
    assert counts(batch) == ("succeeded", 5, 1, 0)
    assert dataset.examples.count() == Revision.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_one_that_stores_all_in_one_step_is_stopped_within_five_seconds_and_stores_nothing(
    ask, admin, dataset, monkeypatch
):
    monkeypatch.setattr(storing, "CHUNK", 1)
    batch, inside = ask(*map(row, range(3000)), policy="all-or-nothing"), Event()

    def tell(done: int, total: int) -> None:
        inside.set()
        time.sleep(0.02)

    def store() -> None:
        try:
            held = lifecycle.claim(ImportBatch, batch.pk)
            storing.store_file(held, Path(default_storage.path(batch.file.name)), storing.Survey(3000, 0), tell=tell)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        storing_it = pool.submit(store)
        assert inside.wait(10)
        asked = time.monotonic()
        actions.cancel_import(batch, by=admin)
        assert time.monotonic() - asked < 5
        with pytest.raises(lifecycle.Stopped):
            storing_it.result()
    assert counts(batch) == ("cancelled", 0, 0, 0)
    assert not dataset.examples.exists()
    assert not default_storage.exists(lifecycle.stop_mark(ImportBatch, batch.pk, 1))
    actions.retry_import(batch, by=admin)
    ImportBatch.objects.update(sent_at=None)
    assert lifecycle.claim(ImportBatch, batch.pk).attempt == 2


def test_a_command_that_is_stopped_on_the_page_says_so(dataset, admin, file, monkeypatch):
    monkeypatch.setattr(storing, "CHUNK", 1)

    def stop(done: int, total: int) -> None:
        actions.cancel_import(ImportBatch.objects.get(), by=admin)

    with pytest.raises(Refused, match=r"Stopped by ines\. One row was stored until then; it stays\."):
        actions.import_file(dataset, path=file(row(1), row(2)), file_name="a.jsonl", by=admin, progress=stop)


def test_one_that_ended_is_not_stopped_and_only_what_can_go_on_is_tried_again(ask, admin):
    batch = ask(row(1))
    worked_off()
    with pytest.raises(Refused, match="already succeeded"):
        actions.cancel_import(batch, by=admin)
    with pytest.raises(Refused, match="already succeeded"):
        actions.retry_import(batch, by=admin)
    whole = ask(row(1), row(2, output=""), policy="all-or-nothing")
    worked_off()
    with pytest.raises(Refused, match="gone through all of its file"):
        actions.retry_import(whole, by=admin)
    gone = actions.cancel_import(ask(row(3)), by=admin)
    default_storage.delete(gone.file.name)
    with pytest.raises(Refused, match="no longer kept"):
        actions.retry_import(gone, by=admin)


def test_the_page_stops_and_tries_again_for_admins_only(ask, dataset, admin, pm, expert, outsider):
    batch = ask(row(1))
    page = address("batch", dataset, batch.pk)
    for name in ("cancel_import", "retry_import"):
        door = address(name, dataset, batch.pk)
        assert [logged_in(user).post(door).status_code for user in (pm, expert, outsider)] == [403, 403, 404]
        assert logged_in(admin).get(door).status_code == 405
        assert door not in logged_in(pm).get(page).content.decode()
    client = logged_in(admin)
    assert address("cancel_import", dataset, batch.pk) in client.get(page).content.decode()
    stopped = client.post(address("cancel_import", dataset, batch.pk), follow=True).content.decode()
    assert "Stopped by ines. Nothing was stored." in stopped
    assert "Try again" in stopped
    assert ", stopped" in client.get(address("import", dataset)).content.decode()
    again = client.post(address("retry_import", dataset, batch.pk), follow=True).content.decode()
    assert "Asked for again; waiting to go on." in again
    worked_off()
    ended = client.post(address("cancel_import", dataset, batch.pk), follow=True).content.decode()
    assert "This import has already succeeded." in ended
    assert "Try again" not in ended


def test_the_api_stops_and_tries_again(ask, admin, pm, expert, outsider):
    one = f"{BASE}content-copy/imports/{ask(row(1)).pk}/"
    for verb in ("cancel", "retry"):
        codes = [logged_in(user).post(f"{one}{verb}/").status_code for user in (pm, expert, outsider)]
        assert codes == [403, 403, 404]
    client = logged_in(admin)
    stopped = client.post(f"{one}cancel/")
    assert (stopped.status_code, stopped.json()["state"]) == (200, "cancelled")
    again = client.post(f"{one}retry/")
    assert (again.status_code, again.json()["state"], again["Location"]) == (202, "queued", one)
    worked_off()
    assert client.get(one).json()["state"] == "succeeded"
    late = client.post(f"{one}cancel/")
    assert (late.status_code, late.json()["detail"]) == (409, "This import has already succeeded.")


def test_home_lists_it_while_it_is_under_way(ask, project, pm):
    ask(row(1))
    client = logged_in(pm)
    assert "Import of rows.jsonl" in client.get(f"/p/{project.slug}/under-way/").content.decode()
    ImportBatch.objects.update(state="running", total=2000, done=500)
    shown = client.get(f"/p/{project.slug}/").content.decode()
    assert "500 of 2,000 rows" in shown
    ImportBatch.objects.update(state="succeeded")
    assert "No run or import is under way." in client.get(f"/p/{project.slug}/under-way/").content.decode()
