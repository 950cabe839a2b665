"""Environment variables that libraries read when they are imported, and the versions a result is stored with."""

import importlib.metadata
import os
import platform

QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "MPLBACKEND": "Agg",
}
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}


def prepare(*, offline: bool) -> None:
    """No telemetry, and no contact with a hub when offline. Call before the heavy imports."""
    os.environ.update(QUIET)
    if offline:
        os.environ.update(OFFLINE)


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of `packages` (distribution names) and of Python; a missing one is left out."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
