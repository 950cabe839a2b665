"""From a worker to the terminal: where its file or folder is to lie, looked at before the work and filled after it."""

import os
import shutil
import zipfile
from pathlib import Path

from django.core.files.storage import default_storage
from django.core.management.base import CommandError

from evalhub.errors import Refused
from evalhub.jobs.files import name_of
from evalhub.jobs.models import Job


def destination(path: Path) -> Path:
    """The full path that is asked for. Raises Refused where nothing can be written; missing folders will be made."""
    place = path.resolve()
    name_of(place)
    there = next(folder for folder in (place, *place.parents) if os.access(folder, os.F_OK))
    if there == place and not place.is_dir():
        there = place.parent
    if not there.is_dir():
        raise Refused(f"{path} cannot be written: {there} is no folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise Refused(f"{path} cannot be written: you may not write into {there}.")
    return place


def deliver(job: Job, path: Path) -> None:
    """What the worker wrote, to where it was asked for; the folders above it are made. Raises CommandError."""
    place = path.resolve()
    try:
        if job.output_name == f"{place.name}.zip":
            _unpack(job, place)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            _fetch(job, place)
    except OSError as error:
        kept = f"Its page still has it (job {job.pk})."
        raise CommandError(f"{path} cannot be written: {error.strerror or error}. {kept}") from error


def _unpack(job: Job, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    packed = folder / job.output_name
    _fetch(job, packed)
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)
    packed.unlink()


def _fetch(job: Job, path: Path) -> None:
    """The stored file, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    try:
        with default_storage.open(str(job.output.name), "rb") as stored, part.open("wb") as file:
            shutil.copyfileobj(stored, file)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
