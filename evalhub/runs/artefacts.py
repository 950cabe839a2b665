"""Artefacts: adapters in the default storage under artefacts/<hash>/, never changed once whole."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, default_storage

from evalhub.errors import Refused
from runkit.adapters import WEIGHTS, adapter_hash

MANIFEST = "manifest.json"
FORBIDDEN = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".py"}


def check_weights(folder: Path) -> None:
    """Raise Refused where a file of `folder` could run code when it is loaded, or the weights are missing."""
    forbidden = sorted(path.name for path in _files(folder) if path.suffix in FORBIDDEN)
    if forbidden:
        raise Refused(f"Only safetensors are accepted; the folder holds {', '.join(forbidden[:3])}.")
    if not (folder / WEIGHTS).is_file():
        raise Refused(f"The run left no adapter: {WEIGHTS} is missing in its folder.")


def keep_folder(folder: Path) -> tuple[str, str]:
    """Copy an adapter into the storage; (key, hash). Safe to repeat after a crash: the manifest comes last."""
    check_weights(folder)
    content = adapter_hash(folder)
    key = f"artefacts/{content}"
    if not default_storage.exists(f"{key}/{MANIFEST}"):
        names = [path.relative_to(folder).as_posix() for path in _files(folder)]
        for name in names:
            with (folder / name).open("rb") as file:
                _put(default_storage, f"{key}/{name}", File(file))
        _put(default_storage, f"{key}/{MANIFEST}", ContentFile(json.dumps({"hash": content, "files": names}).encode()))
    return key, content


def local_folder(key: str) -> Path:
    """A folder on this machine with the artefact's files: the storage's own, or a copy fetched once."""
    try:
        return Path(default_storage.path(key))
    except NotImplementedError:
        return _fetched(key)


def _fetched(key: str) -> Path:
    target = Path(settings.RUNS_FOLDER) / key
    if target.exists():
        return target
    with default_storage.open(f"{key}/{MANIFEST}") as file:
        names = json.loads(file.read())["files"]
    new = target.with_name(f".{target.name}-{os.getpid()}")
    for name in names:
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        with default_storage.open(f"{key}/{name}") as source, (new / name).open("wb") as copy:
            shutil.copyfileobj(source, copy)
    try:
        new.rename(target)
    except OSError:  # another worker fetched the same files meanwhile
        shutil.rmtree(new)
    return target


def _put(storage: Storage, name: str, content: "File[Any]") -> None:
    """Write under exactly this name, over what a crash may have left."""
    if storage.exists(name):
        storage.delete(name)
    stored = storage.save(name, content)
    if stored != name:
        storage.delete(stored)  # another worker stored the same bytes meanwhile


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
