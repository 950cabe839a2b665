"""Examples → tensors. Two layouts with the same gradient; in both, logits are computed only where there is a label.

packed   examples behind one another in one row, positions restarting, no attention mask: no padding at all. Right
         for flash attention, which reads the borders from the positions; other attention computes the whole square.
padded   padded on the left, so that all answers end the rows and only the last logits are needed. Right everywhere
         else: with micro-batches of similar length little is padded, and on a CPU it is two to six times faster.

Labels come from the lengths of the parts, never from comparing with the padding token: where padding and end of turn
are one token, a model trained the other way never stops.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch

from training.data import Example

IGNORED = -100
ROUND_LENGTH, ROUND_LABELS = 32, 8  # few different shapes: a CPU keeps memory and prepared operations for each
Layout = Literal["packed", "padded", "plain"]
Batch = dict[str, Any]
Collator = Callable[[Sequence[Example]], Batch]


def packed(examples: Sequence[Example]) -> Batch:
    """input_ids and position_ids [1, tokens]; logits_to_keep and labels for each answer token. No attention mask:
    an all-ones mask would let the examples see each other in silence, and so would a cache of keys and values."""
    ids: list[int] = []
    positions: list[int] = []
    kept: list[int] = []
    labels: list[int] = []
    for example in examples:
        first = len(ids) + len(example.prompt) - 1  # the last prompt token predicts the first answer token
        kept.extend(range(first, first + len(example.answer)))
        positions.extend(range(example.length))
        ids.extend(example.prompt)
        ids.extend(example.answer)
        labels.extend(example.answer)
    return {
        "input_ids": torch.tensor([ids]),
        "position_ids": torch.tensor([positions]),
        "logits_to_keep": torch.tensor(kept),
        "use_cache": False,
        "labels": torch.tensor([labels]),
        "shift_labels": torch.tensor([labels]),
    }


def padded(examples: Sequence[Example], pad: int = 0) -> Batch:
    """input_ids, attention_mask and position_ids [examples, longest]; labels [examples, longest answer + 1], whose
    last column is the prediction after the end and is ignored. Both lengths are rounded up."""
    longest = rounded(max(example.length for example in examples), ROUND_LENGTH)
    kept = min(longest, rounded(max(len(example.answer) for example in examples) + 1, ROUND_LABELS))
    shape = (len(examples), longest)
    batch: Batch = {
        "input_ids": torch.full(shape, pad),
        "attention_mask": torch.zeros(shape, dtype=torch.long),
        "position_ids": torch.zeros(shape, dtype=torch.long),
        "labels": torch.full((len(examples), kept), IGNORED),
    }
    for row, example in enumerate(examples):
        start = longest - example.length
        batch["input_ids"][row, start:] = torch.tensor([*example.prompt, *example.answer])
        batch["attention_mask"][row, start:] = 1
        batch["position_ids"][row, start:] = torch.arange(example.length)
        batch["labels"][row, kept - 1 - len(example.answer) : kept - 1] = torch.tensor(list(example.answer))
    return {**batch, "shift_labels": batch["labels"], "logits_to_keep": kept}


def rounded(length: int, step: int) -> int:
    return -(-length // step) * step


def plain(examples: Sequence[Example], pad: int = 0) -> Batch:
    """As padded, for a model that cannot leave out logits: labels [examples, longest]."""
    batch = padded(examples, pad)
    length = batch["input_ids"].shape[1]
    labels = torch.full(batch["input_ids"].shape, IGNORED)
    labels[:, length - batch.pop("logits_to_keep") :] = batch["shift_labels"]
    return {**batch, "labels": labels, "shift_labels": labels}


PADDING = {"padded": padded, "plain": plain}
