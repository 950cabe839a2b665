"""A database that another change holds for too long: one sentence and a way on, by page, fragment, API and command."""

import json
import re
import sqlite3
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client

from evalhub.accounts.models import Project, User
from evalhub.errors import BUSY, FULL, as_answer, as_refusal
from tests.conftest import logged_in

NEW = "/projects/new/"
LOCK = {
    "sqlite": ("PRAGMA busy_timeout = 100", "BEGIN IMMEDIATE"),
    "postgresql": (
        "SET lock_timeout = '100ms'", "BEGIN; LOCK TABLE accounts_project, django_session IN SHARE ROW EXCLUSIVE MODE",
    ),
}  # fmt: skip


def locked(code: int = sqlite3.SQLITE_BUSY) -> OperationalError:
    cause = sqlite3.OperationalError("database is locked")
    cause.sqlite_errorcode = code
    error = OperationalError(*cause.args)
    error.__cause__ = cause
    return error


@pytest.fixture
def held(transactional_db: None, admin: User) -> Iterator[Client]:
    """Somebody logged in, while another connection writes; ours waits for a tenth of a second."""
    User.objects.filter(pk=admin.pk).update(is_superuser=True)  # who may make projects
    client = logged_in(admin)
    patience, lock = LOCK[connection.vendor]
    other = connection.copy()
    with other.cursor() as cursor, connection.cursor() as ours:
        ours.execute(patience)
        cursor.execute(lock)
    yield client
    other.close()
    connection.close()  # and with it the short patience


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_SNAPSHOT, sqlite3.SQLITE_LOCKED])
def test_it_knows_a_locked_database_by_sqlites_code(code):
    told = as_answer(locked(code))
    assert told is not None
    assert (told.message, told.status) == (BUSY, 503)


def test_it_knows_a_lock_of_postgresql_and_no_other_failure():
    waited, full, broken = (type("Postgres", (Exception,), {"sqlstate": s})() for s in ("55P03", "53100", "42P01"))
    assert str(as_answer(waited)) == BUSY
    assert str(as_answer(full)) == FULL
    assert as_answer(broken) is None
    assert as_answer(sqlite3.OperationalError("no such table")) is None


def test_a_worker_waits_for_the_database_instead():
    assert as_refusal(locked()) is None


# --- by every door ------------------------------------------------------------------------------
def test_a_page_says_it(held):
    page = held.post(NEW, {"name": "Letters"}, headers={"Referer": f"http://testserver{NEW}"})
    assert (page.status_code, page["Retry-After"]) == (503, "60")
    assert BUSY in page.content.decode()
    assert f'href="http://testserver{NEW}"' in page.content.decode()
    assert not Project.objects.filter(name="Letters").exists()


def test_a_fragment_says_it_as_a_note(held):
    note = held.post(NEW, {"name": "Letters"}, headers={"HX-Request": "true"})
    assert (note.status_code, BUSY in note.content.decode(), "<html" in note.content.decode()) == (503, True, False)


def test_pages_show_such_a_note_in_their_place_for_refusals(held):
    config = re.search(r"name=\"htmx-config\" content='([^']+)'", held.get("/", follow=True).content.decode())
    assert config is not None
    ways = json.loads(config[1])["responseHandling"]
    way = next(way for way in ways if re.search(way["code"], "503"))
    assert (way["swap"], way["target"]) == (True, "#refusal")


def test_the_api_says_it_as_json(held):
    answer = held.post("/api/v1/projects/", {"name": "Letters"})
    assert (answer.status_code, answer["Retry-After"], answer.json()) == (503, "60", {"detail": BUSY})


def test_a_session_that_cannot_be_kept_is_no_fault_of_ours(held):
    held.raise_request_exception = False
    page = held.post("/logout/")
    assert (page.status_code, BUSY in page.content.decode()) == (503, True)


def test_a_command_says_it(held):
    out = StringIO()
    with pytest.raises(CommandError, match="busy with another large change"):
        call_command("create_project", "Letters", "--json", stdout=out)
    assert json.loads(out.getvalue()) == {"error": BUSY}
