"""A two-layer Llama, a byte-level tokenizer and a LoRA adapter, built in code within a second, with run folders."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from runkit.folder import read_json, read_jsonl
from runkit.prompts import encode_prompt, template_fingerprint

torch.set_num_threads(1)  # a toy is fastest on one thread, above all where cores are shared
ROOT = Path(__file__).parents[2]
SPECIAL = ["<pad>", "<s>", "</s>"]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}"
    "{{ eos_token if m['role'] == 'assistant' else '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def toy_tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {token: place for place, token in enumerate([*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<pad>"
    )
    wrapped.chat_template = TEMPLATE
    return wrapped


def toy_model(seed: int = 0) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(SPECIAL) + 256,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.2,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    return LlamaForCausalLM(config)


def save_base(folder: Path, seed: int = 0) -> Path:
    toy_model(seed).save_pretrained(folder)
    toy_tokenizer().save_pretrained(folder)
    return folder


def save_adapter(folder: Path, base: Path, seed: int = 1, rank: int = 4) -> Path:
    """An adapter that changes what `base` says, with random weights in both halves."""
    torch.manual_seed(seed)
    model = get_peft_model(
        LlamaForCausalLM.from_pretrained(base),
        LoraConfig(r=rank, lora_alpha=4 * rank, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
    )
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return folder


def adapter_facts(base: Path, adapter: Path) -> dict[str, Any]:
    """What training records: the template's hash, and the log-probability of some tokens with and without adapter."""
    tokenizer = toy_tokenizer()
    ids = encode_prompt(tokenizer, [{"role": "user", "content": "A bridge opens."}], 100).ids
    plain = LlamaForCausalLM.from_pretrained(base)
    before = log_probability(plain, ids)
    after = log_probability(PeftModel.from_pretrained(plain, adapter), ids)
    return {
        "template": template_fingerprint(tokenizer),
        "probe": {"token_ids": ids, "adapter_logprob": after, "base_logprob": before},
    }


def log_probability(model: Any, ids: list[int]) -> float:
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0]
    return sum(float(logits[place].log_softmax(-1)[token]) for place, token in enumerate(ids[1:]))


def greedy(model: Any, ids: list[int], new: int) -> list[int]:
    """Token by token, the plain way: the largest logit, appended, until the end of turn."""
    made: list[int] = []
    while len(made) < new and (not made or made[-1] != 2):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids + made])).logits[0, -1]
        made.append(int(logits.argmax()))
    return made


def questions(count: int = 6) -> list[dict[str, Any]]:
    texts = [
        "A bridge opens.",
        "Rain",
        "The council met on Tuesday to talk about trees.",
        "Ünïcode 中文",
        "x " * 30,
        "End",
    ]
    return [
        {"id": f"q{place}", "messages": [{"role": "user", "content": f"{place}. {texts[place % len(texts)]}"}]}
        for place in range(count)
    ]


def run_folder(path: Path, spec: dict[str, Any], rows: list[dict[str, Any]] | None = None, name: str = "") -> Path:
    """A run folder with its spec and its input."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "spec.json").write_text(json.dumps(spec))
    if rows is not None:
        name = name or ("pairs.jsonl" if spec.get("task") == "score" else "prompts.jsonl")
        (path / name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def generation(base: Path, **changes: Any) -> dict[str, Any]:
    sampling = {"temperature": 0, "max_tokens": 12, **changes.pop("sampling", {})}
    plain = {"program": "inference", "task": "generate", "base_model": str(base), "latency_prompts": 0}
    return {**plain, "sampling": sampling, **changes}


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **changes}


def started(folder: Path, python: str = sys.executable, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [python, "-m", "inference", str(folder)],
        cwd=ROOT,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def perform(folder: Path, python: str = sys.executable, **variables: str) -> int:
    """Run the program to its end; its exit status."""
    process = started(folder, python, **variables)
    process.communicate(timeout=240)
    return process.returncode


def answers(folder: Path) -> list[dict[str, Any]]:
    return list(read_jsonl(folder / "answers.jsonl"))


def texts(folder: Path) -> dict[str, str]:
    return {row["id"]: row["text"] for row in answers(folder)}


def result(folder: Path) -> dict[str, Any]:
    value = read_json(folder / "result.json")
    assert value is not None, read_json(folder / "error.json")
    return value


def message(folder: Path) -> str:
    return str((read_json(folder / "error.json") or {}).get("message", ""))


def copied(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    return target


def with_wrong_prefix(adapter: Path, target: Path) -> Path:
    """The same adapter under tensor names that no model has: it loads without complaint and changes nothing."""
    copied(adapter, target)
    weights = load_file(adapter / "adapter_model.safetensors")
    renamed = {name.replace("base_model.model.model.", "base_model.model."): value for name, value in weights.items()}
    assert set(renamed) != set(weights)
    save_file(renamed, target / "adapter_model.safetensors")
    return target
