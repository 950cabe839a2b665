"""A whole run in this process: what it learns, what it changes, what it leaves."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainingArguments

from runkit.adapters import adapter_hash
from runkit.prompts import template_fingerprint
from tests.training import toy
from training.__main__ import main
from training.batches import padded
from training.data import encode_rows
from training.fine_tune import arguments
from training.measure import clearness, log_probability, sample, validation_loss
from training.model import Machine
from training.presets import ABOUT, PRESETS
from training.spec import TrainingSpec


def tuned(folder: Path, base: Path) -> PeftModel:
    return PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder / "adapter").eval()


@pytest.fixture(scope="module")
def done(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight examples learned by heart, and validated on themselves."""
    folder = toy.run_folder(
        tmp_path_factory.mktemp("runs") / "heart", base, epochs=40, rank=16, alpha=32, targets=["all-linear"]
    )
    toy.write_rows(folder / "validation.jsonl", toy.rows(8))
    assert main([str(folder)]) == 0
    return folder


def test_it_learns_eight_examples_by_heart_and_says_one_again(done: Path, base: Path):
    [example] = toy.examples(1)
    text = sample(tuned(done, base), AutoTokenizer.from_pretrained(base), example)
    assert text == "answer a"


def test_it_records_what_happened(done: Path, base: Path):
    result = toy.result(done)
    assert result["best_validation_loss"] < 0.2 < result["base_validation_loss"]
    assert result["steps"] == 40
    assert result["counts"] == {"train": 8, "validation": 8, "truncated": 0, "without_label": 0}
    assert result["precision"] == "fp32"
    assert result["adapter_hash"] == adapter_hash(done / "adapter")
    assert result["tokens"] == 40 * sum(example.length for example in toy.examples(8))
    assert result["template"] == template_fingerprint(AutoTokenizer.from_pretrained(base))
    assert [point["step"] for point in result["history"]] == [0, 20, 40]


def test_it_proves_its_adapter_by_log_probabilities_that_a_server_finds_again(done: Path, base: Path):
    proof = toy.result(done)["probe"]
    assert log_probability(tuned(done, base), proof["token_ids"]) == pytest.approx(proof["adapter_logprob"], abs=1e-3)
    alone = AutoModelForCausalLM.from_pretrained(base)
    assert log_probability(alone, proof["token_ids"]) == pytest.approx(proof["base_logprob"], abs=1e-3)
    assert abs(proof["adapter_logprob"] - proof["base_logprob"]) > 1
    assert clearness(proof) > 0.4  # ten times what rounding to bfloat16 was seen to do


def test_it_changes_only_the_adapters_weights(done: Path, base: Path):
    before, after = load_file(base / "model.safetensors"), toy.model().state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)  # the file is what was built in code
    assert all("lora_" in name for name in load_file(done / "adapter" / "adapter_model.safetensors"))
    inner = tuned(done, base).get_base_model().state_dict()
    assert all(torch.equal(inner[name.replace("_proj.", "_proj.base_layer.")], before[name]) for name in before)


def test_it_leaves_a_folder_that_servers_load_and_no_checkpoints(done: Path, base: Path):
    adapter = done / "adapter"
    assert sorted(path.name for path in adapter.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "evalhub.json",
    ]
    assert str(base) in (adapter / "adapter_config.json").read_text()
    assert not (done / "checkpoints").exists()


def test_it_tells_its_story_while_it_runs(done: Path):
    kinds = {event["kind"] for event in toy.events(done)}
    assert {"log", "progress", "metric", "sample"} <= kinds
    measured = [event for event in toy.events(done, "metric") if "validation_loss" in event]
    assert [event["step"] for event in measured] == [0, 20, 40]
    assert {"step", "loss", "learning_rate", "grad_norm", "tokens_per_second"} <= set(toy.events(done, "metric")[1])
    assert [event["step"] for event in toy.events(done, "sample")] == [0, 20, 40]
    last = toy.events(done, "progress")[-1]
    assert (last["done"], last["total"], last["eta_seconds"]) == (40, 40, 0)


def test_it_does_nothing_when_it_is_done(done: Path):
    before = toy.result(done)
    assert main([str(done)]) == 0
    assert toy.result(done) == before
    assert toy.events(done, "log")[-1]["text"] == "This run is already done."


@pytest.mark.parametrize(("batch", "accumulation"), [(4, 2), (2, 4)])
def test_it_learns_the_same_however_a_step_is_split(base: Path, tmp_path: Path, batch: int, accumulation: int):
    whole = toy.run_folder(tmp_path / "whole", base, batch_size=8, accumulation=1, epochs=3, evaluations=1)
    split = toy.run_folder(
        tmp_path / "split", base, batch_size=batch, accumulation=accumulation, epochs=3, evaluations=1
    )
    weights = []
    for folder in (whole, split):
        assert main([str(folder)]) == 0
        weights.append(load_file(folder / "adapter" / "adapter_model.safetensors"))
    assert all(torch.allclose(weights[0][name], weights[1][name], atol=1e-4) for name in weights[0])


def test_it_keeps_the_best_step_and_warns_of_learning_by_heart(base: Path, tmp_path: Path):
    folder = toy.run_folder(tmp_path / "run", base, epochs=30, evaluations=10, rank=16, targets=["all-linear"])
    contrary = [toy.row("v", row["messages"][0]["content"], "quite another reply") for row in toy.rows(4)]
    toy.write_rows(folder / "validation.jsonl", contrary)
    assert main([str(folder)]) == 0
    result = toy.result(folder)
    losses = {point["step"]: point["validation_loss"] for point in result["history"] if point["step"]}
    assert result["best_step"] == min(losses, key=lambda step: losses[step]) < 30
    kept = validation_loss(tuned(folder, base), encode_rows(toy.tokenizer(), contrary, 64).examples, padded)
    assert kept == pytest.approx(result["best_validation_loss"], abs=1e-3)
    [warning] = [event["text"] for event in toy.events(folder, "warning")]
    assert warning.startswith("Overfitting")


def test_it_stops_early_when_nothing_is_gained(base: Path, tmp_path: Path):
    folder = toy.run_folder(
        tmp_path / "run", base, learning_rate=1e-6, epochs=20, evaluations=10, patience=2, min_gain=0.5
    )
    assert main([str(folder)]) == 0
    assert toy.result(folder)["steps"] == 4
    assert any("Stopped early at step 4 of 20" in event["text"] for event in toy.events(folder, "log"))


def test_it_runs_without_validation_examples_and_says_what_that_means(base: Path, tmp_path: Path):
    folder = toy.run_folder(tmp_path / "run", base, validation=0)
    assert main([str(folder)]) == 0
    assert toy.result(folder)["best_step"] == 2
    assert toy.result(folder)["best_validation_loss"] is None
    assert "no validation examples" in toy.events(folder, "warning")[0]["text"]


@pytest.mark.parametrize("preset", PRESETS)
def test_it_has_presets_that_build_their_settings(preset: str, tmp_path: Path):
    spec = TrainingSpec.from_dict({"base_model": "any", **PRESETS[preset]})
    built = arguments(tmp_path, spec, Machine("cpu", "CPU", "fp32"))
    assert isinstance(built, TrainingArguments)
    assert built.learning_rate == spec.learning_rate
    assert built.report_to == []
    assert ABOUT[preset].endswith(".")
