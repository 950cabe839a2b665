"""Example → chat messages; Version → JSONL. The only place where a prompt's shape is decided."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evalhub.datasets.models import Example, Version, VersionExample

Message = dict[str, str]  # {"role": "system" | "user" | "assistant", "content": text}
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class PromptShape:
    """How an example becomes messages. `user` holds {instruction} and {input}; an example's own system text wins."""

    system: str = ""
    user: str = "{instruction}\n\n{input}"


def prompt_messages(values: Mapping[str, Any], shape: PromptShape) -> list[Message]:
    """System text (if any), earlier turns, and the question: what a model is asked."""
    system = values.get("system") or shape.system
    head: list[Message] = [{"role": "system", "content": system}] if system else []
    turns = [{"role": turn["role"], "content": turn["content"]} for turn in values.get("history") or []]
    return [*head, *turns, {"role": "user", "content": _asked(values, shape.user)}]


def training_messages(values: Mapping[str, Any], shape: PromptShape) -> list[Message]:
    """The prompt, and the answer that a model should learn."""
    return [*prompt_messages(values, shape), {"role": "assistant", "content": values["output"]}]


def _asked(values: Mapping[str, Any], template: str) -> str:
    """The template filled in one pass, so that braces within an example stay as they are."""
    first, *rest = template.split("{instruction}")
    texts = [part.replace("{input}", values.get("input") or "") for part in (first, *rest)]
    return str(values["instruction"]).join(texts).strip()


def prompt_rows(version: Version, split: str, shape: PromptShape) -> Iterator[dict[str, Any]]:
    """{"id": entry's pk as text, "messages": prompt} of one split, in the version's order."""
    for entry in entries(version, split):
        yield {"id": str(entry.pk), "messages": prompt_messages(entry.values, shape)}


def training_rows(version: Version, split: str, shape: PromptShape) -> Iterator[dict[str, Any]]:
    """{"id", "messages": prompt and answer} of one split, in the version's order."""
    for entry in entries(version, split):
        yield {"id": str(entry.pk), "messages": training_messages(entry.values, shape)}


def entries(version: Version, split: str = "") -> Iterator[VersionExample]:
    """The frozen entries in order, in constant memory; of one split, or of all."""
    chosen = version.entries.filter(split=split) if split else version.entries.all()
    return chosen.order_by("position").iterator(chunk_size=500)


def version_lines(version: Version, split: str = "") -> Iterator[str]:
    """JSONL of the frozen values with their split; what it says can be imported again, and is what the hash covers."""
    for entry in entries(version, split):
        yield json.dumps({**entry.values, "split": entry.split}, ensure_ascii=False) + "\n"


def harmless_cell(value: object) -> object:
    """A table cell that no spreadsheet takes for a formula: text that begins like one gets a quote before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


COLUMNS = ("id", "category", "instruction", "input", "output", "system", "source", "language", "split", "state")


def example_columns() -> list[str]:
    """The header of a table of current examples; its names can be imported again."""
    return list(COLUMNS)


def example_cells(example: Example) -> list[object]:
    """One example as a row of that table, no cell a formula."""
    values = {**vars(example), "id": example.key, "split": example.wanted_split}
    return [harmless_cell(values[name]) for name in COLUMNS]
