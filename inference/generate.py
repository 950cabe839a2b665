"""The generation task: prompts.jsonl in, answers.jsonl line by line, result.json at the end. May be killed at any time.

An id that answers.jsonl already has is never asked again; an adapter that is not proved to apply is refused.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from inference import engines
from inference.engines.base import Completion, Engine, Prompt
from inference.latency import measure
from inference.ledger import Ledger, read_rows
from inference.pace import Pace
from inference.probe import prove_adapter
from inference.spec import GenerationSpec
from runkit import prompts as rendering
from runkit.adapters import adapter_hash
from runkit.folder import RESULT, RunFolder, RunRefused

PROMPTS, ANSWERS = "prompts.jsonl", "answers.jsonl"
UNIT = "requests"  # the answers, then those asked again one at a time for latency


def run(folder: RunFolder, spec: GenerationSpec) -> None:
    """Answer every prompt of the folder and write result.json. Raises RunRefused with one sentence."""
    rows = read_rows(folder.path / PROMPTS, "messages")
    engines.check(spec)
    with Ledger(folder.path / ANSWERS) as answers:
        kept = {row["id"]: row for row in answers.rows()}
        if len(kept) >= len(rows) and (folder.path / RESULT).exists():
            return
        with opened(spec, folder) as engine:
            template = check_template(engine, spec, folder)
            probe = prove_adapter(engine, spec, folder)
            engine.spec = with_room(spec, engine.context_length, folder)
            Job(folder, engine, answers).finish(rows, kept, template=template, probe=probe)


@contextmanager
def opened(spec: GenerationSpec, folder: RunFolder) -> Iterator[Engine]:
    folder.log(f"Loading {spec.base_model} with the {spec.engine} engine.")
    engine = engines.open_engine(spec, folder)
    folder.check()
    try:
        yield engine
    finally:
        engine.close()


def check_template(engine: Engine, spec: GenerationSpec, folder: RunFolder) -> dict[str, Any] | None:
    """The fingerprint of how prompts are rendered; refused if the adapter was trained with another one."""
    if engine.tokenizer is None:
        return None
    if not rendering.ensure_template(engine.tokenizer):
        folder.log(f"{spec.base_model} has no chat template; a plain one is used.")
    found = rendering.template_fingerprint(engine.tokenizer)
    recorded = (spec.adapter_facts.get("template") or {}).get("hash")
    if recorded and recorded != found["hash"]:
        raise RunRefused(
            "The chat template or tokenizer of the base model is not the one this adapter was trained with; "
            "use the same base model, or train again."
        )
    return found


class Job:
    """One generation run: an engine, a ledger of answers, and what is counted on the way."""

    def __init__(self, folder: RunFolder, engine: Engine, answers: Ledger) -> None:
        self.folder, self.spec, self.engine, self.answers = folder, engine.spec, engine, answers
        self.failed = self.tokens = self.made = 0
        self.first_error = ""
        self.room = 0 if engine.tokenizer is None else prompt_room(engine.context_length, engine.spec)

    def finish(self, rows: Sequence[dict[str, Any]], kept: dict[str, Any], **facts: Any) -> None:
        timed = chosen(rows, self.spec.latency_prompts)
        pace = Pace(self.folder, total=len(rows) + len(timed), unit=UNIT, done=len(kept))
        if kept:
            self.folder.emit("resumed", done=len(kept))
        for row in kept.values():
            self._count(row)
        seconds, tokens = self._answer_all([row for row in rows if row["id"] not in kept], pace)
        if self.failed == len(rows):
            raise RunRefused(f"None of the {len(rows)} prompts could be answered. The first reason: {self.first_error}")
        timing = measure(self.engine, self._encoded(timed), self.folder, pace)
        self.folder.finish({**self._result(len(rows), seconds, tokens), **timing.summary(), **facts})

    def _answer_all(self, rows: Sequence[dict[str, Any]], pace: Pace) -> tuple[float, int]:
        """Answer what is left; returns the seconds it took and the tokens that were made in them."""
        before = self.tokens
        prompts = self._encoded(rows, pace)
        start = time.monotonic()
        if prompts:
            truncated = {prompt.id for prompt in prompts if prompt.truncated}
            for completion in self.engine.generate(prompts):
                self._keep(completion, pace, truncated=completion.id in truncated)
                self.folder.check()
        self.folder.check()
        return time.monotonic() - start, self.tokens - before

    def _encoded(self, rows: Sequence[dict[str, Any]], pace: Pace | None = None) -> list[Prompt]:
        """Prompts as token ids; one that cannot be rendered is kept with its reason when `pace` counts it."""
        prompts = []
        for row in rows:
            self.folder.check()
            try:
                prompts.append(self._prompt(row))
            except Exception as error:  # a template may raise anything
                if pace:
                    self._keep(Completion(row["id"], error=str(error)[:500]), pace)
        return prompts

    def _prompt(self, row: dict[str, Any]) -> Prompt:
        seed = seed_of(self.spec.sampling.seed, row["id"])
        if self.engine.tokenizer is None:
            return Prompt(row["id"], row["messages"], [], seed)
        encoded = rendering.encode_prompt(self.engine.tokenizer, row["messages"], self.room)
        return Prompt(row["id"], row["messages"], encoded.ids, seed, encoded.truncated)

    def _keep(self, completion: Completion, pace: Pace, *, truncated: bool = False) -> None:
        row = {
            "id": completion.id,
            "text": completion.text.strip(),
            "error": completion.error,
            "prompt_tokens": completion.prompt_tokens,
            "output_tokens": completion.output_tokens,
            "finish_reason": completion.finish_reason,
            "latency_seconds": None,
            "details": {**completion.details, **({"prompt_truncated": True} if truncated else {})},
        }
        self.answers.append(row)
        self.folder.emit("answer", id=completion.id)
        self._count(row)
        self.made += 1
        pace.step()

    def _count(self, row: dict[str, Any]) -> None:
        self.tokens += row["output_tokens"] or 0
        self.failed += bool(row["error"])
        self.first_error = self.first_error or row["error"]

    def _result(self, answers: int, seconds: float, tokens: int) -> dict[str, Any]:
        """Throughput is that of the batch, over the answers this process made itself."""
        facts = self.engine.facts()
        return {
            "answers": answers,
            "failed": self.failed,
            "seconds": round(seconds, 3),
            "output_tokens": self.tokens,
            "tokens_per_second": rate(tokens, seconds),
            "requests_per_second": rate(self.made, seconds),
            "throughput_of": "batch",
            "resumed": answers - self.made,
            "sampling": asdict(self.spec.sampling),
            "max_prompt_tokens": self.room or None,
            "engine": self.spec.engine,
            "engine_arguments": facts["arguments"],
            "device": facts["device"],
            "versions": facts["versions"],
            "adapter_hash": adapter_hash(Path(self.spec.adapter)) if self.spec.adapter else None,
        }


def with_room(spec: GenerationSpec, context: int, folder: RunFolder) -> GenerationSpec:
    """The spec, its answers ending at half the context where they were to fill all of it."""
    wanted = spec.sampling.max_tokens
    if not context or wanted < context:
        return spec
    text = f"The model reads at most {context} tokens in all, so answers end after {context // 2} instead of {wanted}."
    folder.emit("warning", text=text)
    return replace(spec, sampling=replace(spec.sampling, max_tokens=context // 2))


def prompt_room(context: int, spec: GenerationSpec) -> int:
    """Tokens a prompt may have: what the context leaves beside the longest answer, or less if so asked."""
    room = context - spec.sampling.max_tokens
    return min(room, spec.max_prompt_tokens) if spec.max_prompt_tokens else room


def seed_of(seed: int, identifier: str) -> int:
    """A seed per prompt, so that an answer depends neither on its batch nor on where a run was resumed."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{identifier}".encode()).digest()[:4]) & 0x7FFFFFFF


def chosen(rows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """`count` rows evenly spread over all."""
    count = min(count, len(rows))
    return [rows[place * len(rows) // count] for place in range(count)]


def rate(count: int, seconds: float) -> float | None:
    return round(count / seconds, 3) if count and seconds > 0 else None
