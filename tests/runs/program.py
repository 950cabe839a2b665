"""A small, exact program that speaks the run folder's protocol: python program.py MODE FOLDER.

Modes: quick, slow (about 6 s), stubborn (20 s, deaf to SIGTERM), killed (kills itself -9 every time), killed-once,
refused, broken, silent-end (ends well but leaves nothing).
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from runkit.adapters import adapter_hash
from runkit.folder import EXIT_BUSY, EXIT_CANCELLED, EXIT_FAILED, EXIT_REFUSED, FolderBusy, RunCancelled, RunFolder

STEPS = 20
CONTEXT = 512  # tokens that its model reads
PAUSES = {"slow": 0.3, "stubborn": 1.0}


def rows(folder, name):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def steps(run, mode):
    """Steps with a checkpoint, so that a second process goes on where the first one died."""
    checkpoint = run.path / "checkpoint"
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    if done:
        run.emit("resumed", done=done)
    for step in range(done + 1, STEPS + 1):
        if mode != "stubborn":
            run.check()
        time.sleep(PAUSES.get(mode, 0))
        if mode == "killed" or (mode == "killed-once" and step == 5 and not done):
            os.kill(os.getpid(), signal.SIGKILL)
        run.progress(step, STEPS, eta_seconds=float(STEPS - step))
        checkpoint.write_text(str(step))
        yield step


def train(run, mode):
    count = len(rows(run.path, "train.jsonl"))
    run.log(f"Learning from {count} examples.")
    sample = rows(run.path, "validation.jsonl")[0]["id"]
    for step in steps(run, mode):
        run.emit("metric", step=step, loss=2.0 / step, learning_rate=1e-4)
        if step % 5 == 0:
            run.emit("metric", step=step, validation_loss=1.0 + abs(step - 10) / 50)
            run.emit("sample", step=step, id=sample, text=f"An answer after {step} steps")
    adapter = run.path / "adapter"
    adapter.mkdir(exist_ok=True)
    (adapter / "adapter_model.safetensors").write_bytes(b"weights of " + str(count).encode())
    (adapter / "adapter_config.json").write_text(json.dumps({"r": run.spec["rank"]}))
    return {
        "adapter": "adapter", "adapter_hash": adapter_hash(adapter),
        "best_step": 10, "best_validation_loss": 1.0, "base_validation_loss": 2.5, "steps": STEPS,
        "seconds": 1.5, "tokens": 999, "tokens_per_second": 666.0, "precision": "fp32", "device": "cpu",
        "counts": {"train": count, "validation": 1, "truncated": 0, "without_label": 0},
        "template": {"hash": "t" * 64, "probes": [[1, 2]]}, "probe": {"token_ids": [1], "adapter_logprob": -1.0},
        "versions": {"fake": "1"},
    }  # fmt: skip


def generate(run, mode):
    prompts = rows(run.path, "prompts.jsonl")
    answers = run.path / "answers.jsonl"
    had = {row["id"] for row in rows(run.path, "answers.jsonl")} if answers.exists() else set()
    with answers.open("a") as file:
        for number, prompt in enumerate(prompts, start=1):
            run.check()
            if prompt["id"] in had:
                continue
            time.sleep(PAUSES.get(mode, 0))
            row = {"id": prompt["id"], "text": f"Answer to {prompt['messages'][-1]['content']}", "error": "",
                   "prompt_tokens": 5, "output_tokens": 3, "finish_reason": "stop", "latency_seconds": None,
                   "details": {}}  # fmt: skip
            file.write(json.dumps(row) + "\n")
            file.flush()
            run.progress(number, len(prompts), unit="answers")
    latency = {prompts[0]["id"]: 0.25}
    asked = run.spec["sampling"]
    applied = {**asked, "max_tokens": min(asked["max_tokens"], CONTEXT // 2)}
    adapter = run.spec["adapter"]
    return {"answers": len(prompts), "failed": 0, "seconds": 1.0, "output_tokens": 3 * len(prompts),
            "tokens_per_second": 30.0, "requests_per_second": 10.0, "latency_by_id": latency,
            "latency": {"n": 1, "p50": 0.25, "p95": 0.25, "concurrency": 1}, "device": "cpu", "sampling": applied,
            "max_prompt_tokens": run.spec["max_prompt_tokens"] or CONTEXT - applied["max_tokens"],
            "adapter_hash": adapter_hash(Path(adapter)) if adapter else None}  # fmt: skip


def score(run, mode):
    pairs = rows(run.path, "pairs.jsonl")
    with (run.path / "scores.jsonl").open("w") as file:
        for number, pair in enumerate(pairs, start=1):
            run.check()
            for metric in run.spec["metrics"]:
                row = {"id": pair["id"], "metric": metric, "value": 0.5, "scorer": f"fake {metric}"}
                file.write(json.dumps(row) + "\n")
            run.progress(number, len(pairs), unit="pairs")
    metrics = run.spec["metrics"]
    return {"pairs": len(pairs), "metrics": dict.fromkeys(metrics, 0.5),
            "scorers": {metric: f"fake {metric}" for metric in metrics}, "seconds": 0.1}  # fmt: skip


def main(mode, folder):
    try:
        with RunFolder(Path(folder)) as run:
            if mode == "refused":
                run.fail("The base model is not there.")
                return EXIT_REFUSED
            if mode == "broken":
                run.fail("The loss is not a number at step 3.", "Traceback …")
                return EXIT_FAILED
            if mode == "silent-end":
                return EXIT_FAILED
            task = run.spec.get("task", run.spec["program"])
            try:
                result = {"training": train, "generate": generate, "score": score}[task](run, mode)
            except RunCancelled as reason:
                run.fail(str(reason))
                return EXIT_CANCELLED
            run.finish(result)
    except FolderBusy:
        return EXIT_BUSY
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
