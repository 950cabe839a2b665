"""A disk that is full, by command, API and page: one sentence, and nothing half done."""

import errno
import os
import sqlite3
from urllib.parse import unquote

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.db.utils import ConnectionHandler

from evalhub.datasets import actions, storing
from evalhub.datasets.models import Dataset, ImportBatch
from evalhub.errors import FULL, Refused, as_refusal
from tests.conftest import logged_in
from tests.datasets.conftest import row

PAGE = "/p/content-copy/data/content-copy/"
IMPORTS = "/api/v1/projects/content-copy/datasets/content-copy/imports/"


@pytest.fixture(params=[errno.ENOSPC, errno.EDQUOT])
def full_storage(request, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(FileSystemStorage, "_save", refuse)


@pytest.fixture
def full_database(monkeypatch):
    """The rows of the file meet a database without space."""

    def refuse(*arguments, **options):
        cause = sqlite3.OperationalError("database or disk is full")
        cause.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise OperationalError(*cause.args) from cause

    monkeypatch.setattr(storing, "store_rows", refuse)


def brought(path) -> None:
    call_command("import_examples", str(path), project="content-copy", dataset="Content copy")


def test_a_command_says_it_and_leaves_no_empty_dataset(full_storage, admin, file):
    with pytest.raises(CommandError) as told:
        brought(file(row(1)))
    assert str(told.value) == FULL
    assert not Dataset.objects.exists()


def test_a_command_says_it_of_a_full_database_too(full_database, admin, file, settings):
    with pytest.raises(CommandError, match="no space left"):
        brought(file(row(1)))
    assert not Dataset.objects.exists()
    assert not ImportBatch.objects.exists()


def test_a_command_keeps_a_dataset_that_was_there(full_database, dataset, admin, file):
    with pytest.raises(CommandError, match="no space left"):
        brought(file(row(1)))
    assert FULL in dataset.imports.get(state="failed").message


def test_a_bug_keeps_its_traceback_and_leaves_no_empty_dataset(admin, file, monkeypatch):
    monkeypatch.setattr(storing, "store_rows", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        brought(file(row(1)))
    assert not Dataset.objects.exists()


def test_the_api_says_it_with_409(full_storage, dataset, admin):
    upload = SimpleUploadedFile("rows.jsonl", b'{"instruction": "Ask", "output": "Answer"}')
    answer = logged_in(admin).post(IMPORTS, {"file": upload})
    assert (answer.status_code, answer.json()) == (409, {"detail": FULL})
    assert not dataset.imports.exists()


def test_a_page_says_it_with_409(monkeypatch, dataset, admin, caplog):
    client = logged_in(admin)
    upload = SimpleUploadedFile("rows.jsonl", b'{"instruction": "Ask", "output": "Answer"}')
    token = client.post(f"{PAGE}import/", {"file": upload}).url.partition("?file=")[2]

    def refuse(*arguments, **options):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(FileSystemStorage, "_save", refuse)
    page = client.post(f"{PAGE}import/store/", {"file": unquote(token)})
    assert page.status_code == 409
    assert FULL in page.content.decode()
    assert FULL in caplog.text
    assert not dataset.imports.exists()


def test_a_new_dataset_whose_file_cannot_be_kept_does_not_stay(full_storage, project, admin):
    upload = SimpleUploadedFile("rows.jsonl", b'{"instruction": "Ask", "output": "Answer"}')
    page = logged_in(admin).post("/p/content-copy/data/+new/", {"name": "Letters", "file": upload})
    assert page.status_code == 409
    assert "The file could not be kept" in page.content.decode()
    assert not Dataset.objects.exists()


def test_two_uploads_may_clear_one_old_file(dataset, admin, monkeypatch):
    default_storage.save("incoming/old", ContentFile(b"old"))

    def gone(*arguments):
        raise FileNotFoundError(errno.ENOENT, "gone")

    monkeypatch.setattr(FileSystemStorage, "get_modified_time", gone)
    upload = SimpleUploadedFile("rows.jsonl", b'{"instruction": "Ask", "output": "Answer"}')
    assert logged_in(admin).post(f"{PAGE}import/", {"file": upload}).status_code == 302


def test_no_file_stays_whose_import_the_database_has_no_space_for(dataset, admin, file, monkeypatch, settings):
    def refuse(*arguments, **options):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(ImportBatch, "save", refuse)
    with pytest.raises(OSError, match="full"):
        actions.import_file(dataset, path=file(row(1)), file_name="rows.jsonl", by=admin)
    assert not [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()]


@pytest.mark.django_db
def test_it_knows_sqlites_own_error_through_django():
    small = ConnectionHandler({"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})["default"]
    with small.cursor() as cursor:
        cursor.execute("PRAGMA max_page_count = 2")
        with pytest.raises(OperationalError, match="full") as raised:
            cursor.execute("CREATE TABLE filler AS SELECT randomblob(1000000) AS bytes")
    small.close()
    assert as_refusal(raised.value).message == FULL


def test_it_knows_postgresqls_own_error_and_leaves_bugs_alone():
    psycopg = pytest.importorskip("psycopg")
    wrapped = OperationalError("could not extend file")
    wrapped.__cause__ = psycopg.errors.DiskFull("could not extend file")
    assert as_refusal(wrapped).message == FULL
    assert as_refusal(ValueError("no")) is None
    assert as_refusal(PermissionError(errno.EACCES, "no")) is None
    assert as_refusal(Refused("No.")).message == "No."
