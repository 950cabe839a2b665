"""The transformers engine: the default on a CPU, and the reference the other engines are compared with.

Answers do not depend on how prompts are batched: each row draws its own random numbers, from a seed made of the
run's seed and the prompt's id.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    MinPLogitsWarper,
    StoppingCriteria,
    StoppingCriteriaList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from inference.engines.base import Completion, Prompt, cut_at_stop, end_tokens
from inference.environment import versions
from inference.models import unavailable
from inference.spec import GenerationSpec, Sampling
from runkit.folder import RunFolder, RunRefused

ARGUMENTS = {"device": "auto", "dtype": "auto", "max_batch_tokens": 16384, "attn_implementation": "sdpa"}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
UNBOUNDED = 1 << 20


class RowNoise(LogitsProcessor):
    """Adds Gumbel noise drawn row by row, so that the largest score is a draw from the softmax.

    argmax(logits + Gumbel) ~ softmax(logits): Gumbel 1954; Maddison et al., “A* Sampling”, 2014.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        rows = [torch.empty(scores.shape[1]).exponential_(generator=each) for each in self.generators]
        return scores.float() - torch.stack(rows).clamp_min(1e-30).log().to(scores.device)


class StopWhenAsked(StoppingCriteria):
    """Ends generation at the next token when somebody asked the run to stop."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), self.folder.stopping, device=input_ids.device)


class TransformersEngine:
    """A base model, with an adapter through PEFT if there is one."""

    def __init__(self, spec: GenerationSpec, folder: RunFolder) -> None:
        self.spec, self.folder = spec, folder
        self.arguments = known_arguments(spec.engine_arguments)
        self.device = pick_device(str(self.arguments["device"]))
        self.dtype = pick_dtype(str(self.arguments["dtype"]), self.device)
        self.tokenizer, self.model = self._load()
        self.model.to(self.device).eval()
        config = self.model.config.get_text_config()
        self.context_length = int(getattr(config, "max_position_embeddings", 0) or UNBOUNDED)
        self.pad = padding_token(self.tokenizer, self.eos)

    def _load(self) -> tuple[Any, Any]:
        spec = self.spec
        try:
            tokenizer = AutoTokenizer.from_pretrained(
                spec.base_model, trust_remote_code=False, local_files_only=spec.offline
            )
            model = AutoModelForCausalLM.from_pretrained(
                spec.base_model,
                dtype=self.dtype,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=spec.offline,
                attn_implementation=self.arguments["attn_implementation"],
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise unavailable(spec.base_model, offline=spec.offline, error=error) from error
        self.eos = end_tokens(getattr(model.generation_config, "eos_token_id", None), tokenizer)
        model.generation_config = GenerationConfig.from_dict({})  # a model's own defaults would fill what we leave open
        return tokenizer, self._with_adapter(model)

    def _with_adapter(self, model: Any) -> Any:
        if not self.spec.adapter:
            return model
        try:
            return PeftModel.from_pretrained(model, self.spec.adapter, autocast_adapter_dtype=False)
        except (RuntimeError, ValueError) as error:
            raise RunRefused(
                f"The adapter in {self.spec.adapter} does not fit the base model {self.spec.base_model}."
            ) from error

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[Completion]:
        budget = int(self.arguments["max_batch_tokens"])
        for batch in batches(prompts, self.spec.batch_size, budget, self.spec.sampling.max_tokens):
            yield from self._answer(batch)

    def _answer(self, batch: Sequence[Prompt]) -> Iterator[Completion]:
        """Answers of one batch; where it breaks it is halved, so that only what cannot be answered keeps an error."""
        try:
            rows = self._tokens(batch)
        except (RuntimeError, ValueError, IndexError) as error:
            self.folder.check()
            if len(batch) == 1:
                yield Completion(batch[0].id, error=f"{type(error).__name__}: {error}"[:500])
                return
            half = len(batch) // 2
            yield from self._answer(batch[:half])
            yield from self._answer(batch[half:])
            return
        self.folder.check()
        for prompt, tokens in zip(batch, rows, strict=True):
            yield self._completion(prompt, tokens)

    def _tokens(self, batch: Sequence[Prompt]) -> list[list[int]]:
        """New token ids per prompt, up to and with the end of turn."""
        longest = max(len(prompt.ids) for prompt in batch)
        ids = torch.full((len(batch), longest), self.pad, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(batch):
            ids[row, longest - len(prompt.ids) :] = torch.tensor(prompt.ids)
            mask[row, longest - len(prompt.ids) :] = 1
        with torch.inference_mode():
            output = self.model.generate(
                input_ids=ids.to(self.device),
                attention_mask=mask.to(self.device),
                generation_config=self._config(),
                logits_processor=choosers(self.spec.sampling, [prompt.seed for prompt in batch]),
                stopping_criteria=StoppingCriteriaList([StopWhenAsked(self.folder)]),
                tokenizer=self.tokenizer,
            )
        return [up_to_end(row, self.eos) for row in output[:, longest:].tolist()]

    def _config(self) -> GenerationConfig:
        """Ours alone: nothing of the model's own defaults applies."""
        sampling = self.spec.sampling
        values = {
            "do_sample": False,
            "max_new_tokens": sampling.max_tokens,
            "repetition_penalty": sampling.repetition_penalty,
            "no_repeat_ngram_size": sampling.no_repeat_ngram,
            "stop_strings": list(sampling.stop) or None,
            "eos_token_id": self.eos,
            "pad_token_id": self.pad,
        }
        return GenerationConfig.from_dict(values)

    def _completion(self, prompt: Prompt, tokens: list[int]) -> Completion:
        text, stopped = cut_at_stop(self.tokenizer.decode(tokens, skip_special_tokens=True), self.spec.sampling.stop)
        ended = stopped or (bool(tokens) and tokens[-1] in self.eos)
        if stopped:
            tokens = tokens[: self._length_with_stop(tokens)]
        return Completion(
            prompt.id,
            text=text,
            prompt_tokens=len(prompt.ids),
            output_tokens=len(tokens),
            finish_reason="stop" if ended else "length",
            token_ids=tokens,
        )

    def _length_with_stop(self, tokens: list[int]) -> int:
        """How many tokens it took until a stop text was there; a batch runs on for its other rows."""
        for length in range(1, len(tokens)):
            text = self.tokenizer.decode(tokens[:length], skip_special_tokens=True)
            if any(mark in text for mark in self.spec.sampling.stop):
                return length
        return len(tokens)

    def log_probability(self, ids: Sequence[int], *, adapted: bool) -> float:
        row = torch.tensor([list(ids)], device=self.device)
        plain = self.spec.adapter and not adapted
        with torch.inference_mode(), self.model.disable_adapter() if plain else nullcontext():
            logits = self.model(input_ids=row).logits[0, :-1].float()
        return float(logits.log_softmax(-1).gather(1, row[0, 1:, None]).sum())

    def facts(self) -> dict[str, Any]:
        return {
            "device": device_name(self.device),
            "arguments": {
                **self.arguments,
                "device": str(self.device),
                "dtype": str(self.dtype).removeprefix("torch."),
            },
            "versions": versions("torch", "transformers", "peft", "tokenizers"),
        }

    def close(self) -> None:
        del self.model
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def open_engine(spec: GenerationSpec, folder: RunFolder) -> TransformersEngine:
    return TransformersEngine(spec, folder)


