"""Environment variables that libraries read when they are imported, and the versions a result is stored with."""

import importlib.metadata
import os
import platform
from collections.abc import MutableMapping

QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
}
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
PACKAGES = ("torch", "transformers", "peft", "accelerate", "tokenizers", "safetensors", "bitsandbytes")


def prepare(*, offline: bool, environment: MutableMapping[str, str] = os.environ) -> None:
    """No telemetry, no hub contact when offline, and one GPU unless torchrun gave us a rank. Before heavy imports.

    With several GPUs in sight of one process, Trainer would split batches by data parallelism on its own.
    """
    environment.update(QUIET)
    if offline:
        environment.update(OFFLINE)
    if "WORLD_SIZE" not in environment:
        environment["CUDA_VISIBLE_DEVICES"] = environment.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]


def rank() -> int:
    """Which of torchrun's processes this is; 0 without torchrun. Only 0 writes into the folder."""
    return int(os.environ.get("RANK", "0"))


def versions() -> dict[str, str]:
    """Installed versions of what decides a result; a package that is not there is left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
