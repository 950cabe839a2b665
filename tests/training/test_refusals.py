"""One sentence for each thing that cannot be done, before anything heavy is loaded where that is possible."""

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import toy
from training.__main__ import main
from training.sentences import DISK_FULL, MEMORY_GONE, sentence


def refusal(folder: Path) -> str:
    assert main([str(folder)]) == 4
    assert not (folder / "adapter").exists()
    assert not toy.result(folder)
    return toy.error(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rank": 0}, "Rank must be between 1 and 256."),
        ({"flavour": 1}, "Unknown training setting: flavour."),
        ({"base_model": "/nowhere/model"}, "The model folder /nowhere/model does not exist."),
        ({"targets": ["lm_head"]}, "Adapters on lm_head cannot be served; leave out head and embeddings."),
        ({"quantization": "4bit"}, "A 4-bit base needs an NVIDIA GPU"),
        ({"targets": ["query"]}, "The model has no layer query to tune; it has down_proj, gate_proj, k_proj"),
        ({"base_model": "nobody/nothing"}, "nobody/nothing is not on this machine, and contact with the hub"),
        ({"max_length": 512}, "The maximum length of 512 tokens is more than the 256 the base model reads."),
        (
            {"learning_rate": 0.99, "alpha": 10**30, "targets": ["all-linear"], "epochs": 9},
            "The loss stopped being a number at step 1: the learning rate (0.99) is probably too high",
        ),
    ],
)
def test_it_refuses_in_one_sentence(base: Path, tmp_path: Path, changes: dict[str, Any], words: str):
    said = refusal(toy.run_folder(tmp_path / "run", base, **changes))
    assert words in said
    assert said.endswith(".")
    assert "\n" not in said


def test_it_refuses_without_data(base: Path, tmp_path: Path):
    folder = toy.run_folder(tmp_path / "run", base)
    (folder / "train.jsonl").write_text("")
    assert refusal(folder) == "There are no training examples; the version's training split is empty."
    (folder / "train.jsonl").unlink()
    assert refusal(folder) == "train.jsonl is missing from the run's folder."


def test_it_refuses_when_no_example_has_an_answer(base: Path, tmp_path: Path):
    folder = toy.run_folder(tmp_path / "run", base)
    toy.write_rows(folder / "train.jsonl", [toy.row("1", "Name it", ""), toy.row("2", "Name it", "long " * 40)])
    assert refusal(folder).startswith("No training example can be learned: all 2 have an empty answer, or one that")


def test_it_refuses_weights_that_could_run_code(tmp_path: Path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    assert "holds no safetensors weights; other formats can run code" in refusal(
        toy.run_folder(tmp_path / "run", folder)
    )


def test_it_never_runs_a_models_own_code(base: Path, tmp_path: Path):
    folder = toy.save_base(tmp_path / "model")
    marker = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(marker)!r}, 'w')\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    assert "which is never done" in refusal(toy.run_folder(tmp_path / "run", folder))
    assert not marker.exists()


def test_it_refuses_before_it_loads_anything_heavy(base: Path, tmp_path: Path):
    folder = toy.run_folder(tmp_path / "run", "/nowhere/model")
    script = (
        "import sys; from training.__main__ import main; status = main(sys.argv[1:]);"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules; sys.exit(status)"
    )
    process = subprocess.run(
        [sys.executable, "-c", script, str(folder)], cwd=toy.ROOT, capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stderr) == (4, "The model folder /nowhere/model does not exist.\n")


def test_it_says_so_when_the_folder_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(tmp_path / "none")]) == 4
    assert "does not exist" in capsys.readouterr().err


def test_it_names_the_knob_when_memory_is_gone():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert sentence(caught.value) == MEMORY_GONE
    assert sentence(MemoryError()) == MEMORY_GONE
    assert sentence(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")) == MEMORY_GONE
    assert "batch size" in MEMORY_GONE


def test_it_says_so_when_the_disk_is_full(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A real full device takes the events; then even error.json's words must reach standard error."""
    folder = toy.run_folder(tmp_path / "run", base)
    (folder / "events.jsonl").symlink_to("/dev/full")
    assert main([str(folder)]) == 1
    assert toy.error(folder) == DISK_FULL
    assert DISK_FULL in capsys.readouterr().err
    assert sentence(OSError(errno.ENOSPC, "No space left on device")) == DISK_FULL
    assert sentence(RuntimeError("PytorchStreamWriter failed writing file data.pkl")) == DISK_FULL


def test_it_keeps_the_traceback_of_a_bug(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(*given: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("training.fine_tune.read_data", broken)
    folder = toy.run_folder(tmp_path / "run", base)
    assert main([str(folder)]) == 1
    assert toy.error(folder) == "The run broke off: ZeroDivisionError: a bug"
    assert "Traceback" in (folder / "error.json").read_text()
