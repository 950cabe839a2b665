"""Uploaded files between the preview and the import: kept in storage, named by a signed token, cleared after a day."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.core import signing
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone

from evalhub.accounts.models import User
from evalhub.datasets.models import Dataset
from evalhub.errors import Refused
from evalhub.jobs.files import local_file

FOLDER = "incoming"
DAY = 24 * 3600
SALT = "evalhub.datasets.incoming"
GONE = "The uploaded file is no longer here; uploads wait one day. Upload it again."


def keep(upload: "UploadedFile[Any]", *, dataset: Dataset, by: User) -> str:
    """Put the upload aside and return the token that names it, for this dataset and this person."""
    if not upload.size:
        raise Refused(f"{upload.name} is empty: it has no bytes.", field="file")
    _clear_old()
    try:
        name = default_storage.save(f"{FOLDER}/{uuid4().hex}", File(upload))
    except OSError as error:
        raise Refused(f"The file could not be kept: {error.strerror}. Nothing was stored.", field="file") from error
    return signing.dumps([name, Path(upload.name or "file").name, dataset.pk, by.pk], salt=SALT, compress=True)


def _opened(token: str, dataset: Dataset, by: User) -> tuple[str, str]:
    """(name in storage, the file's own name). Raises Refused."""
    try:
        name, file_name, dataset_pk, user_pk = signing.loads(token, salt=SALT, max_age=DAY)
    except signing.BadSignature as error:
        raise Refused(GONE, field="file") from error
    if (dataset_pk, user_pk) != (dataset.pk, by.pk) or not default_storage.exists(name):
        raise Refused(GONE, field="file")
    return name, file_name


@contextmanager
def kept_file(token: str, *, dataset: Dataset, by: User) -> Iterator[tuple[Path, str]]:
    """The file on the local disk, and its own name. Raises Refused if it is gone."""
    name, file_name = _opened(token, dataset, by)
    with default_storage.open(name, "rb") as stored, local_file(stored) as path:
        yield path, file_name


def discard(token: str, *, dataset: Dataset, by: User) -> None:
    """Forget an upload, after the import or because the person changed their mind."""
    name, _ = _opened(token, dataset, by)
    default_storage.delete(name)


def _clear_old() -> None:
    """Uploads that nobody came back for."""
    try:
        names = default_storage.listdir(FOLDER)[1]
    except (FileNotFoundError, NotImplementedError):  # the second: a storage that cannot list
        return
    limit = timezone.now() - timedelta(seconds=DAY)
    for name in names:
        with suppress(FileNotFoundError):  # another upload clears too, and was quicker
            if default_storage.get_modified_time(f"{FOLDER}/{name}") < limit:
                default_storage.delete(f"{FOLDER}/{name}")
