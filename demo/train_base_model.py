"""Makes the demo base model from nothing: `python demo/train_base_model.py --out FOLDER` (about 15 minutes, 2 cores).

Two phases. First a curriculum of copying on random token strings, without which no copying circuit forms in so small
a budget; then seven million tokens of text (corpus.py). Muon trains the matrices, AdamW the rest. Everything is
seeded; the threads are OMP_NUM_THREADS.
"""

import argparse
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from corpus import documents, reading
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

COMMITTED = Path(__file__).with_name("base_model")
SPECIAL_NAMES, SPECIAL = ("pad_token", "bos_token", "eos_token"), ("<pad>", "<s>", "</s>")
COPIED = ("chat_template.jinja", "tokenizer_config.json", "generation_config.json", "README.md")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What was tried and found good; see the model card."""

    vocabulary: int = 4096
    hidden: int = 192
    layers: int = 6
    heads: int = 3
    feed_forward: int = 512
    context: int = 512
    copy_steps: int = 2000  # at most; each stage ends when it is learned
    learned: float = 1.0  # nats per token, averaged over steps
    tokens: int = 7_000_000
    plain_share: float = 0.35
    batch: int = 8
    length: int = 384
    learning_rate: float = 3e-3
    warmup_steps: int = 100
    decay_share: float = 0.4
    copy_every: int = 8
    copy_weight: float = 0.3
    seed: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the model; must not hold one yet")
    parser.add_argument("--steps", type=int, default=0, help="stop phase two after so many steps, for a trial")
    options = parser.parse_args()
    if (options.out / "model.safetensors").exists():
        parser.error(f"{options.out} holds a model already.")
    make(Recipe(), options.out, options.steps)


def make(recipe: Recipe, out: Path, most_steps: int = 0) -> None:
    """Tokenizer, both phases, evaluation; writes a model folder and training.json beside the weights."""
    torch.manual_seed(recipe.seed)
    started = time.monotonic()
    texts = documents("B")
    tokenizer = make_tokenizer(texts, recipe)
    model = LlamaForCausalLM(shape(recipe))
    optimizers = Optimizers(model, recipe.learning_rate)
    learn_to_copy(model, optimizers, recipe)
    stream = token_stream(tokenizer, texts, recipe)
    validation = documents("V")
    steps = read_text(model, optimizers, stream, recipe, most_steps)
    facts = {
        "seconds": round(time.monotonic() - started),
        "steps": steps,
        "tokens": steps * recipe.batch * recipe.length,
        "threads": torch.get_num_threads(),
        **evaluate(model, tokenizer, validation, recipe),
        "recipe": asdict(recipe),
        "torch": torch.__version__,
    }
    save(model, tokenizer, facts, out)
    say(json.dumps(facts))


def make_tokenizer(texts: list[str], recipe: Recipe) -> PreTrainedTokenizerFast:
    """Byte-level BPE: every text can be written, nothing is unknown."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=recipe.context, **dict(zip(SPECIAL_NAMES, SPECIAL, strict=True))
    )


def shape(recipe: Recipe) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=recipe.vocabulary,
        hidden_size=recipe.hidden,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        intermediate_size=recipe.feed_forward,
        max_position_embeddings=recipe.context,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )


