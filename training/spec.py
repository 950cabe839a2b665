"""What a training run is asked to do. Read from RUN_FOLDER/spec.json; light to import (no torch)."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from runkit.folder import RunRefused
from runkit.settings import unknown_settings

Precision = Literal["auto", "bf16", "fp16", "fp32"]
Schedule = Literal["linear", "cosine", "constant"]
Quantization = Literal["none", "4bit"]


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """Settings of one LoRA run. Data stand beside it: train.jsonl and validation.jsonl, rows {"id", "messages"},
    the last message being the answer to learn."""

    base_model: str
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    targets: tuple[str, ...] = ("q_proj", "v_proj")  # or ("all-linear",)
    rslora: bool = False
    learning_rate: float = 2e-4
    epochs: float = 3.0
    batch_size: int = 4
    accumulation: int = 4
    schedule: Schedule = "linear"
    warmup_share: float = 0.0
    weight_decay: float = 0.0
    max_length: int = 1024
    precision: Precision = "auto"
    quantization: Quantization = "none"  # 4bit: the frozen base in NF4, needs a CUDA GPU and bitsandbytes
    gradient_checkpointing: bool = False
    evaluations: int = 6  # evaluations over the whole run, the last step included
    patience: int = 0  # evaluations without improvement before stopping; 0 = never
    min_gain: float = 0.0
    seed: int = 7
    sample_prompts: int = 3
    offline: bool = True
    facts: dict[str, Any] = field(default_factory=dict)  # version, data hash, template: kept beside the adapter

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise RunRefused(" ".join(problems))

    def _problems(self) -> list[str]:
        rules: list[tuple[bool, str]] = [
            (bool(self.base_model), "A base model is needed."),
            (1 <= self.rank <= 256, "Rank must be between 1 and 256."),
            (self.alpha >= 1, "Alpha must be at least 1."),
            (0 <= self.dropout < 1, "Dropout must be at least 0 and less than 1."),
            (len(self.targets) > 0, "At least one target layer is needed."),
            (0 < self.learning_rate < 1, "The learning rate must be between 0 and 1."),
            (0 < self.epochs <= 100, "Epochs must be more than 0 and at most 100."),
            (1 <= self.batch_size <= 1024, "The batch size must be between 1 and 1,024."),
            (1 <= self.accumulation <= 1024, "Accumulation must be between 1 and 1,024."),
            (16 <= self.max_length <= 131072, "The maximum length must be between 16 and 131,072 tokens."),
            (0 <= self.warmup_share < 1, "The warm-up share must be at least 0 and less than 1."),
            (self.weight_decay >= 0, "Weight decay must not be negative."),
            (self.evaluations >= 1, "At least one evaluation is needed."),
            (self.patience >= 0, "Patience must not be negative."),
            (self.min_gain >= 0, "The least gain must not be negative."),
            (self.sample_prompts >= 0, "The number of sample prompts must not be negative."),
            (self.quantization in ("none", "4bit"), "Quantization must be none or 4bit."),
            (self.precision in ("auto", "bf16", "fp16", "fp32"), "Precision must be auto, bf16, fp16 or fp32."),
            (self.schedule in ("linear", "cosine", "constant"), "Schedule must be linear, cosine or constant."),
        ]
        return [sentence for holds, sentence in rules if not holds]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from JSON; raises RunRefused naming an unknown or missing field."""
        known = {item.name for item in fields(cls)}
        unknown = set(values) - known - {"program"}
        if unknown:
            raise RunRefused(unknown_settings("training setting", unknown, SETTINGS))
        cleaned = {name: value for name, value in values.items() if name in known}
        if "targets" in cleaned:
            cleaned["targets"] = tuple(cleaned["targets"])
        try:
            return cls(**cleaned)
        except TypeError as error:
            raise RunRefused(f"The training settings are incomplete: {error}.") from error

    def to_dict(self) -> dict[str, Any]:
        return {"program": "training", **asdict(self), "targets": list(self.targets)}


SETTINGS = tuple(item.name for item in fields(TrainingSpec) if item.name not in ("base_model", "offline", "facts"))
"""What a person may choose."""
