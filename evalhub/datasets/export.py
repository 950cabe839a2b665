"""Example → chat messages, as models are asked and trained. The only place where a prompt's shape is decided."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evalhub.datasets.models import Version, VersionExample

Message = dict[str, str]  # {"role": "system" | "user" | "assistant", "content": text}


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
