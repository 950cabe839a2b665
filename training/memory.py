"""How much memory a run will need, by part: a pure estimate from the model's shape and the settings. No torch.

Weights and optimizer are exact; activations follow Korthikanti et al. 2022 (arXiv:2205.05198, eq. 2), less the
attention matrix, which fused attention does not keep. Expect the truth within a third of the total.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.spec import TrainingSpec

LINEAR_NAMES = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
LOGIT_BYTES = 10  # per position and vocabulary entry: half-precision logits, their float copy, and its gradient
OVERHEAD = 0.6e9  # libraries and, on a GPU, the CUDA context


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """The numbers of a base model that decide its memory."""

    parameters: int
    hidden: int
    layers: int
    feed_forward: int
    vocabulary: int
    key_value_share: float  # key-value heads per query head


@dataclass(frozen=True, kw_only=True)
class MemoryEstimate:
    """Bytes by part."""

    weights: int
    adapter: int
    optimizer: int
    activations: int
    logits: int
    overhead: int

    @property
    def total(self) -> int:
        return self.weights + self.adapter + self.optimizer + self.activations + self.logits + self.overhead

    def sentence(self) -> str:
        parts = (
            ("weights", self.weights),
            ("adapter and optimizer", self.adapter + self.optimizer),
            ("activations", self.activations),
            ("logits", self.logits),
            ("libraries", self.overhead),
        )
        shown = ", ".join(f"{name} {gigabytes(size)}" for name, size in parts)
        return f"About {gigabytes(self.total)} of memory: {shown}."


def gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"


def estimate(
    shape: ModelShape, spec: TrainingSpec, *, half: bool, labelled_tokens: int | None = None
) -> MemoryEstimate:
    """Peak bytes of a training step. `labelled_tokens` of a micro-batch get logits; all of them where unknown."""
    tokens = spec.batch_size * spec.max_length
    width = 2 if half else 4
    trained = adapter_parameters(shape, spec)
    base_width = 0.56 if spec.quantization == "4bit" else width  # NF4 with its double-quantized constants
    return MemoryEstimate(
        weights=int(shape.parameters * base_width),
        adapter=trained * 4 * 2,  # float32 weights and gradients
        optimizer=trained * 4 * 2,  # Adam's two moments
        activations=activation_bytes(shape, tokens, width, checkpointing=spec.gradient_checkpointing),
        logits=(labelled_tokens or tokens) * shape.vocabulary * LOGIT_BYTES,
        overhead=int(OVERHEAD),
    )


def adapter_parameters(shape: ModelShape, spec: TrainingSpec) -> int:
    """Trainable numbers: rank × (in + out) for each target, in each layer."""
    hidden, wide = shape.hidden, shape.feed_forward
    keys = int(hidden * shape.key_value_share)
    sizes = {
        "q_proj": (hidden, hidden),
        "k_proj": (hidden, keys),
        "v_proj": (hidden, keys),
        "o_proj": (hidden, hidden),
        "gate_proj": (hidden, wide),
        "up_proj": (hidden, wide),
        "down_proj": (wide, hidden),
    }
    targets = LINEAR_NAMES if "all-linear" in spec.targets else set(spec.targets)
    return shape.layers * sum(spec.rank * sum(sizes.get(name, (hidden, hidden))) for name in targets)


def activation_bytes(shape: ModelShape, tokens: int, width: int, *, checkpointing: bool) -> int:
    """Kept for the backward pass: about 17 hidden widths per token and layer at two bytes, or one when recomputed."""
    layer = tokens * shape.hidden * width
    if checkpointing:
        return shape.layers * layer + 17 * layer
    return shape.layers * 17 * layer


def model_shape(folder: Path) -> ModelShape | None:
    """Read from config.json and the headers of the safetensors; None where they do not say."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        parameters = sum(count_parameters(path) for path in folder.glob("*.safetensors"))
        return shape_of(config.get("text_config", config), parameters)
    except (OSError, ValueError, KeyError, struct.error):
        return None


def shape_of(config: dict[str, Any], parameters: int) -> ModelShape:
    heads = config["num_attention_heads"]
    return ModelShape(
        parameters=parameters,
        hidden=config["hidden_size"],
        layers=config["num_hidden_layers"],
        feed_forward=config.get("intermediate_size") or 4 * config["hidden_size"],
        vocabulary=config["vocab_size"],
        key_value_share=(config.get("num_key_value_heads") or heads) / heads,
    )


def count_parameters(path: Path) -> int:
    """The number of weights in a safetensors file, from its header alone."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return sum(_product(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def _product(shape: list[int]) -> int:
    result = 1
    for size in shape:
        result *= size
    return result