def known_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """The engine's arguments with defaults. Raises RunRefused naming one it does not know."""
    unknown = sorted(set(given) - set(ARGUMENTS))
    if unknown:
        raise RunRefused(f"The transformers engine knows no argument {', '.join(unknown)}.")
    return {**ARGUMENTS, **given}


def pick_device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise RunRefused("This machine has no GPU that PyTorch can use; set the device to auto or cpu.")
    return torch.device(wanted)


def pick_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """On a CPU float32; on a GPU bfloat16 where the hardware has it, else float16."""
    if wanted in DTYPES:
        return DTYPES[wanted]
    if wanted != "auto":
        raise RunRefused(f"Unknown dtype {wanted}. Known: auto, {', '.join(DTYPES)}.")
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"


def padding_token(tokenizer: Any, eos: Sequence[int]) -> int:
    """An id that fills up short prompts. Never an end of turn, which a repetition penalty would then hold back."""
    candidates = (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.bos_token_id, 0)
    return next((int(each) for each in candidates if each is not None and each not in eos), 0)


def choosers(sampling: Sampling, seeds: Sequence[int]) -> LogitsProcessorList:
    """What turns scores into a choice; nothing at temperature 0, where the largest score wins."""
    steps: list[Any] = []
    if sampling.temperature > 0:
        steps.append(TemperatureLogitsWarper(sampling.temperature))
        if sampling.top_k:
            steps.append(TopKLogitsWarper(sampling.top_k))
        if sampling.top_p < 1:
            steps.append(TopPLogitsWarper(sampling.top_p))
        if sampling.min_p:
            steps.append(MinPLogitsWarper(sampling.min_p))
        steps.append(RowNoise(seeds))
    return LogitsProcessorList(steps)


def batches(prompts: Sequence[Prompt], size: int, budget: int, new: int) -> Iterator[list[Prompt]]:
    """Prompts of like length together, longest first: at most `size`, and `budget` tokens with their answers."""
    batch: list[Prompt] = []
    for prompt in sorted(prompts, key=lambda each: (-len(each.ids), each.id)):
        longest = len(batch[0].ids) if batch else len(prompt.ids)
        if batch and (len(batch) >= size or (len(batch) + 1) * (longest + new) > budget):
            yield batch
            batch = []
        batch.append(prompt)
    if batch:
        yield batch


def up_to_end(tokens: list[int], eos: Sequence[int]) -> list[int]:
    """`tokens` up to and with the first end of turn; what a batch padded behind it is cut off."""
    end = next((place for place, token in enumerate(tokens) if token in eos), None)
    return tokens if end is None else tokens[: end + 1]
