"""Loss over a whole split weighted by tokens, short answers to look at, and the probe that proves an adapter.

Trainer's own evaluation is a mean of batch means and moves with the batch size; this one does not.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional
from transformers import GenerationConfig

from training.batches import IGNORED, Batch, Collator
from training.data import Example, by_length

BATCH_TOKENS = 4096
SAMPLE_TOKENS = 48
PROBE_TOKENS, PROBE_EXAMPLES, PROBE_CONTEXTS = 64, 12, (8, 64)


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Dropout off and no gradients, then the mode from before."""
    before = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(before)


def validation_loss(
    model: Any,
    examples: Sequence[Example],
    collate: Collator,
    *,
    tokens: int = BATCH_TOKENS,
    each: Callable[[], None] = lambda: None,
) -> float:
    """Mean loss per answer token in nats over all `examples`, the same at any batch size; `each` once per batch."""
    total, count = 0.0, 0
    with evaluating(model):
        for batch in by_length(examples, tokens):
            each()
            loss, labels = summed_loss(model, collate(batch))
            total += loss
            count += labels
    return total / count


def summed_loss(model: Any, batch: Batch) -> tuple[float, int]:
    """Sum of the losses of the labelled tokens of one batch, and how many they are."""
    inputs = {name: value.to(model.device) if torch.is_tensor(value) else value for name, value in batch.items()}
    labels = inputs.pop("shift_labels")
    inputs.pop("labels")
    logits = model(**{**inputs, "use_cache": False}).logits.float()
    loss = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum")
    return float(loss), int((labels != IGNORED).sum())


def sample(model: Any, tokenizer: Any, example: Example, tokens: int = SAMPLE_TOKENS) -> str:
    """A short greedy answer to the example's prompt, to look at."""
    ids = torch.tensor([list(example.prompt)], device=model.device)
    end = tokenizer.eos_token_id
    pad = end if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    settings = GenerationConfig.from_dict(
        {"max_new_tokens": tokens, "do_sample": False, "eos_token_id": end, "pad_token_id": pad, "use_cache": True}
    )
    with evaluating(model):
        output = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=settings)
    return str(tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)).strip()


def log_probability(model: Any, ids: Sequence[int]) -> float:
    """Sum of the natural log-probabilities of ids[1:], each given all before it."""
    tokens = torch.tensor([list(ids)], device=model.device)
    with evaluating(model):
        logits = model(input_ids=tokens, use_cache=False).logits.float()
    chosen = functional.log_softmax(logits[0, :-1], dim=-1).gather(1, tokens[0, 1:, None])
    return float(chosen.sum())


def probe(model: Any, examples: Sequence[Example]) -> dict[str, Any]:
    """What a server must reproduce to prove that it answers with this adapter: tokens and their log-probability
    (log_probability) with it and without it.

    Of the ends of a few examples, the one on which the adapter shows most against what rounding does to a sum, which
    grows with the square root of its length. A long prompt would drown what the adapter changes in the answer.
    """
    ends = [tail(example, context) for example in examples[:PROBE_EXAMPLES] for context in PROBE_CONTEXTS]
    return max((compared(model, ids) for ids in ends), key=clearness)


def tail(example: Example, context: int) -> list[int]:
    """The answer, cut after PROBE_TOKENS, behind the last `context` tokens of its prompt."""
    return [*example.prompt[-context:], *example.answer[:PROBE_TOKENS]]


def compared(model: Any, ids: list[int]) -> dict[str, Any]:
    with model.disable_adapter():
        base = log_probability(model, ids)
    return {"token_ids": ids, "adapter_logprob": log_probability(model, ids), "base_logprob": base}


def clearness(found: dict[str, Any]) -> float:
    """Nats that the adapter changes, per square root of tokens."""
    return float(abs(found["adapter_logprob"] - found["base_logprob"]) / len(found["token_ids"]) ** 0.5)
