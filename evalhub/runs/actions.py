"""Ask: register a model, train, generate, score, bring answers in; cancel, retry, resume.

Pages, API and commands call these. A run is only written here; a worker does it (tasks.py).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from evalhub.accounts.models import AuditEvent, Project, User
from evalhub.datasets import leakage
from evalhub.datasets.models import Split, Version
from evalhub.datasets.values import BadValue, plain_json
from evalhub.errors import Refused
from evalhub.progress import Heard, told
from evalhub.runs import answerfiles, lifecycle, registry, specs, tasks
from evalhub.runs.follow import Progress
from evalhub.runs.models import Answer, GenerationRun, Model, PromptTemplate, Run, ScoringRun, TrainingRun

WAIT_SECONDS = 0.3
LARGEST_FILE = 64 * 2**20
NAMED_AT_MOST = 5
CHUNK = 500

Detail = Callable[[Run], object]


class AlreadyLive(Refused):
    """The very same run is queued or running; `run` is that one."""

    def __init__(self, run: Run) -> None:
        super().__init__(f"The same run is already {run.state}: {run.name} (run {run.pk}). Nothing was started.")
        self.run = run


# --- the registry -------------------------------------------------------------------------------


def _kept_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Raises Refused for what no database can keep."""
    try:
        return dict(plain_json("facts", dict(facts)))
    except BadValue as error:
        raise Refused(error.reason, field="facts") from error


def register_model(
    project: Project,
    *,
    name: str,
    reference: str,
    by: User,
    kind: str = Model.Kind.BASE,
    facts: Mapping[str, Any] | None = None,
) -> Model:
    """Add a base model (hub id or local folder of safetensors) or an endpoint; the same twice is one.

    Raises Refused for unsafe weights, a missing folder, facts that cannot be kept, or a name that another model has.
    """
    given, content = _kept_facts(facts or {}), ""
    known: dict[str, Any] = {}
    if kind == Model.Kind.BASE:
        reference, known, content = registry.checked_base(reference)
    elif kind == Model.Kind.ENDPOINT:
        reference = registry.checked_endpoint(reference, given)
    else:
        raise Refused("An adapter comes from a training run, and answers made elsewhere from their import.")
    values = {"kind": kind, "reference": reference, "content_hash": content, "facts": {**known, **given}}
    with transaction.atomic():
        model, made = Model.objects.get_or_create(project=project, name=named(name), defaults=values)
        if not made and (model.kind, model.reference) != (kind, reference):
            raise Refused(f"This project already has a model named “{model.name}”; choose another name.", field="name")
        if made:
            audit(project, by, "register model", f"model {model.pk}", {"name": model.name, "reference": reference})
    return model


def named(name: str) -> str:
    """The name without blanks around it; raises Refused where nothing is left, or too much."""
    name = " ".join(name.split())
    if not name:
        raise Refused("A name is needed.", field="name")
    if len(name) > 120:
        raise Refused("A name has at most 120 characters.", field="name")
    return name


def default_template(project: Project) -> PromptTemplate:
    """The project's plain template: the instruction, a blank line, the input."""
    return PromptTemplate.objects.get_or_create(project=project, name="Instruction and input")[0]


# --- asking for a run ---------------------------------------------------------------------------


def request_training(
    project: Project,
    *,
    base: Model,
    version: Version,
    by: User,
    preset: str = "recommended",
    settings: Mapping[str, Any] | None = None,
    template: PromptTemplate | None = None,
    name: str = "",
    request_key: str | None = None,
    send: bool = True,
) -> Run:
    """Queue the training of a LoRA adapter on the version's train split.

    `settings` override the preset. With `send` false no worker is told: the caller performs the run itself.
    Raises Refused for a base that cannot be trained, a version without a train split, or settings out of bounds, and
    Leaking if a test set that was frozen after the version holds near duplicates of what it trains on.
    """
    _same_project(project, base, version, template)
    if base.kind != Model.Kind.BASE:
        raise Refused(f"Only a base model can be trained; {base.name} is: {base.get_kind_display().lower()}.")
    if not specs.has_split(version, Split.TRAIN):
        raise Refused(f"{version} has no training examples; freeze a version with a train split.")
    leakage.refuse_leaks_since(version)
    template = template or default_template(project)
    chosen = specs.preset_settings(preset, settings or {})
    spec = specs.training_spec(base, version, template, chosen)

    def detail(run: Run) -> object:
        return TrainingRun.objects.create(
            run=run, base=base, version=version, template=template, settings={"preset": preset, **chosen}
        )

    name = name.strip() or f"{base.name} on {version}"
    asked = _Request(Run.Kind.TRAINING, name, "gpu", spec, (base.pk, version.pk, template.pk), request_key)
    return _ask(project, by, asked, detail, send=send)


