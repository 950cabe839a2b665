"""What a run has come to, as sentences for the person at the terminal, with the command that comes next."""

import shlex
from typing import Any

from django.urls import reverse

from evalhub.runs.models import Run
from evalhub.runs.reading import applied_sampling, asked_otherwise


def sentences(run: Run) -> list[str]:
    """Of a run that was queued or has succeeded."""
    if run.state != Run.State.SUCCEEDED:
        page = reverse("runs:detail", args=[run.project.slug, run.pk])
        return [f"{_title(run)} is {run.state} for the next free worker of queue {run.queue}; its page is {page}"]
    tell = {Run.Kind.TRAINING: _training, Run.Kind.GENERATION: _generation, Run.Kind.SCORING: _scoring}
    return tell[Run.Kind(run.kind)](run)


def _title(run: Run) -> str:
    return f"{run.get_kind_display()} run {run.pk}"


def _training(run: Run) -> list[str]:
    result, name = run.result, run.training.adapter.name if run.training.adapter else ""
    lines = [f"{_title(run)} has succeeded: the adapter of step {result['best_step']:,} is kept as “{name}”."]
    if (loss := result.get("best_validation_loss")) is not None:
        before = result.get("base_validation_loss")
        lines.append(f"Validation loss {loss:.3f}{'' if before is None else f', {before:.3f} before training'}.")
    return [*lines, _next(run, "Let it answer", "generate", "--model", name)]


def _generation(run: Run) -> list[str]:
    made, result = run.generation, run.result
    failed, answers = int(result["failed"]), int(result["answers"])
    all_of = f"all {answers:,}" if not failed else f"{answers - failed:,} of {answers:,}"
    lines = [
        f"{_title(run)} has succeeded: {made.model.name} answered {all_of} {made.split} prompts of {made.version}."
    ]
    if failed:
        lines.append(f"{failed:,} could not be answered; the reason stands with each on the run's page.")
    applied, asked = applied_sampling(made), asked_otherwise(made)
    lines += [f"{_plain(name)}: {applied[name]} was applied, {asked[name]} was asked for." for name in asked]
    return [*lines, _next(run, "Score the answers", "score", "--run", str(run.pk))]


def _scoring(run: Run) -> list[str]:
    result, about = run.result, run.scoring.generation.run
    metrics: dict[str, Any] = result["metrics"]
    head = f"{_title(run)} has succeeded: {int(result['pairs']):,} answers of run {about.pk} were scored."
    return [head, *(f"  {metric:<12} {float(value):.3f}" for metric, value in metrics.items())]


def _plain(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _next(run: Run, title: str, *words: str) -> str:
    command = shlex.join(["python", "manage.py", *words[:1], "--project", run.project.slug, *words[1:]])
    return f"{title}: {command}"
