"""Model and adapter folders: what may be loaded (safetensors only), and what to say when it cannot. Light to import."""

import json
import re
from pathlib import Path
from typing import Any

from runkit.adapters import CONFIG, WEIGHTS, adapter_hash
from runkit.folder import RunRefused

UNSUPPORTED = ("use_dora", "modules_to_save", "trainable_token_indices")
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def check_base(reference: str) -> None:
    """Refuse a folder that is no model, or one whose weights are not safetensors. A hub id is checked on loading."""
    folder = Path(reference)
    if folder.is_dir():
        if not (folder / "config.json").exists():
            raise RunRefused(f"{folder} holds no model: config.json is missing.")
        if not any(folder.glob("*.safetensors")):
            raise RunRefused(f"{folder} holds no safetensors weights; other formats can run code and are not loaded.")
    elif not HUB_ID.fullmatch(reference):
        raise RunRefused(f"The model folder {reference} does not exist.")


def check_adapter(path: str, recorded_hash: str = "") -> None:
    """Refuse an adapter that is missing, not safetensors, of a kind not served, or changed since training."""
    if not path:
        return
    folder = Path(path)
    if not (folder / CONFIG).exists():
        raise RunRefused(f"There is no adapter in {folder}: {CONFIG} is missing.")
    if not (folder / WEIGHTS).exists():
        raise RunRefused(f"The adapter in {folder} holds no safetensors weights; other formats are not loaded.")
    config = adapter_config(path)
    unsupported = [name for name in UNSUPPORTED if config.get(name)]
    if config.get("bias", "none") != "none":
        unsupported.append("bias")
    if unsupported:
        raise RunRefused(f"The adapter in {folder} uses {', '.join(unsupported)}, which cannot be served.")
    if recorded_hash and adapter_hash(folder) != recorded_hash:
        raise RunRefused(f"The adapter in {folder} is not the one that was trained: its weights have changed since.")


def adapter_config(path: str) -> dict[str, Any]:
    try:
        config = json.loads((Path(path) / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunRefused(f"{Path(path) / CONFIG} cannot be read.") from error
    return dict(config) if isinstance(config, dict) else {}


def adapter_rank(path: str) -> int:
    """The largest rank in the adapter, layer patterns included."""
    config = adapter_config(path)
    return max(int(config.get("r", 0)), *map(int, (config.get("rank_pattern") or {}).values()), 1)


def unavailable(reference: str, *, offline: bool, error: Exception) -> RunRefused:
    """The sentence for a base model that could not be loaded."""
    text = " ".join(str(error).split())
    if Path(reference).is_dir():
        return RunRefused(f"The model in {reference} cannot be loaded: {text[:200]}")
    if "safetensors" in text:
        return RunRefused(f"The model {reference} offers no safetensors weights; other formats are not loaded.")
    if offline:
        return RunRefused(
            f"The model {reference} is not on this machine, and contact with the hub is switched off; "
            "name a local folder, or allow the network (EVALHUB_OFFLINE=0)."
        )
    return RunRefused(
        f"The model {reference} could not be had: no such model on the hub, access not granted, or no network."
    )
