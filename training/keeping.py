"""What a finished run leaves: adapter/ and result.json, each whole or not at all."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from peft import set_peft_model_state_dict
from safetensors.torch import load_file

from runkit.adapters import CONFIG, WEIGHTS, adapter_hash, file_hash
from runkit.folder import read_json, write_json

ADAPTER, FACTS = "adapter", "evalhub.json"


def load_adapter(model: Any, checkpoint: Path) -> None:
    """Put a checkpoint's adapter into `model`. Raises RuntimeError if a tensor finds no place."""
    outcome: Any = set_peft_model_state_dict(model, load_file(checkpoint / WEIGHTS))
    if outcome.unexpected_keys:
        raise RuntimeError(f"The checkpoint's adapter does not fit its model: {outcome.unexpected_keys[:3]}")


def keep_adapter(folder: Path, checkpoint: Path, base_model: str, facts: dict[str, Any]) -> str:
    """Make adapter/ from a checkpoint; returns its hash."""
    target, fresh = folder / ADAPTER, folder / f".{ADAPTER}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    shutil.copyfile(checkpoint / WEIGHTS, fresh / WEIGHTS)
    config = read_json(checkpoint / CONFIG) or {}
    write_json(fresh / CONFIG, {**config, "base_model_name_or_path": base_model, "inference_mode": True})
    digest = adapter_hash(fresh)
    write_json(fresh / FACTS, {**facts, "adapter_hash": digest})
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    return digest


def fingerprint(folder: Path, spec: dict[str, Any]) -> str:
    """What a checkpoint belongs to: the settings and the data. With others, training starts anew."""
    files = [folder / name for name in ("train.jsonl", "validation.jsonl")]
    hashes = [file_hash(path) if path.exists() else "" for path in files]
    return hashlib.sha256(json.dumps([spec, hashes], sort_keys=True).encode()).hexdigest()
