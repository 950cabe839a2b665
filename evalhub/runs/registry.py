"""What may stand in the registry of models: hub ids, local folders of safetensors, endpoints."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from evalhub.errors import Refused
from evalhub.runs import places

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
PICKLED = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}
KEY_VARIABLE = re.compile(r"EVALHUB_KEY_[A-Z0-9_]+")
HASH_AT_MOST = 512 * 2**20  # bytes; larger weights are identified by their names, sizes and headers
BLOCK = 2**20


def checked_base(reference: str) -> tuple[str, dict[str, Any], str]:
    """(reference, facts, content hash) of a hub id or a local folder; raises Refused with what is wrong."""
    reference = reference.strip()
    if not reference:
        raise Refused("Give a hub id such as Qwen/Qwen3-0.6B, or the path of a folder.", field="reference")
    if not looks_local(reference):
        if not HUB_ID.fullmatch(reference):
            raise Refused(f"“{reference}” is neither a hub id nor the path of a folder.", field="reference")
        return reference, {"source": "hub"}, ""
    folder = places.allowed_folder(Path(reference))
    return str(folder), *checked_folder(folder)


def not_checked(reference: str) -> str:
    """What is said of a hub id: the web asks no hub, so only a run that loads the model can tell."""
    said = f"Whether the hub has {reference} was not checked; that shows when a run first loads it."
    if not settings.OFFLINE:
        return said
    return f"{said} Contact with the hub is switched off here (EVALHUB_OFFLINE), so it must be on this machine already."


def looks_local(reference: str) -> bool:
    return reference.startswith(("/", ".", "~")) or Path(reference).is_dir()


def checked_folder(folder: Path) -> tuple[dict[str, Any], str]:
    """(facts, content hash) of a folder with config.json and safetensors."""
    if not folder.is_dir():
        raise Refused(f"There is no folder {folder} on this machine.", field="reference")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickled = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLED)
        found = f"it holds {pickled[0]}, which can run code when it is loaded" if pickled else "none is there"
        raise Refused(f"Only safetensors are accepted as weights; {found}.", field="reference")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(
            f"{folder.name} has no config.json, so nobody knows its architecture.", field="reference"
        ) from None
    except (ValueError, UnicodeDecodeError):
        raise Refused(f"The config.json of {folder.name} is not JSON.", field="reference") from None
    size = sum(path.stat().st_size for path in weights)
    names = ("model_type", "hidden_size", "num_hidden_layers", "vocab_size", "max_position_embeddings")
    facts = {"source": "folder", "bytes": size, **{name: config[name] for name in names if name in config}}
    return facts, weights_hash(weights, whole=size <= HASH_AT_MOST)


def weights_hash(weights: list[Path], *, whole: bool) -> str:
    """sha256 over the weight files; where they are too large to be read now, over their names, sizes and headers."""
    digest = hashlib.sha256()
    for path in weights:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            if not whole:
                length = int.from_bytes(file.read(8), "little")
                digest.update(file.read(min(length, 64 * BLOCK)))
                continue
            while block := file.read(BLOCK):
                digest.update(block)
    return digest.hexdigest()


def checked_endpoint(reference: str, facts: dict[str, Any]) -> str:
    """The address of an OpenAI-compatible endpoint; raises Refused with what is wrong."""
    parts = urlsplit(reference.strip())
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Refused("The address of an endpoint begins with http:// or https://.", field="reference")
    places.allowed_host(parts)
    if parts.username or parts.password:
        raise Refused("Put the key into an environment variable, not into the address.", field="reference")
    variable = str(facts.get("key_variable", ""))
    if variable and not KEY_VARIABLE.fullmatch(variable):
        raise Refused(
            "The variable that holds the endpoint's key has a name like EVALHUB_KEY_OPENAI.", field="key_variable"
        )
    if variable:
        places.allowed_key(variable, parts)
    return reference.strip().rstrip("/")
