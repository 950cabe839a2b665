"""Run under the Python that has vLLM: `python -m tests.inference.vllm_driver SPEC.json PROMPTS.json OTHER`.

Prints token ids by the base, by the adapter and by a batch of both, and what the probe says when an adapter's number
is used a second time for the adapter in the folder OTHER. Imports nothing of the test suite.
"""

import json
import sys
from pathlib import Path
from typing import Any

from inference.engines.base import Prompt
from inference.environment import prepare
from inference.spec import GenerationSpec
from runkit.folder import RunFolder, RunRefused


def main(spec_path: str, prompts_path: str, other: str) -> dict[str, Any]:
    from inference.engines.vllm import LoRARequest, VllmEngine, adapter_request
    from inference.probe import prove_adapter

    spec = GenerationSpec.from_dict(json.loads(Path(spec_path).read_text()))
    folder = RunFolder(Path(spec_path).parent)
    engine = VllmEngine(spec, folder)
    prompts = [Prompt(**row) for row in json.loads(Path(prompts_path).read_text())]
    adapter = engine.adapter

    def tokens(adapters: list[Any]) -> list[list[int]]:
        order = [
            engine._ask(prompt.ids, engine._sampling(prompt), each)
            for prompt, each in zip(prompts, adapters, strict=True)
        ]
        made = {output.request_id: list(output.outputs[0].token_ids) for output in engine._outputs()}
        return [made[name] for name in order]

    found: dict[str, Any] = {
        "base": tokens([None] * len(prompts)),
        "adapter": tokens([adapter] * len(prompts)),
        "mixed": tokens([adapter if place % 2 else None for place in range(len(prompts))]),
        "probe": prove_adapter(engine, spec, folder),
        "first_token": next(engine.generate(prompts[:1])).first_token_seconds,
        "numbers": [adapter.lora_int_id, adapter_request(other).lora_int_id],
        "rank": engine.arguments["max_lora_rank"],
    }
    engine.adapter = LoRARequest("another-name", adapter.lora_int_id, other)
    other_facts = json.loads((Path(other) / "facts.json").read_text())
    try:
        prove_adapter(engine, GenerationSpec(**{**vars(spec), "adapter_facts": other_facts}), folder)
    except RunRefused as refused:
        found["reused"] = str(refused)
    return found


if __name__ == "__main__":
    prepare(offline=True)
    print("FOUND " + json.dumps(main(*sys.argv[1:])))  # noqa: T201
