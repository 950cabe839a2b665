"""An adapter's folder: the names of its files, and the one hash by which an adapter is known everywhere."""

import hashlib
from pathlib import Path

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def adapter_hash(folder: Path) -> str:
    """SHA-256 (hex) of the adapter's weights: what `sha256sum adapter_model.safetensors` prints."""
    return file_hash(folder / WEIGHTS)


def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
