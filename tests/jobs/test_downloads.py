"""A download that breaks off goes on: ranges as RFC 9110 has them, from a local folder and from a store like S3."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.test import RequestFactory
from django.urls import reverse

from evalhub.accounts.models import Project, User
from evalhub.jobs import downloads
from evalhub.jobs.downloads import part_of_file
from evalhub.jobs.models import Job
from tests.conftest import logged_in

WHOLE = bytes(range(256)) * 5


@pytest.fixture
def job(project: Project, admin: User, settings: Any, tmp_path: Path) -> Job:
    settings.MEDIA_ROOT = tmp_path
    name = default_storage.save("jobs/out/1.bin", ContentFile(WHOLE))
    return Job.objects.create(
        project=project, command="export_examples", title="Export", created_by=admin, state=Job.State.SUCCEEDED,
        output=name, output_name="exemples é.jsonl",
    )  # fmt: skip


def answer(job: Job, **headers: str) -> Any:
    request = RequestFactory().get("/", headers={name.replace("_", "-"): value for name, value in headers.items()})
    return part_of_file(request, job.output, name=job.output_name)


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def test_it_sends_the_whole_file_and_says_that_it_can_go_on(job):
    response = answer(job)
    assert (response.status_code, body(response)) == (200, WHOLE)
    assert (response["Content-Length"], response["Accept-Ranges"]) == (str(len(WHOLE)), "bytes")
    assert "filename*=utf-8''exemples%20%C3%A9.jsonl" in response["Content-Disposition"]
    assert "Content-Range" not in response


@pytest.mark.parametrize(("asked", "first", "last"), [
    ("bytes=0-0", 0, 0), ("bytes=10-19", 10, 19), ("bytes=700-", 700, 1279), ("bytes=-10", 1270, 1279),
    ("bytes=-99999", 0, 1279), ("bytes=1200-99999", 1200, 1279), ("bytes=1279-", 1279, 1279),
])  # fmt: skip
def test_it_sends_the_part_that_is_asked_for(job, asked, first, last):
    response = answer(job, range=asked)
    assert (response.status_code, body(response)) == (206, WHOLE[first : last + 1])
    assert response["Content-Range"] == f"bytes {first}-{last}/{len(WHOLE)}"
    assert response["Content-Length"] == str(last + 1 - first)


@pytest.mark.parametrize("asked", ["bytes=1280-", "bytes=5000-6000", "bytes=-0", "bytes=9-8"])
def test_it_says_how_long_the_file_is_where_the_part_is_outside(job, asked):
    response = answer(job, range=asked)
    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{len(WHOLE)}"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=a-b", "nonsense"])
def test_it_sends_everything_where_it_does_not_understand(job, asked):
    assert (answer(job, range=asked).status_code, body(answer(job, range=asked))) == (200, WHOLE)


def test_it_goes_on_only_with_the_same_file(job):
    tag = answer(job)["ETag"]
    assert answer(job, range="bytes=5-", if_range=tag).status_code == 206
    other = answer(job, range="bytes=5-", if_range='"another"')
    assert (other.status_code, body(other)) == (200, WHOLE)
    job.output.name = default_storage.save("jobs/out/2.bin", ContentFile(b"else"))
    assert answer(job)["ETag"] != tag


def test_a_download_in_many_parts_is_the_file(job, monkeypatch):
    monkeypatch.setattr(downloads, "BLOCK", 7)
    parts = [body(answer(job, range=f"bytes={start}-{start + 99}")) for start in range(0, len(WHOLE), 100)]
    assert b"".join(parts) == WHOLE


class Forwards:
    """An object of a remote store: read from the front, with no way to seek."""

    def __init__(self, path: str) -> None:
        self.file = Path(path).open("rb")  # noqa: SIM115

    def __enter__(self) -> "Forwards":
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def seekable(self) -> bool:
        return False

    def read(self, size: int) -> bytes:
        return self.file.read(size)


class Remote(FileSystemStorage):
    def open(self, name: str, mode: str = "rb") -> Any:
        return Forwards(self.path(name))


def test_it_goes_on_from_a_store_that_cannot_seek(job, monkeypatch):
    monkeypatch.setattr(downloads, "BLOCK", 64)
    job.output.storage = Remote(location=job.output.storage.location)
    assert body(answer(job, range="bytes=700-")) == WHOLE[700:]
    assert body(answer(job, range="bytes=-3")) == WHOLE[-3:]


def test_pages_and_api_serve_parts_to_who_may_see_the_job(job, admin, pm, outsider):
    doors = [
        reverse("jobs:output", args=["content-copy", job.pk]),
        reverse("api-jobs:output", args=["content-copy", job.pk]),
    ]
    for door in doors:
        response = logged_in(admin).get(door, headers={"Range": "bytes=2-3"})
        assert (response.status_code, body(response)) == (206, WHOLE[2:4])
        assert logged_in(pm).get(door).status_code == 404
        assert logged_in(outsider).get(door).status_code == 404
