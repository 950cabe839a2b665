"""Bring examples in: import_file here and now, request_import by a worker; stop, try again."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.utils import timezone

from evalhub.accounts.models import User
from evalhub.datasets import storing, tasks
from evalhub.datasets.actions.collections import delete_files
from evalhub.datasets.actions.noting import noted
from evalhub.datasets.columns import MAX_NAME
from evalhub.datasets.formats.packing import as_one_file
from evalhub.datasets.models import Dataset, ImportBatch
from evalhub.datasets.reading import Unreadable, storable
from evalhub.errors import Refused
from evalhub.jobs import lifecycle
from evalhub.jobs.actions import wait_for
from evalhub.jobs.queue import tell_queue
from evalhub.progress import Heard

State = ImportBatch.State


def import_file(
    dataset: Dataset,
    *,
    path: Path,
    file_name: str,
    by: User,
    policy: str = "set-aside",
    mapping: Mapping[str, str] | None = None,
    progress: Heard | None = None,
) -> ImportBatch:
    """Store the rows of a file here and now; what cannot be stored is kept as problems of the batch.

    Idempotent: a row that the dataset has or once had counts as unchanged. set-aside stores in chunks, each in its own
    transaction; all-or-nothing stores in one. The batch's state says whether anything was stored. Where this process
    dies, a worker goes on. `path` may be a dataset folder, which is kept as a ZIP file. Raises Refused, with nothing
    kept, if the file cannot be read.
    """
    _check_policy(policy)
    check_mapping(mapping or {})
    with _one_file(path, file_name) as (file, name):
        return _import_here(dataset, file, _Asked(name, by, policy, dict(mapping or {})), progress)


def _import_here(dataset: Dataset, path: Path, asked: "_Asked", progress: Heard | None) -> ImportBatch:
    found = storing.counted(path, name=asked.file_name, mapping=asked.mapping, policy=asked.policy)
    batch = _open_batch(dataset, path, asked, state=State.RUNNING, attempt=1, heartbeat_at=timezone.now())
    claim = lifecycle.Claim(ImportBatch, batch.pk, attempt=1)
    try:
        return storing.store_file(claim, path, found, tell=progress)
    except lifecycle.Superseded as end:
        raise _overtaken(batch, end) from None
    except BaseException as error:
        tasks.stop(claim, error)
        raise


def request_import(
    dataset: Dataset,
    *,
    path: Path,
    file_name: str,
    by: User,
    policy: str = "set-aside",
    mapping: Mapping[str, str] | None = None,
    request_key: str | None = None,
) -> ImportBatch:
    """Keep the file, and let a worker store its rows as import_file does. The same `request_key` twice is one import.

    Raises Refused for an unknown policy or an odd mapping. A file that cannot be read fails the import, in a sentence.
    """
    _check_policy(policy)
    check_mapping(mapping or {})
    with _one_file(path, file_name) as (file, name):
        asked = _Asked(name, by, policy, dict(mapping or {}))
        try:
            batch = _open_batch(dataset, file, asked, request_key=request_key)
        except IntegrityError:
            return dataset.imports.get(request_key=request_key)
    transaction.on_commit(partial(tell_queue, ImportBatch, batch.pk))
    return batch


def cancel_import(batch: ImportBatch, *, by: User) -> ImportBatch:
    """Stop an import: the rows stored so far stay, of all-or-nothing none. Asking again changes nothing.

    Raises Refused for an import that has ended otherwise.
    """
    batch.refresh_from_db()
    with lifecycle.asked_to_stop(batch), transaction.atomic():
        won = lifecycle.cancel(batch)
        batch.refresh_from_db()
        if won:
            batch.message = f"Stopped by {by}. {_kept(batch)}"
            batch.save(update_fields=["message"])
            noted(batch.dataset, by, "cancel_import", f"import {batch.pk}", imported=batch.imported)
    if batch.state != State.CANCELLED:
        raise Refused(f"This import has already {batch.state}.")
    return batch


def _kept(batch: ImportBatch) -> str:
    if not batch.imported:
        return "Nothing was stored."
    if batch.imported == 1:
        return "One row was stored until then; it stays."
    return f"{batch.imported:,} rows were stored until then; they stay."


def retry_import(batch: ImportBatch, *, by: User) -> ImportBatch:
    """The same file with the same settings again, after the rows it had gone through. A second click changes nothing.

    Raises Refused for an import that has succeeded, has gone through its file, or whose file is no longer kept.
    """
    batch.refresh_from_db()
    if batch.is_live:
        return batch
    if batch.state == State.SUCCEEDED:
        raise Refused("This import has already succeeded.")
    if not batch.file.name or not default_storage.exists(batch.file.name):
        raise Refused(tasks.GONE)
    if not batch.may_go_on:
        raise Refused("This import has gone through all of its file; mend the rows, and import the file again.")
    with transaction.atomic():
        if lifecycle.again(batch):
            noted(batch.dataset, by, "retry_import", f"import {batch.pk}", done=batch.done)
            transaction.on_commit(partial(tell_queue, ImportBatch, batch.pk))
    batch.refresh_from_db()
    return batch


def wait_for_import(
    batch: ImportBatch, *, progress: Heard | None = None, say: Callable[[str], None] | None = None
) -> ImportBatch:
    """Wait until a worker has brought the import to its end; `say` is told now and then that none has taken it."""
    return wait_for(batch, progress=progress, say=say)


def _overtaken(batch: ImportBatch, end: lifecycle.Superseded) -> Refused:
    """Why an import in line had to end: stopped by a person, or taken over by a worker."""
    batch.refresh_from_db()
    if batch.state == State.CANCELLED:
        return Refused(batch.message)
    if isinstance(end, lifecycle.Stopped):
        return Refused("This import was stopped. Nothing was stored.")
    return Refused("This import was silent for so long that a worker has taken it over; its page tells.")


@contextmanager
def _one_file(path: Path, name: str) -> Iterator[tuple[Path, str]]:
    """The file and its name; of a folder a ZIP file of it. Raises Refused."""
    try:
        with as_one_file(path, name) as found:
            yield found
    except Unreadable as error:
        raise Refused(str(error), field="file") from error


def _check_policy(policy: str) -> None:
    if policy not in ImportBatch.Policy.values:
        raise Refused(f"There is no policy “{policy}”; there are {' and '.join(ImportBatch.Policy.values)}.")


def check_mapping(mapping: Mapping[str, str]) -> None:
    """Raises Refused for {field: column} with a name that is too long, or that cannot be kept."""
    for field, column in mapping.items():
        if f"{field}{column}" != storable(f"{field}{column}") or max(len(field), len(column)) > MAX_NAME:
            name = storable(field)[:40]
            raise Refused(
                f"The column for “{name}” is too long, or holds characters that no file has.", field="mapping"
            )


@dataclass(frozen=True)
class _Asked:
    """What a person asked for with a file."""

    file_name: str
    by: User
    policy: str
    mapping: dict[str, str]


def _open_batch(dataset: Dataset, path: Path, asked: _Asked, **life: Any) -> ImportBatch:
    """The import's row with a copy of the file, or neither."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        batch = ImportBatch(
            dataset=dataset,
            file_name=storable(asked.file_name)[:255],
            sha256=digest,
            policy=asked.policy,
            mapping=asked.mapping,
            created_by=asked.by,
            **life,
        )
        batch.file.save(f"{digest[:12]}{Path(asked.file_name).suffix[:10]}", File(file), save=False)
    try:
        with transaction.atomic():
            batch.save()
    except Exception:
        delete_files([str(batch.file.name)])
        raise
    return batch
