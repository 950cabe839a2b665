"""The run's folder: spec.json and data, written once, whole or not at all. Anyone can repeat the run from it."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from evalhub.datasets import export
from evalhub.datasets.models import Split
from evalhub.runs import artefacts
from evalhub.runs.models import GenerationRun, Model, PromptTemplate, Run, ScoringRun, TrainingRun
from runkit.folder import SPEC, read_json, write_json

Row = Mapping[str, Any]


def folder_of(run: Run) -> Path:
    return Path(settings.RUNS_FOLDER) / str(run.pk)


def prepared(run: Run) -> Path:
    """The run's folder, filled if it is not yet. Safe to call again, and from two processes at once."""
    folder = folder_of(run)
    if _belongs(folder, run):
        return folder
    new = folder.with_name(f".{run.pk}-{run.attempt}-{os.getpid()}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        _fill(new, run)
        _move(new, folder, run)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder


def _belongs(folder: Path, run: Run) -> bool:
    """Whether the folder was made for this very run, not for one of another database with the same number."""
    spec = read_json(folder / SPEC)
    return spec is not None and spec.get("facts", {}).get("run") == _identity(run)


def _identity(run: Run) -> dict[str, Any]:
    return {"id": run.pk, "asked_at": run.created_at.isoformat()}


def _move(new: Path, folder: Path, run: Run) -> None:
    if folder.exists() and not _belongs(folder, run):
        folder.rename(folder.with_name(f"{folder.name}.before-{run.created_at:%Y%m%d%H%M%S%f}-{os.getpid()}"))
    try:
        new.rename(folder)
    except OSError:
        if not _belongs(folder, run):  # otherwise another worker was quicker, with the same contents
            raise


def _fill(new: Path, run: Run) -> None:
    spec = {**run.spec, "facts": {**run.spec.get("facts", {}), "run": _identity(run)}}
    if run.kind == Run.Kind.TRAINING:
        _fill_training(new, run.training)
    elif run.kind == Run.Kind.GENERATION:
        spec |= _fill_generation(new, run.generation)
    else:
        _write_rows(new / "pairs.jsonl", pairs(run.scoring))
    write_json(new / SPEC, spec)


def _fill_training(new: Path, training: TrainingRun) -> None:
    shape = shape_of(training.template)
    for split in (Split.TRAIN, Split.VALIDATION):
        _write_rows(new / f"{split}.jsonl", export.training_rows(training.version, split, shape))


def _fill_generation(new: Path, generation: GenerationRun) -> dict[str, Any]:
    """Write the prompts; what the specification needs that only this machine knows: where the adapter lies."""
    assert generation.template is not None, "Only answers made elsewhere have no template."
    shape = shape_of(generation.template)
    _write_rows(new / "prompts.jsonl", export.prompt_rows(generation.version, generation.split, shape))
    if generation.model.kind != Model.Kind.ADAPTER:
        return {}
    return {"adapter": str(artefacts.local_folder(generation.model.reference))}


def shape_of(template: PromptTemplate) -> export.PromptShape:
    return export.PromptShape(system=template.system, user=template.user)


def pairs(scoring: ScoringRun) -> Iterator[Row]:
    """Each answer of the generation run beside the output that the version holds."""
    answers = scoring.generation.answers.filter(error="").select_related("entry").order_by("entry__position")
    for answer in answers.iterator(chunk_size=500):
        reference = answer.entry.values.get("output", "")
        yield {"id": str(answer.pk), "answer": answer.text, "reference": reference}


def _write_rows(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
