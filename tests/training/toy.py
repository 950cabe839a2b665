"""A two-layer Llama with a byte-level tokenizer, built in code, and run folders for it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from runkit.folder import EventReader, read_json
from training.data import Example, encode_rows
from training.spec import TrainingSpec

ROOT = Path(__file__).parents[2]
SPECIAL = ["<pad>", "<s>", "</s>"]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'assistant' %}{{ m['content'] + eos_token }}{% else %}{{ m['content'] + '>' }}{% endif %}"
    "{% endfor %}"
)


def tokenizer(*, pad: str = "<pad>") -> PreTrainedTokenizerFast:
    """One token per byte; with pad="</s>", padding and end of turn are one token, as in many real models."""
    vocabulary = {token: place for place, token in enumerate([*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token=pad, bos_token="<s>", eos_token="</s>")
    wrapped.chat_template = TEMPLATE
    return wrapped


def model(seed: int = 0) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(SPECIAL) + 256,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=256,
            initializer_range=0.2,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        )
    )


def save_base(folder: Path) -> Path:
    model().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


TEXTS = (
    "A bridge",
    "Rain on Tuesday",
    "The council met",
    "Trees",
    "Ünïcode 中",
    "A much longer piece of text",
    "x",
    "End",
)


def rows(count: int = 8) -> list[dict[str, Any]]:
    """Prompts of different lengths, each with an answer of its own."""
    return [
        row(f"e{place}", f"{place} {TEXTS[place % len(TEXTS)]}", f"answer {'abcdefgh'[place % 8] * (1 + place % 5)}")
        for place in range(count)
    ]


def row(key: str, prompt: str, answer: str) -> dict[str, Any]:
    return {"id": key, "messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]}


def examples(count: int = 8, max_length: int = 64) -> list[Example]:
    return encode_rows(tokenizer(), rows(count), max_length).examples


SPEC: dict[str, Any] = {
    "rank": 4,
    "alpha": 8,
    "dropout": 0.0,
    "learning_rate": 0.01,
    "epochs": 2,
    "batch_size": 4,
    "accumulation": 2,
    "max_length": 64,
    "precision": "fp32",
    "evaluations": 2,
    "sample_prompts": 1,
}


def spec(base: Path | str = "base", **changes: Any) -> TrainingSpec:
    return TrainingSpec.from_dict({**SPEC, "base_model": str(base), **changes})


def run_folder(path: Path, base: Path | str, *, train: int = 8, validation: int = 4, **changes: Any) -> Path:
    path.mkdir(parents=True)
    write_rows(path / "train.jsonl", rows(train))
    write_rows(path / "validation.jsonl", rows(train + validation)[train:])
    (path / "spec.json").write_text(json.dumps({"program": "training", **SPEC, "base_model": str(base), **changes}))
    return path


def write_rows(path: Path, some: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in some), encoding="utf-8")


def start(folder: Path, **variables: str) -> subprocess.Popen[str]:
    """`python -m training FOLDER`, as a worker starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "training", str(folder)],
        cwd=ROOT,
        env={**os.environ, **variables},
        stderr=subprocess.PIPE,
        text=True,
    )


def events(folder: Path, kind: str = "") -> list[dict[str, Any]]:
    return [event for event in EventReader(folder).new() if not kind or event["kind"] == kind]


def steps_done(folder: Path) -> int:
    return max((event["step"] for event in events(folder, "metric")), default=-1)


def result(folder: Path) -> dict[str, Any]:
    return read_json(folder / "result.json") or {}


def error(folder: Path) -> str:
    return str((read_json(folder / "error.json") or {}).get("message", ""))


def wait_until(holds: Callable[[], bool], seconds: float = 180.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