def request_generation(
    project: Project,
    *,
    model: Model,
    version: Version,
    by: User,
    split: str = Split.TEST,
    sampling: Mapping[str, Any] | None = None,
    template: PromptTemplate | None = None,
    engine: str = "",
    name: str = "",
    request_key: str | None = None,
    send: bool = True,
) -> Run:
    """Queue one model's answers to the prompts of a split. An adapter is asked in the shape it was trained with.

    Raises Refused for a model that cannot answer, an empty split, or sampling out of bounds.
    """
    _same_project(project, model, version, template)
    if model.kind == Model.Kind.EXTERNAL:
        raise Refused(f"{model.name} stands for answers made elsewhere; it cannot answer itself.")
    if not specs.has_split(version, split):
        raise Refused(f"{version} has no {split} examples. {another_split(version)}")
    template = template or trained_template(model) or default_template(project)
    engine = "openai" if model.kind == Model.Kind.ENDPOINT else engine or django_settings.ENGINE
    spec = specs.generation_spec(model, version, template, sampling or {}, engine)

    def detail(run: Run) -> object:
        return GenerationRun.objects.create(
            run=run, model=model, version=version, split=split, template=template,
            sampling=spec["sampling"], engine=engine,
        )  # fmt: skip

    queue = "cpu" if model.kind == Model.Kind.ENDPOINT else "gpu"
    name = name.strip() or f"{model.name}: {split} of {version}"
    asked = _Request(Run.Kind.GENERATION, name, queue, spec, (model.pk, version.pk, split, template.pk), request_key)
    return _ask(project, by, asked, detail, send=send)


def trained_template(model: Model) -> PromptTemplate | None:
    """The template that an adapter was trained with."""
    training = TrainingRun.objects.select_related("template").filter(adapter=model).first()
    return training.template if training else None


def request_scoring(
    generation: GenerationRun,
    *,
    by: User,
    metrics: Sequence[str] | None = None,
    request_key: str | None = None,
    send: bool = True,
) -> Run:
    """Queue metrics of a generation run's answers against the version's own outputs.

    Raises Refused if the answers are not all there yet, or none can be scored.
    """
    if generation.run.state != Run.State.SUCCEEDED:
        raise Refused(f"{generation.run.name} is {generation.run.state}; only finished answers are scored.")
    if not generation.answers.filter(error="").exists():
        raise Refused(f"{generation.run.name} has no answers to score.")
    spec = specs.scoring_spec(generation, tuple(metrics) if metrics is not None else None)

    def detail(run: Run) -> object:
        return ScoringRun.objects.create(run=run, generation=generation, metrics=spec["metrics"])

    name = f"Scores of {generation.run.name}"[:160]
    asked = _Request(Run.Kind.SCORING, name, "cpu", spec, (generation.pk,), request_key)
    return _ask(generation.run.project, by, asked, detail, send=send)


@dataclass(frozen=True)
class _Request:
    """What every kind of run has in common when it is asked for."""

    kind: str
    name: str
    queue: str
    spec: dict[str, Any]
    about: tuple[object, ...]
    key: str | None

    @property
    def fingerprint(self) -> str:
        return specs.fingerprint(self.kind, self.about, self.spec)


def _ask(
    project: Project, by: User, asked: _Request, detail: Detail, *, send: bool, retry_of: Run | None = None
) -> Run:
    """Write the run and tell the queue once that is committed. The same form twice is one run."""
    earlier = Run.objects.filter(project=project, request_key=asked.key).first() if asked.key else None
    if earlier:
        return earlier
    try:
        with transaction.atomic():
            run = Run.objects.create(
                project=project,
                kind=asked.kind,
                name=asked.name[:160],
                queue=asked.queue,
                requested_by=by,
                spec=asked.spec,
                fingerprint=asked.fingerprint,
                request_key=asked.key or None,
                retry_of=retry_of,
                message="Waiting for a worker." if send else "Waiting to be performed.",
            )
            detail(run)
            audit(project, by, f"request {run.kind}", f"run {run.pk}", {"retry_of": retry_of.pk} if retry_of else {})
            if send:
                transaction.on_commit(lambda: tasks.knock(run.pk))
    except IntegrityError:
        return _the_one_before(project, asked)
    return run


def _the_one_before(project: Project, asked: _Request) -> Run:
    """The run that a constraint kept us from doubling; raises AlreadyLive where another form had asked for it."""
    same_form = Run.objects.filter(project=project, request_key=asked.key).first() if asked.key else None
    if same_form:
        return same_form
    live = (Run.State.QUEUED, Run.State.RUNNING)
    twin = Run.objects.filter(project=project, fingerprint=asked.fingerprint, state__in=live).first()
    if twin is None:
        raise Refused("The same run ended at this very moment; ask again.")
    raise AlreadyLive(twin)


