"""An upload that fills the folder for temporary files is refused in a sentence, before any view has begun."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import requests
from django.core.files import uploadedfile
from django.test import Client

from evalhub.accounts.actions import create_token
from evalhub.datasets import actions
from evalhub.datasets.models import Dataset
from evalhub.errors import FULL
from tests.conftest import logged_in

PAGE = "/p/content-copy/data/content-copy/import/"
IMPORTS = "/api/v1/projects/content-copy/datasets/content-copy/imports/"
SIZE = 8 * 2**20  # more than is kept in memory, and more than a socket's buffers hold


class FullFile:
    """A file on Linux's always full device: the system itself says that no space is left."""

    made: ClassVar[list["FullFile"]] = []

    def __init__(self, **options: object) -> None:
        self.made.append(self)
        self.file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 (closed below)

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """At the end no file may still be open: it would go on taking space until the process ends."""
    with pytest.raises(OSError, match="No space left"), FullFile().file as file:
        file.write(b"x")
    monkeypatch.setattr(uploadedfile.tempfile, "NamedTemporaryFile", FullFile)
    yield
    assert [made for made in FullFile.made if not made.file.closed] == []
    assert len(FullFile.made) > 1
    FullFile.made.clear()


@pytest.fixture
def dataset(project, admin) -> Dataset:
    return actions.create_dataset(project, name="Content copy", by=admin)


def sent(session: requests.Session, address: str, **given: object) -> requests.Response:
    return session.post(address, files={"file": ("rows.jsonl", b"x" * SIZE)}, timeout=60, **given)  # type: ignore[arg-type]


@pytest.fixture
def browser(live_server, admin, settings) -> Iterator[requests.Session]:
    """What a browser sends: the session's cookie and the form's token."""
    session = requests.Session()
    session.cookies.set(settings.SESSION_COOKIE_NAME, logged_in(admin).cookies[settings.SESSION_COOKIE_NAME].value)
    session.get(live_server.url + "/login/")
    yield session
    session.close()


@pytest.mark.django_db(transaction=True)
def test_a_page_says_it(full, dataset, browser, live_server, caplog) -> None:
    answer = sent(browser, live_server.url + PAGE, data={"csrfmiddlewaretoken": "any"})
    assert (answer.status_code, FULL in answer.text) == (409, True)
    assert "no space left" in caplog.text.lower()
    assert not dataset.imports.exists()


@pytest.mark.django_db(transaction=True)
def test_a_fragment_says_it_as_a_note(full, dataset, browser, live_server) -> None:
    answer = sent(browser, live_server.url + PAGE, headers={"HX-Request": "true"})
    assert (answer.status_code, FULL in answer.text, "<html" in answer.text) == (409, True, False)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("by_key", [True, False])
def test_the_api_says_it_as_json(full, dataset, admin, browser, live_server, by_key: bool) -> None:
    key = create_token(admin, name="tests")[1]
    session, headers = (requests.Session(), {"Authorization": f"Token {key}"}) if by_key else (browser, {})
    answer = sent(session, live_server.url + IMPORTS, headers=headers)
    assert (answer.status_code, answer.json()) == (409, {"detail": FULL})


@pytest.mark.django_db(transaction=True)
def test_a_bug_stays_a_bug(dataset, admin, live_server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploadedfile.tempfile, "NamedTemporaryFile", lambda **options: 1 / 0)
    client = Client(raise_request_exception=False)
    client.force_login(admin)
    with Path("/dev/zero").open("rb") as zeros:
        answer = client.post(PAGE, {"file": uploadedfile.SimpleUploadedFile("rows.jsonl", zeros.read(3 * 2**20))})
    assert answer.status_code == 500
    assert b"Something broke on our side" in answer.content


def test_it_reads_the_rest_of_what_is_sent(full, dataset, admin) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(admin)
    answer = client.post(PAGE, {"file": uploadedfile.SimpleUploadedFile("rows.jsonl", b"x" * SIZE)})
    assert (answer.status_code, answer.wsgi_request.read()) == (409, b"")
