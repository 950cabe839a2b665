"""What a finished process leaves in the database. Everything here may be repeated after a crash and doubles nothing."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.db import transaction

from evalhub.accounts.models import AuditEvent
from evalhub.errors import Refused
from evalhub.runs import artefacts, lifecycle
from evalhub.runs.lifecycle import Claim
from evalhub.runs.models import Answer, GenerationRun, Model, Run, Score, ScoringRun, TrainingRun
from evalhub.upkeep import beating
from runkit.folder import RESULT, EventReader, read_json, read_jsonl

CHUNK = 500
ANSWER_FIELDS = ("text", "error", "prompt_tokens", "output_tokens", "finish_reason", "latency_seconds", "details")

Row = Mapping[str, Any]


class AnswerReader(EventReader):
    """Keeps the answers of a running generation as they come."""

    def __init__(self, run: Run, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "answers.jsonl"
        self.generation = run.generation
        self.entries = entry_ids(self.generation)

    def keep_new(self) -> None:
        keep_answers(self.generation, self.new(), self.entries)


def keep(claim: Claim, run: Run, folder: Path) -> bool:
    """Store what the process left and call the run succeeded, all or nothing; false if the run is no longer ours."""
    result = read_json(folder / RESULT) or {}
    stored = None
    if is_training(run):
        with beating(lambda: lifecycle.beat(claim)):
            stored = artefacts.keep_folder(folder / str(result.get("adapter", "adapter")))
    with transaction.atomic():
        if not lifecycle.finish(claim, Run.State.SUCCEEDED, result=shown(result), message=""):
            return False
        if stored:
            keep_adapter(run.training, stored, result)
        elif run.kind == Run.Kind.GENERATION:
            keep_all_answers(run.generation, folder, result)
        else:
            keep_scores(run.scoring, read_jsonl(folder / "scores.jsonl"))
    return True


def is_training(run: Run) -> bool:
    return run.kind == Run.Kind.TRAINING


def shown(result: dict[str, Any]) -> dict[str, Any]:
    """The result without what stands in rows of its own."""
    return {name: value for name, value in result.items() if name != "latency_by_id"}


def keep_adapter(training: TrainingRun, stored: tuple[str, str], result: Row) -> Model:
    """The adapter as a model of the registry, one per training run."""
    if training.adapter:
        return training.adapter
    key, content = stored
    template = result.get("template", {})
    training.adapter = Model.objects.create(
        project=training.run.project,
        name=free_name(training),
        kind=Model.Kind.ADAPTER,
        reference=key,
        base=training.base,
        content_hash=content,
        template_hash=template.get("hash", ""),
        facts=adapter_facts(training, result),
    )
    training.save(update_fields=["adapter"])
    AuditEvent.objects.create(
        project=training.run.project,
        actor=training.run.requested_by,
        verb="keep adapter",
        target=f"model {training.adapter.pk}",
        details={"run": training.run_id, "hash": content},
    )
    return training.adapter


SERVED = ("template", "probe", "precision", "adapter_hash")


def adapter_facts(training: TrainingRun, result: Row) -> dict[str, Any]:
    """What is kept beside an adapter: where it comes from, and what `served` must show before it is trusted."""
    names = ("best_step", "best_validation_loss", "base_validation_loss", "seconds", "tokens", "counts", "precision")
    return {
        "run": training.run_id,
        "version": str(training.version),
        "data_hash": training.version.data_hash,
        "settings": training.settings,
        "served": {name: result[name] for name in SERVED if name in result},
        "versions": result.get("versions", {}),
        **{name: result[name] for name in names if name in result},
    }


def free_name(training: TrainingRun) -> str:
    """The run's name, or the first numbered one that no model of the project has."""
    wanted = training.run.name[:110]
    taken = set(training.run.project.models.filter(name__startswith=wanted).values_list("name", flat=True))
    names = (wanted if number == 1 else f"{wanted} ({number})" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def entry_ids(generation: GenerationRun) -> frozenset[int]:
    """The frozen examples that this generation may answer."""
    entries = generation.version.entries.filter(split=generation.split)
    return frozenset(entries.values_list("pk", flat=True))


def keep_all_answers(generation: GenerationRun, folder: Path, result: Row) -> None:
    latencies = {int(key): float(value) for key, value in result.get("latency_by_id", {}).items()}
    rows = read_jsonl(folder / "answers.jsonl")
    keep_answers(generation, rows, entry_ids(generation), latencies)


def keep_answers(
    generation: GenerationRun,
    rows: Iterable[Row],
    entries: frozenset[int],
    latencies: Mapping[int, float] | None = None,
) -> None:
    """Store answers, each over its earlier self; raises Refused for one that belongs to no prompt of this run."""
    answers = {}
    for row in rows:
        entry = int(row["id"])
        if entry not in entries:
            raise Refused(f"The program answered a prompt that it was not given ({entry}).")
        answers[entry] = _answer(generation, entry, row, (latencies or {}).get(entry))
    Answer.objects.bulk_create(
        answers.values(),
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=["generation", "entry"],
        update_fields=ANSWER_FIELDS,
    )


def _answer(generation: GenerationRun, entry: int, row: Row, latency: float | None) -> Answer:
    return Answer(
        generation=generation,
        entry_id=entry,
        text=row.get("text") or "",
        error=row.get("error") or "",
        prompt_tokens=row.get("prompt_tokens"),
        output_tokens=row.get("output_tokens"),
        finish_reason=(row.get("finish_reason") or "")[:20],
        latency_seconds=latency if latency is not None else row.get("latency_seconds"),
        details=row.get("details") or {},
    )


def keep_scores(scoring: ScoringRun, rows: Iterable[Row]) -> None:
    """Store scores, each over the earlier one of the same scorer."""
    answers = set(scoring.generation.answers.values_list("pk", flat=True))
    scores = {
        (int(row["id"]), row["metric"], row["scorer"]): Score(
            answer_id=int(row["id"]),
            scoring=scoring,
            metric=row["metric"],
            value=float(row["value"]),
            scorer=str(row["scorer"])[:200],
        )
        for row in rows
        if int(row["id"]) in answers
    }
    Score.objects.bulk_create(
        scores.values(),
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=["answer", "metric", "scorer"],
        update_fields=["value", "scoring"],
    )
