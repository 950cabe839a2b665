"""What can be refused at once, before any heavy import: missing data, no model, weights that could run code."""

import importlib.util
import json
import re
from pathlib import Path

from runkit.folder import RunRefused
from training.spec import TrainingSpec

TRAIN, VALIDATION = "train.jsonl", "validation.jsonl"
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
UNSERVABLE = ("lm_head", "embed_tokens", "wte", "embed_out")


def check(spec: TrainingSpec, folder: Path) -> None:
    """Raise RunRefused with one sentence for what cannot be done as asked."""
    check_data(folder)
    check_base(spec.base_model)
    check_targets(spec.targets)
    if spec.quantization == "4bit" and not importlib.util.find_spec("bitsandbytes"):
        raise RunRefused(
            "A 4-bit base needs an NVIDIA GPU and the package bitsandbytes, which is not installed here; "
            "choose another preset, or set quantization to none."
        )


def check_data(folder: Path) -> None:
    path = folder / TRAIN
    if not path.exists():
        raise RunRefused(f"{TRAIN} is missing from the run's folder.")
    if not path.stat().st_size:
        raise RunRefused("There are no training examples; the version's training split is empty.")


def check_base(reference: str) -> None:
    """A folder must hold a model in safetensors; a hub id is checked when it is loaded."""
    folder = Path(reference)
    if not folder.is_dir():
        if not HUB_ID.fullmatch(reference):
            raise RunRefused(f"The model folder {reference} does not exist.")
        return
    if not (folder / "config.json").exists():
        raise RunRefused(f"{folder} holds no model: config.json is missing.")
    if not any(folder.glob("*.safetensors")):
        raise RunRefused(f"{folder} holds no safetensors weights; other formats can run code and are not loaded.")
    check_own_code(folder)


def check_own_code(folder: Path) -> None:
    """Refuse a model whose configuration is no JSON, or that names Python code as the only way to load it."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunRefused(f"{folder / 'config.json'} is not readable JSON.") from error
    if not isinstance(config, dict) or not config.get("model_type"):
        raise RunRefused(f"{folder / 'config.json'} does not say which kind of model this is (model_type).")


def check_targets(targets: tuple[str, ...]) -> None:
    """Layers whose adapters no engine can serve."""
    unservable = [name for name in targets if name.rpartition(".")[2] in UNSERVABLE]
    if unservable:
        raise RunRefused(f"Adapters on {', '.join(unservable)} cannot be served; leave out head and embeddings.")