def _same_project(project: Project, model: Model, version: Version, template: PromptTemplate | None) -> None:
    owners = {model.project_id, version.dataset.project_id, template.project_id if template else project.pk}
    if owners != {project.pk}:
        raise Refused("Model, data and prompt template belong to different projects.")


# --- what becomes of a run ----------------------------------------------------------------------


def cancel(run: Run, *, by: User) -> Run:
    """Stop a run: at once while it waits, within five seconds while it runs. Asking again changes nothing.

    Raises Refused for a run that has ended otherwise.
    """
    with transaction.atomic():
        before = Run.objects.filter(pk=run.pk).values_list("state", "cancel_requested_at").get()
        state = lifecycle.request_cancel(run.pk)
        run.refresh_from_db()
        if state is None and run.state != Run.State.CANCELLED:
            raise Refused(f"This run has already {run.state}.")
        if state is not None and before[1] is None:
            audit(run.project, by, "cancel run", f"run {run.pk}", {})
    return run


def retry(run: Run, *, by: User, request_key: str | None = None, send: bool = True) -> Run:
    """The same run again from the beginning, as a new one. Raises Refused unless it failed or was cancelled."""
    if run.state not in (Run.State.FAILED, Run.State.CANCELLED):
        raise Refused(f"This run is {run.state}; only a failed or cancelled one is retried.")
    about = _about(run)
    asked = _Request(run.kind, run.name, run.queue, run.spec, about, request_key)
    return _ask(run.project, by, asked, lambda new: _copy_detail(run, new), send=send, retry_of=run)


def _about(run: Run) -> tuple[object, ...]:
    if run.kind == Run.Kind.TRAINING:
        return (run.training.base_id, run.training.version_id, run.training.template_id)
    if run.kind == Run.Kind.GENERATION:
        made = run.generation
        return (made.model_id, made.version_id, made.split, made.template_id)
    return (run.scoring.generation_id,)


def _copy_detail(old: Run, new: Run) -> object:
    if old.kind == Run.Kind.TRAINING:
        t = old.training
        return TrainingRun.objects.create(
            run=new, base=t.base, version=t.version, template=t.template, settings=t.settings
        )
    if old.kind == Run.Kind.GENERATION:
        g = old.generation
        return GenerationRun.objects.create(
            run=new, model=g.model, version=g.version, split=g.split, template=g.template,
            sampling=g.sampling, engine=g.engine,
        )  # fmt: skip
    return ScoringRun.objects.create(run=new, generation=old.scoring.generation, metrics=old.scoring.metrics)


def resume(run: Run, *, by: User, send: bool = True) -> Run:
    """Let a failed or cancelled run go on in its own folder, from what it had kept. Raises Refused otherwise."""
    try:
        with transaction.atomic():
            if not lifecycle.reopen(run.pk):
                run.refresh_from_db()
                raise Refused(f"This run is {run.state}; only a failed or cancelled one is resumed.")
            audit(run.project, by, "resume run", f"run {run.pk}", {})
            if send:
                transaction.on_commit(lambda: tasks.knock(run.pk))
    except IntegrityError:
        live = Run.objects.filter(fingerprint=run.fingerprint, state__in=["queued", "running"]).exclude(pk=run.pk)
        raise AlreadyLive(live.get()) from None
    run.refresh_from_db()
    return run


def perform(run: Run, *, progress: Progress | None = None) -> Run:
    """Do the run here and now with the worker's own code; where a worker was quicker, wait for it.

    `progress(done, total)` is called about once a second. Returns the run in its final state.
    """
    while True:
        tasks.work(run.pk, progress)
        run.refresh_from_db()
        if not run.is_live:
            return run
        if progress and run.total:
            progress(run.done, run.total)
        time.sleep(WAIT_SECONDS)


def wait(run: Run, *, progress: Progress | None = None) -> Run:
    """Wait until workers have brought the run to its end."""
    run.refresh_from_db()
    while run.is_live:
        if progress and run.total:
            progress(run.done, run.total)
        time.sleep(WAIT_SECONDS)
        run.refresh_from_db()
    return run


# --- answers made elsewhere ---------------------------------------------------------------------


def store_answers(
    version: Version, *, name: str, answers: Mapping[str, str], by: User, split: str = Split.TEST
) -> GenerationRun:
    """Store texts as the answers of a model of this name; keys are example keys, or positions.

    The same answers twice are one arm. Raises Refused if a key names no example of the split.
    """
    prompts = _prompts(version, split)
    found = {key: prompts.named(str(key)) for key in answers}
    unknown = [str(key) for key, entry in found.items() if entry is None]
    if unknown:
        more = f" and {len(unknown) - NAMED_AT_MOST} more" if len(unknown) > NAMED_AT_MOST else ""
        raise Refused(f"No {split} example of {version} is called {', '.join(unknown[:NAMED_AT_MOST])}{more}.")
    texts = {entry: answers[key] for key, entry in found.items() if entry is not None}
    return _store(version, name=name, texts=texts, by=by, split=split, source="")


