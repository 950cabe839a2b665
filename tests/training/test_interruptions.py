"""Kills, stops and second processes: a run goes on where it was, and nothing is done twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from runkit.folder import RunFolder
from tests.training import toy
from training import checkpoints
from training.__main__ import main

Launch = Callable[[Path], "subprocess.Popen[str]"]
LONG = {"train": 64, "epochs": 20, "evaluations": 16, "sample_prompts": 0, "dropout": 0.1}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter" / "adapter_model.safetensors")


def test_it_goes_on_after_kill_nine_and_ends_as_if_never_killed(base: Path, tmp_path: Path, launch: Launch):
    whole = toy.run_folder(tmp_path / "whole", base, **LONG)
    killed = toy.run_folder(tmp_path / "killed", base, **LONG)
    process = launch(killed)
    toy.wait_until(lambda: toy.steps_done(killed) >= 55 or process.poll() is not None)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not toy.result(killed)
    assert main([str(killed)]) == 0
    assert main([str(whole)]) == 0
    [resumed] = toy.events(killed, "resumed")
    assert resumed["done"] >= 50
    ours, theirs = toy.result(killed), toy.result(whole)
    assert all(torch.equal(tensor, weights(whole)[name]) for name, tensor in weights(killed).items())
    assert ours["history"] == theirs["history"]
    assert (ours["steps"], ours["tokens"], ours["best_step"]) == (
        theirs["steps"],
        theirs["tokens"],
        theirs["best_step"],
    )


def test_it_stops_soon_after_sigterm_and_keeps_a_checkpoint(base: Path, tmp_path: Path, launch: Launch):
    folder = toy.run_folder(tmp_path / "run", base, **{**LONG, "epochs": 100, "evaluations": 2})
    process = launch(folder)
    toy.wait_until(lambda: toy.steps_done(folder) >= 20 or process.poll() is not None)
    asked = time.monotonic()
    process.terminate()
    assert process.wait(20) == 3
    assert time.monotonic() - asked < 9  # five where nothing else runs; 100 epochs take minutes
    found = checkpoints.last(folder)
    assert found
    assert found[1]["step"] >= 20
    assert not toy.result(folder)
    assert not (folder / "error.json").exists()


def test_it_stops_when_the_process_that_started_it_is_gone(base: Path, tmp_path: Path):
    folder = toy.run_folder(tmp_path / "run", base, **{**LONG, "epochs": 100})
    starter = (
        "import os, subprocess, sys, time\n"
        "os.environ['EVALHUB_PARENT_PID'] = str(os.getpid())\n"
        "child = subprocess.Popen([sys.executable, '-m', 'training', sys.argv[1]])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(120)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", starter, str(folder)], cwd=toy.ROOT, stdout=subprocess.PIPE)
    assert parent.stdout
    child = int(parent.stdout.readline())
    try:
        toy.wait_until((folder / "events.jsonl").exists)
    finally:
        parent.kill()
        parent.communicate()
    toy.wait_until(lambda: not alive(child), seconds=30)
    assert not toy.result(folder)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_it_leaves_a_folder_alone_that_another_process_holds(base: Path, tmp_path: Path, launch: Launch):
    folder = toy.run_folder(tmp_path / "run", base)
    with RunFolder(folder):
        process = launch(folder)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 5
    assert said == "Another process is working in run.\n"
    assert not (folder / "error.json").exists()


def test_it_forgets_a_checkpoint_that_was_cut_off(tmp_path: Path):
    for step in (10, 20):
        checkpoints.path_of(tmp_path, step).mkdir(parents=True)
    checkpoints.finish(tmp_path, 10, {"step": 10})
    checkpoints.remove_unfinished(tmp_path)
    found = checkpoints.last(tmp_path)
    assert found
    assert found[0].name == "checkpoint-10"
    assert not checkpoints.path_of(tmp_path, 20).exists()


def test_it_starts_anew_when_the_settings_have_changed(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = toy.run_folder(tmp_path / "run", base, epochs=4)
    monkeypatch.setattr("training.fine_tune.keep", lambda *given: os.kill(os.getpid(), signal.SIGTERM))
    assert main([str(folder)]) == 0  # it ended before it could keep anything
    monkeypatch.undo()
    spec = (folder / "spec.json").read_text().replace('"rank": 4', '"rank": 8')
    (folder / "spec.json").write_text(spec)
    assert main([str(folder)]) == 0
    assert not toy.events(folder, "resumed")
    assert any("starts anew" in event["text"] for event in toy.events(folder, "log"))
    assert toy.result(folder)["steps"] == 4
