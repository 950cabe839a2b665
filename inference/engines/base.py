"""What an engine is asked and what it answers: the one border between our program and three ways to run a model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from inference.spec import GenerationSpec
from runkit.prompts import Message


@dataclass(frozen=True)
class Prompt:
    """One request. `ids` is empty where a remote server does the tokenising."""

    id: str
    messages: list[Message]
    ids: list[int]
    seed: int
    truncated: bool = False


@dataclass(frozen=True)
class Completion:
    """One answer, or the reason why there is none. Token counts include the end of turn."""

    id: str
    text: str = ""
    error: str = ""
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    finish_reason: str = ""
    token_ids: list[int] = field(default_factory=list)
    first_token_seconds: float | None = None  # since the request came in; means something at concurrency 1 only
    details: dict[str, Any] = field(default_factory=dict)


class Engine(Protocol):
    """A loaded model. `tokenizer` is None and `context_length` 0 where they are the server's business."""

    spec: GenerationSpec
    tokenizer: Any
    context_length: int

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[Completion]:
        """Answers in any order, as they are finished; a prompt that fails yields its error."""

    def log_probability(self, ids: Sequence[int], *, adapted: bool) -> float:
        """Sum over t ≥ 1 of log p(ids[t] | ids[:t]) in nats, with the adapter or by the base alone."""

    def facts(self) -> dict[str, Any]:
        """{"device", "arguments", "versions"}: what the answers were made with."""

    def close(self) -> None:
        """Give memory and connections back."""


def end_tokens(named: Any, tokenizer: Any) -> list[int]:
    """Every id that ends a turn: the tokenizer's, and what the model's settings name (one, several, none)."""
    listed = named if isinstance(named, list) else [named]
    return sorted({int(value) for value in (*listed, tokenizer.eos_token_id) if value is not None})


def cut_at_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop text, and whether there was one."""
    places = [place for mark in stop if (place := text.find(mark)) >= 0]
    return (text[: min(places)], True) if places else (text, False)