def import_answers(
    version: Version,
    *,
    path: Path,
    file_name: str,
    name: str,
    by: User,
    split: str = Split.TEST,
    progress: Heard | None = None,
) -> tuple[GenerationRun, list[str]]:
    """matched_answers, stored at once: the run, and a sentence for every row that fits no example."""
    found = matched_answers(version, path=path, file_name=file_name, split=split, progress=progress)
    return store_matched(version, found, name=name, by=by), found.left


@dataclass(frozen=True)
class Matched:
    """The answers of a file by the example that each fits, and a sentence for every row that fits none."""

    split: str
    file_name: str
    texts: Mapping[int, str]
    left: list[str]


def matched_answers(
    version: Version, *, path: Path, file_name: str, split: str = Split.TEST, progress: Heard | None = None
) -> Matched:
    """Read a file and find the example of each row; nothing is stored.

    Raises Refused if the file cannot be read or no row fits.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise Refused("A file of answers has at most 64 MiB.", field="file")
    try:
        rows = answerfiles.read_answers(path.read_bytes(), file_name)
    except answerfiles.Unreadable as error:
        raise Refused(str(error), field="file") from error
    texts, left = answerfiles.matched(told(rows, len(rows), progress), _prompts(version, split))
    if not texts:
        raise Refused(f"None of the {len(rows):,} rows fits a {split} example of {version}. {left[0]}", field="file")
    return Matched(split, file_name, texts, left)


def store_matched(version: Version, found: Matched, *, name: str, by: User) -> GenerationRun:
    """Keep what matched_answers found as the answers of a model of this name; twice is one."""
    return _store(version, name=name, texts=found.texts, by=by, split=found.split, source=found.file_name)


def another_split(version: Version) -> str:
    """What to do where a split is empty."""
    present = set(version.entries.order_by().values_list("split", flat=True).distinct())
    there = [side.value for side in Split if side.value in present]
    return f"Take {' or '.join(there)}, or freeze a version with a test set (a share of test, or a minimum)."


def _prompts(version: Version, split: str) -> answerfiles.Prompts:
    prompts = answerfiles.Prompts()
    for entry, position, values in version.entries.filter(split=split).values_list("pk", "position", "values"):
        prompts.add(entry, position, values)
    if not prompts.by_position:
        raise Refused(f"{version} has no {split} examples. {another_split(version)}")
    return prompts


def _store(
    version: Version,
    *,
    name: str,
    texts: Mapping[int, str],
    by: User,
    split: str,
    source: str,
) -> GenerationRun:
    """A model that stands for texts made elsewhere, a run that has succeeded, and its answers; twice is one."""
    project, name = version.dataset.project, named(name)
    mark = specs.fingerprint("stored", name, version.pk, split, sorted(texts.items()))
    same = GenerationRun.objects.filter(run__project=project, run__request_key=mark)
    if not texts:
        raise Refused("There are no answers to store.")
    try:
        with transaction.atomic():
            run = _stored_run(
                project, f"{name}: {split} of {version}", by=by, count=len(texts), source=source, mark=mark
            )
            model = _external(project, name)
            made = GenerationRun.objects.create(run=run, model=model, version=version, split=split)
            rows = (Answer(generation=made, entry_id=entry, text=text) for entry, text in texts.items())
            Answer.objects.bulk_create(rows, batch_size=CHUNK)
            audit(project, by, "import answers", f"run {run.pk}", {"name": name, "answers": len(texts), "file": source})
    except IntegrityError:
        return same.get()
    return made


def _external(project: Project, name: str) -> Model:
    """The model that stands for texts of this name; raises Refused if the name belongs to one that answers itself."""
    model, _ = Model.objects.get_or_create(project=project, name=name, defaults={"kind": Model.Kind.EXTERNAL})
    if model.kind != Model.Kind.EXTERNAL:
        raise Refused(f"“{name}” is a model that answers itself; give these answers another name.", field="name")
    return model


def _stored_run(project: Project, name: str, *, by: User, count: int, source: str, mark: str) -> Run:
    now = timezone.now()
    return Run.objects.create(
        project=project,
        kind=Run.Kind.GENERATION,
        name=name[:160],
        state=Run.State.SUCCEEDED,
        queue="cpu",
        requested_by=by,
        started_at=now,
        finished_at=now,
        done=count,
        total=count,
        unit="answers",
        request_key=mark,
        spec={"program": "", "task": "import", "source": source},
        result={"answers": count},
    )


def audit(project: Project, by: User, verb: str, target: str, details: dict[str, Any]) -> None:
    AuditEvent.objects.create(project=project, actor=by, verb=verb, target=target, details=details)
