"""A Hugging Face dataset folder, as a ZIP file: which of its files are data, and which side of the split each is.

Three kinds, as the `datasets` library writes and reads them: `save_to_disk` (state.json beside data-*.arrow), a card
(README.md) whose `configs` name the files of each split, and plain files in folders that say "train" or "test".
https://huggingface.co/docs/datasets/repository_structure
"""

import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

import yaml

from evalhub.datasets.formats.limits import MAX_PARTS, check_unpacked
from evalhub.datasets.formats.records import SPLITS, Unreadable

DATA = (".parquet", ".arrow", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".xlsx")
ABOUT = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}
SHARD = re.compile(r"(?P<split>\w+(?:\.\w+)*)-\d{5}-of-\d{5}\b")
BETWEEN = re.compile(r"[-._ 0-9]+")
CARD, STATE = "README.md", "state.json"
LARGEST_CARD = 2**20  # bytes of README.md or state.json that are looked at


@dataclass(frozen=True)
class Part:
    """One data file of a folder: its path there, and the side of the split that folder, card or name give it."""

    path: str
    split: str = ""


def parts_of(archive: zipfile.ZipFile, name: str) -> list[Part]:
    """The data files in order. Raises Unreadable for what is no dataset folder, or means harm."""
    members = [item for item in archive.infolist() if not item.is_dir()]
    _check(members, name)
    paths = sorted(item.filename for item in members if _is_shown(item.filename))
    texts = {path: _short_text(archive, path) for path in paths if PurePosixPath(path).name in (CARD, STATE)}
    found = sorted(_parts(paths, texts, name), key=lambda part: part.path)
    if not found:
        raise Unreadable(f"{name} holds no data file; {', '.join(DATA)} are looked for, each also with .gz.")
    return found


def _check(members: Sequence[zipfile.ZipInfo], name: str) -> None:
    if len(members) > MAX_PARTS:
        raise Unreadable(f"{name} holds {len(members):,} files; at most {MAX_PARTS:,} are looked at.")
    for item in members:
        if _leaves(item.filename):
            raise Unreadable(f"{name} names a path outside of itself: “{item.filename[:80]}”. Pack the folder anew.")
        if item.flag_bits & 1:
            raise Unreadable(f"{name} is locked with a password; pack the folder without one.")
        check_unpacked(f"{item.filename} in {name}", item.file_size, item.compress_size)
    check_unpacked(name, sum(item.file_size for item in members))


def _leaves(path: str) -> bool:
    """Whether a path could point outside of the folder."""
    pure = PurePosixPath(path.replace("\\", "/"))
    return pure.is_absolute() or ".." in pure.parts or ":" in pure.parts[0]


def _is_shown(path: str) -> bool:
    """No hidden file, and not what macOS adds."""
    return not any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(path).parts)


def _short_text(archive: zipfile.ZipFile, path: str) -> str:
    try:
        with archive.open(path) as file:
            return file.read(LARGEST_CARD).decode("utf-8", "replace")
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return ""


def _parts(paths: Sequence[str], texts: Mapping[str, str], name: str) -> list[Part]:
    saved = {path: text for path, text in texts.items() if PurePosixPath(path).name == STATE}
    if saved:
        return [part for path, text in saved.items() for part in _saved(path, text, paths, name)]
    data = [path for path in paths if _is_data(path)]
    for path in sorted((path for path in texts if PurePosixPath(path).name == CARD), key=len):
        if named := _by_card(path, texts[path], data, name):
            return named
    return [Part(path, split_of(path)) for path in data]


def _is_data(path: str) -> bool:
    name = PurePosixPath(path).name.lower()
    return name not in ABOUT and name.removesuffix(".gz").endswith(DATA)


# --- splits by name -----------------------------------------------------------------------------
def split_of(path: str) -> str:
    """The side that a shard's name, a folder or a file name says; empty for none."""
    pure = PurePosixPath(path)
    shard = SHARD.match(pure.name)
    names = [*([shard["split"]] if shard else []), *reversed(pure.parts[:-1]), pure.name.split(".")[0]]
    return next((word for name in names if (word := _side(name))), "")


def _side(name: str) -> str:
    return next((word for word in BETWEEN.split(name.replace("_", "-").casefold()) if word in SPLITS), "")


# --- save_to_disk -------------------------------------------------------------------------------
def _saved(path: str, text: str, paths: Sequence[str], name: str) -> list[Part]:
    """The Arrow files that a state.json names, and their split: its own, or the folder's."""
    try:
        state: Any = json.loads(text)
        files = [str(PurePosixPath(path).parent / item["filename"]) for item in state["_data_files"]]
        split = state.get("_split") or ""
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"In {name}, {path} does not name the data files; save the dataset anew.") from error
    if missing := [file for file in files if file not in paths]:
        raise Unreadable(f"{name} lacks {missing[0]}, which {path} names; pack the whole folder.")
    return [Part(file, _side(str(split)) or split_of(f"{PurePosixPath(path).parent}/data.arrow")) for file in files]


# --- the card's configs -------------------------------------------------------------------------
def _by_card(path: str, text: str, data: Sequence[str], name: str) -> list[Part]:
    """The files that the card's chosen config names; none where it names no files."""
    configs = [item for item in _front_matter(text).get("configs") or () if isinstance(item, dict)]
    named = [item for item in configs if item.get("data_files")]
    if not named:
        return []
    config = _chosen(named, name)
    found: dict[str, Part] = {}
    for split, pattern in _patterns(config["data_files"]):
        full = str(PurePosixPath(path).parent / pattern)
        for file in data:
            if fnmatchcase(file, full):
                found.setdefault(file, Part(file, _side(split) or split_of(file)))
    return list(found.values())


def _front_matter(text: str) -> dict[str, Any]:
    """The YAML at the head of a card; empty where there is none that can be read."""
    _, mark, rest = text.partition("---\n")
    head, end, _ = rest.partition("\n---")
    if not mark or not end or text[:3] != "---":
        return {}
    try:
        found = yaml.safe_load(head)
    except (yaml.YAMLError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _chosen(configs: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    """The only config, the one marked as default, or the one of that name. Raises Unreadable."""
    marked = [item for item in configs if item.get("default") is True or item.get("config_name") == "default"]
    if len(configs) > 1 and not marked:
        names = ", ".join(str(item.get("config_name"))[:40] for item in configs)
        raise Unreadable(f"{name} holds several configurations ({names[:200]}); bring in the files of one of them.")
    return (marked or list(configs))[0]


def _patterns(files: Any) -> list[tuple[str, str]]:
    """(split, pattern) for each pattern of a config's data_files, however they are written."""
    if isinstance(files, str):
        return [("", files)]
    if isinstance(files, dict):
        return [(str(split), str(item)) for split, paths in files.items() for item in _several(paths)]
    pairs = [(item.get("split") or "", item.get("path")) if isinstance(item, dict) else ("", item) for item in files]
    return [(str(split), str(item)) for split, paths in pairs for item in _several(paths)]


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
