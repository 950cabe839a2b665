"""The generation program with the transformers engine: what it answers, what it survives, what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

from inference import generate
from inference.engines.base import Prompt
from inference.engines.transformers import RowNoise, TransformersEngine
from inference.probe import EXACT, HALF, Precision, doubt
from inference.spec import GenerationSpec
from runkit.adapters import adapter_hash
from runkit.folder import EXIT_BUSY, EXIT_CANCELLED, EXIT_DONE, EXIT_REFUSED, EventReader, RunFolder, RunRefused
from runkit.prompts import encode_prompt
from tests.inference import toy


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.save_adapter(tmp_path_factory.mktemp("adapter"), base)


def here(path: Path, spec: dict[str, Any], rows: list[dict[str, Any]] | None = None) -> Path:
    """Do a run in this process."""
    toy.run_folder(path, spec, toy.questions() if rows is None else rows)
    with RunFolder(path) as folder:
        generate.run(folder, GenerationSpec.from_dict(folder.spec))
    return path


def refusal(path: Path, spec: dict[str, Any], rows: list[dict[str, Any]] | None = None) -> str:
    with pytest.raises(RunRefused) as refused:
        here(path, spec, rows)
    return str(refused.value)


def prompts() -> list[Prompt]:
    tokenizer = toy.toy_tokenizer()
    return [
        Prompt(row["id"], row["messages"], encode_prompt(tokenizer, row["messages"], 400).ids, seed=1)
        for row in toy.questions()
    ]


def made_tokens(spec: dict[str, Any], folder: Path) -> dict[str, list[int]]:
    engine = TransformersEngine(GenerationSpec.from_dict(spec), RunFolder(folder))
    return {completion.id: completion.token_ids for completion in engine.generate(prompts())}


def test_it_answers_greedily_as_the_plain_model_does_token_by_token(base: Path, tmp_path: Path) -> None:
    model = LlamaForCausalLM.from_pretrained(base)
    expected = {prompt.id: toy.greedy(model, prompt.ids, 12) for prompt in prompts()}
    assert made_tokens(toy.generation(base), tmp_path) == expected


def test_it_answers_with_the_adapter_as_peft_does_and_not_as_the_base(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    model = PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(base), adapter)
    expected = {prompt.id: toy.greedy(model, prompt.ids, 12) for prompt in prompts()}
    tuned = made_tokens(toy.generation(base, adapter=str(adapter)), tmp_path)
    assert tuned == expected
    assert tuned != made_tokens(toy.generation(base), tmp_path)


def test_it_samples_the_same_answers_however_prompts_are_batched(base: Path, tmp_path: Path) -> None:
    sampling = {"temperature": 0.8, "top_p": 0.9, "top_k": 50, "min_p": 0.01, "repetition_penalty": 1.2}
    one = here(tmp_path / "one", toy.generation(base, batch_size=1, sampling=sampling))
    six = here(tmp_path / "six", toy.generation(base, batch_size=6, sampling=sampling))
    other = here(tmp_path / "other", toy.generation(base, batch_size=6, sampling={**sampling, "seed": 8}))
    assert toy.texts(one) == toy.texts(six)
    assert toy.texts(one) != toy.texts(other)


def test_it_draws_from_the_models_own_distribution() -> None:
    scores = torch.log(torch.tensor([[0.7, 0.2, 0.1]])).repeat(4000, 1)
    drawn = RowNoise(range(4000))(torch.zeros(4000, 1), scores).argmax(-1)
    shares = drawn.bincount(minlength=3) / 4000
    assert torch.allclose(shares, torch.tensor([0.7, 0.2, 0.1]), atol=0.03)


def test_it_never_repeats_an_n_gram_when_told_so(base: Path, tmp_path: Path) -> None:
    tokens = made_tokens(toy.generation(base, sampling={"max_tokens": 60, "no_repeat_ngram": 2}), tmp_path)
    for made in tokens.values():
        pairs = list(pairwise(made))
        assert len(pairs) == len(set(pairs))


def test_it_stops_at_a_stop_text_and_says_why_it_ended(base: Path, tmp_path: Path) -> None:
    plain = here(tmp_path / "plain", toy.generation(base))
    row = next(row for row in toy.answers(plain) if len(row["text"]) > 5 and row["text"][3:5].isascii())
    mark = row["text"][3:5]
    cut = here(tmp_path / "cut", toy.generation(base, sampling={"stop": [mark]}))
    shorter = next(each for each in toy.answers(cut) if each["id"] == row["id"])
    assert shorter["text"] == row["text"].split(mark)[0].strip()
    assert shorter["finish_reason"] == "stop"
    assert 0 < shorter["output_tokens"] < row["output_tokens"]
    assert row["finish_reason"] == "length"


def test_it_measures_what_a_single_user_waits_apart_from_the_batch(base: Path, tmp_path: Path) -> None:
    folder = here(tmp_path / "run", toy.generation(base, latency_prompts=3))
    result = toy.result(folder)
    assert result["latency"]["n"] == 3
    assert result["latency"]["concurrency"] == 1
    assert result["latency"]["p50"] <= result["latency"]["p95"]
    assert len(result["latency_by_id"]) == 3
    assert set(result["latency_by_id"]) <= {row["id"] for row in toy.questions()}
    assert result["throughput_of"] == "batch"
    assert result["output_tokens"] == sum(row["output_tokens"] for row in toy.answers(folder))
    assert all(row["latency_seconds"] is None for row in toy.answers(folder))
    events = EventReader(folder).new()
    assert [event["id"] for event in events if event["kind"] == "answer"] == [row["id"] for row in toy.answers(folder)]
    last = [event for event in events if event["kind"] == "progress"][-1]
    assert last["done"] == last["total"] == 9


def test_it_keeps_one_prompts_failure_and_answers_the_others(base: Path, tmp_path: Path) -> None:
    endless = [{"role": "system", "content": "x" * 900}, {"role": "user", "content": "y"}]
    rows = [*toy.questions(3), {"id": "bad", "messages": endless}]
    folder = here(tmp_path / "run", toy.generation(base), rows)
    errors = {row["id"]: row["error"] for row in toy.answers(folder)}
    assert "does not fit" in errors.pop("bad")
    assert set(errors.values()) == {""}
    assert toy.result(folder)["failed"] == 1


def test_it_says_which_prompts_were_cut_to_fit(base: Path, tmp_path: Path) -> None:
    rows = [{"id": "long", "messages": [{"role": "user", "content": "One sentence. " * 60}]}, *toy.questions(1)]
    folder = here(tmp_path / "run", toy.generation(base), rows)
    details = {row["id"]: row["details"] for row in toy.answers(folder)}
    assert details == {"long": {"prompt_truncated": True}, "q0": {}}
    assert toy.result(folder)["max_prompt_tokens"] == 500


def test_it_gives_prompts_less_room_where_that_was_asked(base: Path, tmp_path: Path) -> None:
    rows = [{"id": "long", "messages": [{"role": "user", "content": "One sentence. " * 20}]}]
    folder = here(tmp_path / "run", toy.generation(base, max_prompt_tokens=100), rows)
    assert toy.answers(folder)[0]["prompt_tokens"] <= 100
    assert toy.result(folder)["max_prompt_tokens"] == 100


def test_it_ends_answers_earlier_where_they_would_fill_the_whole_context(base: Path, tmp_path: Path) -> None:
    folder = here(tmp_path, toy.generation(base, sampling={"max_tokens": 512}), toy.questions(2))
    assert toy.result(folder)["sampling"]["max_tokens"] == 256
    assert toy.result(folder)["max_prompt_tokens"] == 256
    assert all(row["output_tokens"] <= 256 for row in toy.answers(folder))
    warnings = [event["text"] for event in EventReader(folder).new() if event["kind"] == "warning"]
    assert warnings == ["The model reads at most 512 tokens in all, so answers end after 256 instead of 512."]


def test_it_refuses_when_no_prompt_can_be_answered(base: Path, tmp_path: Path) -> None:
    rows = [{"id": "bad", "messages": [{"role": "system", "content": "x" * 900}, {"role": "user", "content": "y"}]}]
    assert "None of the 1 prompts could be answered" in refusal(tmp_path, toy.generation(base), rows)


def test_it_proves_that_the_adapter_applies(base: Path, adapter: Path, tmp_path: Path) -> None:
    facts = toy.adapter_facts(base, adapter)
    folder = here(tmp_path / "run", toy.generation(base, adapter=str(adapter), adapter_facts=facts))
    probe = toy.result(folder)["probe"]
    assert probe["ok"] is True
    assert probe["measured"] == pytest.approx(probe["recorded"], abs=1e-3)
    assert abs(probe["base"] - probe["measured"]) > 0.1
    assert toy.result(folder)["template"]["hash"] == facts["template"]["hash"]


def test_it_refuses_an_adapter_whose_tensor_names_do_not_match(base: Path, adapter: Path, tmp_path: Path) -> None:
    facts = toy.adapter_facts(base, adapter)
    wrong = toy.with_wrong_prefix(adapter, tmp_path / "wrong")
    spec = toy.generation(base, adapter=str(wrong), adapter_facts=facts)
    assert "does not apply to this base model" in refusal(tmp_path / "run", spec)
    assert toy.answers(tmp_path / "run") == []
    unknown = toy.generation(base, adapter=str(wrong))
    assert "changes nothing" in refusal(tmp_path / "unknown", unknown)


def test_it_refuses_an_adapter_folder_that_was_overwritten(base: Path, adapter: Path, tmp_path: Path) -> None:
    other = toy.save_adapter(tmp_path / "other", base, seed=5)
    spec = toy.generation(base, adapter=str(other), adapter_facts=toy.adapter_facts(base, adapter))
    assert "it is not the one that was trained; its probe gives" in refusal(tmp_path / "run", spec)
    spec["adapter_facts"]["adapter_hash"] = adapter_hash(adapter)
    assert "its weights have changed since" in refusal(tmp_path / "hash", spec)


@pytest.mark.parametrize(
    ("measured", "base", "trained", "precision", "reason"),
    [
        (-100.0, -140.0, (-100.0, -140.0), EXACT, ""),
        (-100.4, -140.0, (-100.0, -140.0), EXACT, ""),  # rounding of another engine
        (-140.0, -140.0, (-100.0, -140.0), EXACT, "does not apply"),
        (-120.0, -140.0, (-100.0, -140.0), HALF, "not the one that was trained"),
        (-139.6, -140.0, (-139.8, -140.0), EXACT, "not the one that was trained"),  # small, but exact enough to tell
        (-139.9, -140.0, (-139.8, -140.0), HALF, ""),  # smaller than rounding: nothing can be told
        (-100.0, -160.0, (-100.0, -140.0), HALF, "the base model is not the one it was trained on"),
        (-796.11, -797.11, (-796.42, -797.2), HALF, ""),  # seen: trained for three steps in bfloat16, served in float32
        (float("nan"), -140.0, (-100.0, -140.0), EXACT, "no finite probabilities"),
    ],
)
def test_it_doubts_a_probe_beyond_rounding_only(
    measured: float, base: float, trained: tuple[float, float], precision: Precision, reason: str
) -> None:
    recorded = dict(zip(("adapter_logprob", "base_logprob"), trained, strict=True))
    said = doubt(recorded, measured, base, tokens=100, precision=precision)
    assert (reason in said) if reason else not said


def test_it_refuses_another_chat_template_than_the_one_trained_with(base: Path, adapter: Path, tmp_path: Path) -> None:
    facts = {**toy.adapter_facts(base, adapter), "template": {"hash": "0" * 64}}
    spec = toy.generation(base, adapter=str(adapter), adapter_facts=facts)
    assert "chat template" in refusal(tmp_path / "run", spec)


def test_it_refuses_an_adapter_of_another_size_of_model(base: Path, adapter: Path, tmp_path: Path) -> None:
    weights = {name: value[:, :32] if "lora_A" in name else value for name, value in stored(adapter).items()}
    narrow = toy.copied(adapter, tmp_path / "narrow")
    save_file({name: value.contiguous() for name, value in weights.items()}, narrow / "adapter_model.safetensors")
    assert "does not fit the base model" in refusal(tmp_path / "run", toy.generation(base, adapter=str(narrow)))


def stored(adapter: Path) -> dict[str, Any]:
    return dict(load_file(adapter / "adapter_model.safetensors"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"base_model": "/nowhere/at/all"}, "The model folder /nowhere/at/all does not exist."),
        ({"base_model": "nobody/no-such-model"}, "is not on this machine, and contact with the hub is switched off"),
        ({"adapter": "/nowhere"}, "There is no adapter in /nowhere"),
        ({"engine": "abacus"}, "Unknown engine: abacus"),
        ({"engine": "openai", "endpoint": "ftp://x"}, "http:// or https://"),
        ({"engine": "openai", "endpoint": "http://x", "endpoint_key_variable": "NO_SUCH_KEY"}, "NO_SUCH_KEY"),
        ({"engine_arguments": {"warp": 9}}, "no argument warp"),
        ({"sampling": {"temperature": -1}}, "Temperature must be between 0 and 5."),
    ],
)
def test_it_refuses_with_one_sentence(base: Path, tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal(tmp_path, {**toy.generation(base), **changes})


def test_it_loads_safetensors_only(base: Path, adapter: Path, tmp_path: Path) -> None:
    model, tuned = toy.copied(base, tmp_path / "model"), toy.copied(adapter, tmp_path / "tuned")
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    (tuned / "adapter_model.safetensors").rename(tuned / "adapter_model.bin")
    assert "no safetensors" in refusal(tmp_path / "a", toy.generation(model))
    assert "no safetensors" in refusal(tmp_path / "b", toy.generation(base, adapter=str(tuned)))


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("", "prompts.jsonl holds no rows."),
        ('{"id": 1, "messages": []}\nnot json\n', "Line 2 of prompts.jsonl is not JSON."),
        ('{"id": 1}\n', "Line 1 of prompts.jsonl lacks messages."),
        ('{"id": 1, "messages": []}\n{"id": "1", "messages": []}\n', "Line 2 of prompts.jsonl repeats the id “1”."),
    ],
)
def test_it_names_the_line_of_the_input_that_is_wrong(base: Path, tmp_path: Path, lines: str, sentence: str) -> None:
    toy.run_folder(tmp_path, toy.generation(base))
    (tmp_path / "prompts.jsonl").write_text(lines)
    with RunFolder(tmp_path) as folder, pytest.raises(RunRefused, match=sentence):
        generate.run(folder, GenerationSpec.from_dict(folder.spec))


def test_it_refuses_at_once_without_loading_anything_heavy(tmp_path: Path) -> None:
    toy.run_folder(tmp_path, toy.generation(Path("/nowhere")), toy.questions())
    code = (
        "import sys; from inference.__main__ import main; status = main(sys.argv[1:]);"
        "print(status, 'torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=toy.ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == [str(EXIT_REFUSED), "False", "False"]
    assert toy.message(tmp_path) == "The model folder /nowhere does not exist."


def test_it_gives_way_to_another_process_in_the_same_folder(base: Path, tmp_path: Path) -> None:
    toy.run_folder(tmp_path, toy.generation(base), toy.questions())
    with RunFolder(tmp_path):
        assert toy.perform(tmp_path) == EXIT_BUSY
    assert not (tmp_path / "error.json").exists()


@pytest.mark.slow
def test_it_stops_when_asked_survives_a_kill_and_never_answers_twice(base: Path, tmp_path: Path) -> None:
    rows = toy.questions(10)
    slow = toy.generation(base, batch_size=1, sampling={"max_tokens": 200, "temperature": 0.7})
    whole = here(tmp_path / "whole", slow, rows)
    folder = toy.run_folder(tmp_path / "run", slow, rows)

    process = toy.started(folder)
    wait_for_answers(folder, 2)
    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    process.communicate(timeout=20)
    assert process.returncode == EXIT_CANCELLED
    assert time.monotonic() - asked < 9  # five where nothing else runs
    assert not (folder / "error.json").exists()

    before = len(toy.answers(folder))
    process = toy.started(folder)
    wait_for_answers(folder, before + 2)
    process.kill()
    process.communicate(timeout=20)
    kept = (folder / "answers.jsonl").read_text().rpartition("\n")[0]
    assert len(toy.answers(folder)) < len(rows)
    with (folder / "answers.jsonl").open("a") as file:
        file.write('{"id": "q9", "te')  # a write that the kill cut off

    assert toy.perform(folder) == EXIT_DONE
    assert (folder / "answers.jsonl").read_text().startswith(kept)
    assert sorted(row["id"] for row in toy.answers(folder)) == sorted(row["id"] for row in rows)
    assert toy.texts(folder) == toy.texts(whole)
    assert toy.result(folder)["answers"] == len(rows)


def wait_for_answers(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(toy.answers(folder)) < count:
        assert time.monotonic() < deadline, (folder / "events.jsonl").read_text()
        time.sleep(0.02)


def test_it_does_nothing_again_where_all_is_done(base: Path, tmp_path: Path) -> None:
    folder = here(tmp_path, toy.generation(base))
    before = (folder / "result.json").read_bytes(), (folder / "answers.jsonl").read_bytes()
    here(tmp_path, {**toy.generation(base), "facts": {"asked": "again"}})
    assert ((folder / "result.json").read_bytes(), (folder / "answers.jsonl").read_bytes()) == before


def test_it_leaves_no_secret_of_the_environment_behind(base: Path, tmp_path: Path) -> None:
    os.environ["TOY_KEY"] = "s3cret-value"
    try:
        folder = here(tmp_path, toy.generation(base, endpoint_key_variable="TOY_KEY"))
    finally:
        del os.environ["TOY_KEY"]
    assert not any("s3cret-value" in file.read_text(errors="ignore") for file in folder.iterdir())
    assert json.loads((folder / "spec.json").read_text())["endpoint_key_variable"] == "TOY_KEY"