class Optimizers:
    """Muon for the matrices, AdamW for embeddings and norms, under one learning rate."""

    def __init__(self, model: LlamaForCausalLM, learning_rate: float) -> None:
        matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
        chosen = {id(p) for p in matrices}
        rest = [p for p in model.parameters() if id(p) not in chosen]
        self.model = model
        self.learning_rate = learning_rate
        self.parts: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.Muon(
                matrices, lr=learning_rate, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(rest, lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
        )

    def step(self, share: float) -> None:
        """One update at `share` of the full learning rate, gradients clipped to norm 1."""
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = self.learning_rate * share
            part.step()
        self.model.zero_grad(set_to_none=True)


def favour_matching(model: LlamaForCausalLM) -> None:
    """Start each head's keys near its queries, so that equal tokens attend to each other: copying forms sooner."""
    with torch.no_grad():
        for layer in model.model.layers:
            attention = layer.self_attn
            attention.k_proj.weight.copy_(attention.q_proj.weight + 0.3 * attention.k_proj.weight)
            attention.q_proj.weight.mul_(3)
            attention.k_proj.weight.mul_(3)


def learn_to_copy(model: LlamaForCausalLM, optimizers: Optimizers, recipe: Recipe) -> None:
    """Phase one: random strings [x][gap][x], loss on the second copy; short ones without a gap until that is learned,
    then long ones with one. Long ones from the beginning are not learned in this time."""
    favour_matching(model)
    average, hard = math.log(recipe.vocabulary), False
    for step in range(recipe.copy_steps):
        loss = copy_loss(model, tokens=2048, most=160 if hard else 32, most_gap=40 if hard else 0)
        loss.backward()
        optimizers.step(min(1.0, (step + 1) / 50))
        average = 0.95 * average + 0.05 * loss.item()
        if (step + 1) % 50 == 0:
            say(f"copying {'long' if hard else 'short'} strings: step {step + 1}, loss {average:.3f}")
        if average < recipe.learned:
            if hard:
                return
            average, hard = math.log(recipe.vocabulary), True


def copy_loss(model: LlamaForCausalLM, *, tokens: int, most: int, most_gap: int) -> torch.Tensor:
    """Mean loss on the second copy of about `tokens` tokens of random strings of 8 to `most` tokens."""
    vocabulary = model.config.vocab_size
    length = int(torch.randint(8, most, ()))
    gap = int(torch.randint(0, most_gap, ())) if most_gap else 0
    rows = max(2, tokens // (2 * length + gap))
    string = torch.randint(3, vocabulary, (rows, length))
    ids = torch.cat([string, torch.randint(3, vocabulary, (rows, gap)), string], dim=1)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=length).logits
    return functional.cross_entropy(logits[:, :-1].reshape(-1, vocabulary).float(), string[:, 1:].reshape(-1))


def token_stream(tokenizer: PreTrainedTokenizerFast, texts: list[str], recipe: Recipe) -> np.ndarray:
    """One array of token ids, each text between <s> and </s>."""
    every = reading(
        texts,
        tokens=recipe.tokens,
        plain_share=recipe.plain_share,
        seed=recipe.seed + 1,
        count=lambda text: len(ids_of(tokenizer, text)),
    )
    return np.concatenate([np.array(framed(tokenizer, text), dtype=np.uint16) for text in every])


def framed(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    return [tokenizer.bos_token_id, *ids_of(tokenizer, text), tokenizer.eos_token_id]


def ids_of(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, verbose=False)["input_ids"]
    return ids


def read_text(
    model: LlamaForCausalLM, optimizers: Optimizers, stream: np.ndarray, recipe: Recipe, most_steps: int
) -> int:
    """Phase two; returns the number of steps. Every few steps a batch of copying keeps the circuit alive."""
    batches = list(cut(stream, recipe.batch, recipe.length))
    total = min(len(batches), most_steps or len(batches))
    loss_of = faster(lambda ids: text_loss(model, ids))
    average, started = 0.0, time.monotonic()
    for step, ids in enumerate(batches[:total]):
        if step % recipe.copy_every == recipe.copy_every - 1:
            (recipe.copy_weight * copy_loss(model, tokens=1536, most=160, most_gap=40)).backward()
        loss = loss_of(ids)
        loss.backward()
        optimizers.step(rate_share(step, total, recipe))
        average = loss.item() if not step else 0.98 * average + 0.02 * loss.item()
        if (step + 1) % 20 == 0:
            speed = (step + 1) * ids.numel() / (time.monotonic() - started)
            say(f"reading: step {step + 1} of {total}, loss {average:.3f}, {speed:,.0f} tokens/s")
    return total


def cut(stream: np.ndarray, batch: int, length: int) -> Iterator[torch.Tensor]:
    whole = len(stream) // (batch * length) * batch * length
    yield from torch.from_numpy(stream[:whole].astype(np.int64)).view(-1, batch, length)


def rate_share(step: int, total: int, recipe: Recipe) -> float:
    """Linear warm-up, constant, linear decay over the last part."""
    return min(1.0, (step + 1) / recipe.warmup_steps, (total - step) / (total * recipe.decay_share))


def faster(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Compiled where there is a C++ compiler."""
    return torch.compile(function, dynamic=False) if shutil.which("g++") else function


def text_loss(model: LlamaForCausalLM, ids: torch.Tensor) -> torch.Tensor:
    """Mean loss of each token given those before it in its row."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(input_ids=ids, use_cache=False).logits
    return functional.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]).float(), ids[:, 1:].reshape(-1))


def evaluate(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, texts: list[str], recipe: Recipe
) -> dict[str, float]:
    """Nats per token and bits per byte on documents that were not read."""
    ids = [token for text in texts for token in framed(tokenizer, text)]
    stream = np.array(ids, dtype=np.uint16)
    model.eval()
    with torch.no_grad():
        losses = [text_loss(model, rows).item() for rows in cut(stream, 1, recipe.length)]
    nats = sum(losses) / len(losses)
    return {
        "validation_nats_per_token": round(nats, 4),
        "validation_bits_per_byte": round(nats * len(ids) / math.log(2) / sum(len(t.encode()) for t in texts), 4),
    }


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, facts: dict[str, object], out: Path) -> None:
    """A folder any engine loads: bf16 safetensors, the tokenizer, and the committed chat template and model card."""
    out.mkdir(parents=True, exist_ok=True)
    whole: Any = model
    whole.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)
    for name in COPIED:
        shutil.copyfile(COMMITTED / name, out / name)
    (out / "training.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


if __name__ == "__main__":
    main()
