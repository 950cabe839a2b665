"""The base model, its tokenizer, and the device and precision in which they run."""

import importlib.util
import inspect
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, GenerationConfig

from runkit.folder import RunFolder, RunRefused
from runkit.prompts import ensure_template
from training.batches import Layout
from training.sentences import model_unavailable
from training.spec import TrainingSpec

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


@dataclass(frozen=True)
class Machine:
    """Where and how the numbers are computed."""

    device: str  # "cpu" or "cuda"
    name: str
    precision: str  # bf16, fp16 or fp32: what really runs

    @property
    def dtype(self) -> torch.dtype:
        return DTYPES[self.precision]

    @property
    def half(self) -> bool:
        return self.precision != "fp32"


def machine(spec: TrainingSpec, folder: RunFolder) -> Machine:
    """The device there is and the precision it can do; what differs from the wish is said."""
    cuda = torch.cuda.is_available()
    if spec.quantization == "4bit" and not cuda:
        raise RunRefused("A 4-bit base needs an NVIDIA GPU, and there is none here; choose another preset.")
    threads = torch.get_num_threads()
    name = torch.cuda.get_device_name() if cuda else f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    precision = best_precision(cuda=cuda) if spec.precision == "auto" else spec.precision
    if precision == "fp16" and not cuda:
        folder.emit("warning", text="fp16 does not run on a CPU; fp32 is used.")
        precision = "fp32"
    if precision == "bf16" and cuda and not torch.cuda.is_bf16_supported(including_emulation=False):
        folder.emit("warning", text="This GPU has no bf16; fp16 is used.")
        precision = "fp16"
    folder.log(f"Running on {name} in {precision}.")
    return Machine("cuda" if cuda else "cpu", name, precision)


def best_precision(*, cuda: bool) -> str:
    """bf16 where the hardware has it; else fp16 on a GPU and fp32 on a CPU."""
    if cuda:
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "fp32"


def load_tokenizer(spec: TrainingSpec, folder: RunFolder) -> Any:
    """The base's tokenizer with a chat template and a padding token. Raises RunRefused."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            spec.base_model, trust_remote_code=False, local_files_only=spec.offline
        )
    except Exception as error:
        raise model_unavailable(spec.base_model, offline=spec.offline, error=error) from error
    if tokenizer.eos_token_id is None:
        raise RunRefused(f"The tokenizer of {spec.base_model} has no end-of-sequence token; it could never stop.")
    if not ensure_template(tokenizer):
        folder.emit("warning", text="The base model has no chat template; a plain one (text, then “Answer:”) is used.")
    return tokenizer


def load_base(spec: TrainingSpec, machine: Machine) -> Any:
    """The frozen base in the run's precision, safetensors only, its code never run. Raises RunRefused."""
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            spec.base_model,
            dtype=machine.dtype,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=spec.offline,
            quantization_config=four_bits(machine) if spec.quantization == "4bit" else None,
            attn_implementation="flash_attention_2" if has_flash_attention(machine) else None,
        )
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise model_unavailable(spec.base_model, offline=spec.offline, error=error) from error
    model.generation_config = GenerationConfig.from_dict({})  # its own defaults would bend the sample answers
    return model if spec.quantization == "4bit" else model.to(machine.device)


def four_bits(machine: Machine) -> Any:
    """QLoRA's setting (Dettmers et al. 2023): NF4, constants quantized too."""
    settings = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
    make: Any = BitsAndBytesConfig.from_dict
    return make({**settings, "bnb_4bit_compute_dtype": machine.dtype})


def has_flash_attention(machine: Machine) -> bool:
    return machine.device == "cuda" and machine.half and importlib.util.find_spec("flash_attn") is not None


def layout_for(model: Any) -> Layout:
    """Packed where attention reads borders from positions; padded elsewhere; plain where logits cannot be left out."""
    if "logits_to_keep" not in inspect.signature(model.forward).parameters:
        return "plain"
    return "packed" if str(model.config._attn_implementation).startswith("flash") else "padded"


def context_length(model: Any) -> int:
    """The longest sequence the base knows positions for; 0 where it does not say."""
    config = model.config.get_text_config()
    return int(getattr(config, "max_position_embeddings", 0) or 0)
