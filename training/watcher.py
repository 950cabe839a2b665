"""What happens beside the arithmetic: events for people, evaluation, checkpoints, stopping. A Trainer callback."""

import math
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from runkit.folder import RunCancelled, RunFolder
from training import checkpoints, environment, measure, ranks, sentences
from training.batches import Collator
from training.data import Example
from training.judge import Judge, evaluation_steps
from training.spec import TrainingSpec

SAVE_EVERY_SECONDS = 300.0
SHOWN_POINTS = 1000  # metric events over a whole run
QUIET_SECONDS = 0.5  # between two progress events


@dataclass(frozen=True)
class Material:
    """What is learned and what it is measured on."""

    train: Sequence[Example]
    validation: Sequence[Example]
    order: Sequence[int]
    collate: Collator
    tokenizer: Any
    precision: str
    fingerprint: str

    def tokens_by_step(self, per_step: int) -> list[int]:
        """Tokens learned up to each step; index 0 is 0."""
        lengths = [self.train[index].length for index in self.order]
        steps = range(0, len(lengths), per_step)
        return [0, *accumulate(sum(lengths[start : start + per_step]) for start in steps)]


class Watcher(TrainerCallback):
    """Follows one run. Everything it must remember over a restart is in `notes`, beside each checkpoint."""

    def __init__(self, folder: RunFolder, spec: TrainingSpec, material: Material, notes: dict[str, Any] | None) -> None:
        self.folder, self.spec, self.material = folder, spec, material
        self.judge = Judge.from_dict(notes["judge"]) if notes else Judge(spec.patience, spec.min_gain)
        self.seconds_before = float(notes["seconds"]) if notes else 0.0
        self.losses: list[float] = list(notes["losses"]) if notes else []
        self.resumed_at = int(notes["step"]) if notes else 0
        self.tokens = material.tokens_by_step(spec.batch_size * spec.accumulation)
        self.pace: deque[float] = deque(maxlen=20)
        self.over = False
        self.model: Any = None
        self.plan: set[int] = set()
        self.evaluation_seconds = 0.0
        self.started = self.step_began = self.saved = self.told = time.monotonic()

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self.started

    # Trainer's hooks

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.model = kwargs["model"]
        self.plan = evaluation_steps(state.max_steps, self.spec.evaluations)
        self.started = self.saved = time.monotonic()
        if self.resumed_at:
            self.folder.emit("resumed", done=state.global_step)
            self.folder.log(f"Going on from the checkpoint of step {state.global_step}.")
        else:
            self.evaluate(0)
        self.folder.progress(state.global_step, state.max_steps)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.step_began = time.monotonic()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """After every optimizer step, before a checkpoint would be written."""
        if not logs or "loss" not in logs:
            return  # Trainer's summary at the end
        self.refuse_nan(state.global_step, logs)
        self.losses.append(logs["loss"])
        self.tell(state, logs)
        if state.global_step in self.plan:
            self.evaluate(state.global_step)
            control.should_training_stop = control.should_training_stop or self.stops_early(state)
        self.over = bool(control.should_training_stop)
        due = time.monotonic() - self.saved > SAVE_EVERY_SECONDS
        control.should_save = bool(ranks.agreed(state.global_step in self.plan or due or self.folder.stopping))

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        ranks.wait_for_all()
        if environment.rank() == 0:
            checkpoints.finish(self.folder.path, state.global_step, self.notes(state.global_step))
            checkpoints.keep_only(self.folder.path, {state.global_step, self.judge.best_step})
        self.saved = time.monotonic()
        self.stop_if_asked(state.global_step)

    # Its own work

    def notes(self, step: int) -> dict[str, Any]:
        return {
            "step": step,
            "judge": self.judge.to_dict(),
            "seconds": self.seconds,
            "losses": self.losses,
            "over": self.over,
            "fingerprint": self.material.fingerprint,
        }

    def refuse_nan(self, step: int, logs: dict[str, float]) -> None:
        """Stop before anything broken is saved. In fp16 an infinite gradient is normal: the scaler skips that step."""
        watched = [logs["loss"]]
        if self.material.precision != "fp16" and "grad_norm" in logs:
            watched.append(logs["grad_norm"])
        if not all(math.isfinite(value) for value in watched):
            raise sentences.not_a_number(
                step=step, learning_rate=self.spec.learning_rate, precision=self.material.precision
            )

    def tell(self, state: TrainerState, logs: dict[str, float]) -> None:
        """Metric and progress events, thinned where there are many steps."""
        step, now = state.global_step, time.monotonic()
        self.pace.append(now - self.step_began)
        if step % max(1, state.max_steps // SHOWN_POINTS) == 0 or step in self.plan:
            learned = self.tokens[step] - self.tokens[step - 1]
            self.folder.emit(
                "metric",
                step=step,
                loss=round(logs["loss"], 5),
                learning_rate=logs["learning_rate"],
                grad_norm=round(logs.get("grad_norm", 0.0), 5),
                tokens_per_second=round(learned / max(1e-6, self.pace[-1])),
            )
        if now - self.told > QUIET_SECONDS or step in self.plan:
            self.told = now
            self.show(step, state.max_steps)

    def show(self, step: int, total: int) -> None:
        ahead = sum(planned > step for planned in self.plan)
        eta = (total - step) * sum(self.pace) / max(1, len(self.pace)) + ahead * self.evaluation_seconds
        self.folder.progress(step, total, eta_seconds=round(eta, 1))
        if sys.stderr.isatty():
            sys.stderr.write(f"\rstep {step} of {total}, {eta:.0f} s left  ")

    def evaluate(self, step: int) -> None:
        """Validation loss, sample answers and warnings of this step."""
        began = time.monotonic()
        loss = self.validation_loss()
        since = self.judge.history[-1]["step"] if self.judge.history else 0
        recent = self.losses[since:step]
        self.judge.note(step, loss, sum(recent) / len(recent) if recent else None)
        if loss is not None:
            self.folder.emit("metric", step=step, validation_loss=round(loss, 5))
        self.show_samples(step)
        if warning := self.judge.warning():
            self.folder.emit("warning", text=warning)
        self.evaluation_seconds = time.monotonic() - began

    def validation_loss(self) -> float | None:
        if not self.material.validation:
            return None
        value = measure.validation_loss(
            self.model, self.material.validation, self.material.collate, each=self.folder.check
        )
        return float(ranks.agreed(value))

    def show_samples(self, step: int) -> None:
        if environment.rank():
            return
        for example in self.material.validation[: self.spec.sample_prompts]:
            self.folder.check()
            text = measure.sample(self.model, self.material.tokenizer, example)
            self.folder.emit("sample", step=step, id=example.id, text=text)

    def stops_early(self, state: TrainerState) -> bool:
        if not self.judge.wants_stop():
            return False
        self.folder.log(
            f"Stopped early at step {state.global_step} of {state.max_steps}: "
            f"no gain in {self.judge.stale} evaluations; the best was step {self.judge.best_step}."
        )
        return True

    def stop_if_asked(self, step: int) -> None:
        if self.folder.stopping:
            self.folder.log(f"Stopped on request; the checkpoint of step {step} is kept.")
            raise RunCancelled("Stopped on request.")
