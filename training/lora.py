"""The adapter: which layers it sits on, and that nothing else is trained."""

from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training

from runkit.folder import RunRefused
from training.spec import TrainingSpec

ALL_LINEAR = "all-linear"


def attach(model: Any, spec: TrainingSpec) -> PeftModel:
    """`model` with a fresh adapter as the spec asks for; the base is frozen. Raises RunRefused for unknown layers."""
    targets = chosen_targets(model, spec.targets)
    if spec.quantization == "4bit":
        prepare: Any = prepare_model_for_kbit_training
        model = prepare(model, use_gradient_checkpointing=spec.gradient_checkpointing)
    config = LoraConfig(
        r=spec.rank,
        lora_alpha=spec.alpha,
        lora_dropout=spec.dropout,
        target_modules=targets,
        use_rslora=spec.rslora,
        bias="none",
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(spec.seed)
    adapted = get_peft_model(model, config)
    if spec.gradient_checkpointing:
        adapted.enable_input_require_grads()
    return adapted


def chosen_targets(model: Any, targets: tuple[str, ...]) -> str | list[str]:
    """What peft is given: its own word for all linear layers, or names that exist in the model."""
    if ALL_LINEAR in targets:
        return ALL_LINEAR
    there = linear_names(model)
    missing = [name for name in targets if not any(full == name or full.endswith(f".{name}") for full in there)]
    if missing:
        known = ", ".join(sorted({name.rpartition(".")[2] for name in there}))
        raise RunRefused(f"The model has no layer {', '.join(missing)} to tune; it has {known}.")
    return list(targets)


def linear_names(model: Any) -> list[str]:
    """Full names of the layers that can carry an adapter: linear ones other than the output head."""
    head = model.get_output_embeddings()
    return [name for name, part in model.named_modules() if part is not head and _is_linear(part)]


def _is_linear(part: torch.nn.Module) -> bool:
    return isinstance(part, torch.nn.Linear) or type(part).__name__ in {"Conv1D", "Linear4bit", "Linear8bitLt"}


def trained_parameters(model: Any) -> tuple[int, int]:
    """How many numbers are trained, and how many there are."""
    every = list(model.parameters())
    return sum(p.numel() for p in every if p.requires_grad), sum(p.numel() for p in every)
