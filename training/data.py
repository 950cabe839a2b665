"""From rows to token ids, and the order in which they are learned. Pure Python and numpy; no torch."""

import random
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from runkit.folder import RunRefused
from runkit.prompts import encode_example, render

GROUP = 16  # optimizer steps among which examples are sorted by length


@dataclass(frozen=True)
class Example:
    """A prompt and the answer to learn, as token ids."""

    id: str
    prompt: "array[int]"
    answer: "array[int]"

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.answer)


@dataclass
class Encoded:
    """The examples of one file, and what happened to them on the way."""

    examples: list[Example] = field(default_factory=list)
    truncated: int = 0
    without_label: int = 0

    @property
    def tokens(self) -> int:
        return sum(example.length for example in self.examples)


def encode_rows(
    tokenizer: Any, rows: Iterable[dict[str, Any]], max_length: int, each: Callable[[], None] = lambda: None
) -> Encoded:
    """Encode {"id", "messages"} rows. The prompt is cut to fit, the answer never; rows without a label are counted.

    A row has no label if its answer is empty, or so long that no prompt fits beside it. `each` is called per row.
    """
    encoded = Encoded()
    for row in rows:
        each()
        example, truncated = encode_row(tokenizer, row, max_length)
        if example is None:
            encoded.without_label += 1
            continue
        encoded.examples.append(example)
        encoded.truncated += truncated
    return encoded


def encode_row(tokenizer: Any, row: dict[str, Any], max_length: int) -> tuple[Example | None, bool]:
    """The example, or None without a label; and whether its prompt was cut. Raises RunRefused for a malformed row."""
    messages = well_formed(row)
    if not messages[-1]["content"].strip():
        return None, False
    render(tokenizer, messages[:-1])  # a template that declines is no matter of length
    try:
        ids = encode_example(tokenizer, messages, max_length)
    except RunRefused:
        return None, False
    return Example(str(row["id"]), array("i", ids.prompt_ids), array("i", ids.answer_ids)), ids.truncated


def well_formed(row: dict[str, Any]) -> list[dict[str, str]]:
    messages = row.get("messages")
    if "id" not in row or not isinstance(messages, list) or len(messages) < 2 or messages[-1]["role"] != "assistant":
        raise RunRefused(f"Row {row.get('id', '?')} is no example: it needs an id, a prompt, and an answer at the end.")
    return messages


def training_order(lengths: Sequence[int], *, epochs: float, batch: int, accumulation: int, seed: int) -> list[int]:
    """Indices of the examples in the order they are learned, over the whole run.

    Each epoch is a fresh shuffle, sorted by length within groups of some optimizer steps and cut into micro-batches
    of `batch`, which are shuffled within the group: little padding. What does not fill a micro-batch goes over to the
    next epoch, so that every optimizer step learns `batch` × `accumulation` examples.
    """
    chance = random.Random(seed)  # noqa: S311  (an order, not a secret)
    wanted = max(1, round(len(lengths) * epochs))
    order: list[int] = []
    left: list[int] = []
    while len(order) + len(left) < wanted:
        shuffled = left + chance.sample(range(len(lengths)), len(lengths))
        whole = len(shuffled) // batch * batch
        left = shuffled[whole:]
        order.extend(_grouped(shuffled[:whole], lengths, batch, batch * accumulation * GROUP, chance))
    return [*order, *left][:wanted]


def _grouped(indices: list[int], lengths: Sequence[int], batch: int, group: int, chance: random.Random) -> list[int]:
    """Whole micro-batches of similar length, in random order within each group."""
    order: list[int] = []
    for start in range(0, len(indices), group):
        ordered = sorted(indices[start : start + group], key=lambda index: lengths[index])
        batches = [ordered[first : first + batch] for first in range(0, len(ordered), batch)]
        order.extend(index for piece in chance.sample(batches, len(batches)) for index in piece)
    return order


def by_length(examples: Sequence[Example], tokens: int) -> list[list[Example]]:
    """Batches of similar length with at most `tokens` padded tokens each, longest first; at least one example each."""
    batches: list[list[Example]] = []
    for example in sorted(examples, key=lambda example: -example.length):
        if batches and (len(batches[-1]) + 1) * batches[-1][0].length <= tokens:
            batches[-1].append(example)
        else:
            batches.append([example])
    return batches
