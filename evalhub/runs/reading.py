"""What pages and API show of runs: rows in, plain values out, in a fixed number of queries. Writes nothing."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Avg, Count, Exists, OuterRef, Q, QuerySet

from evalhub.accounts.models import Project
from evalhub.datasets.models import VersionExample
from evalhub.runs import charts, follow, registry
from evalhub.runs.folders import folder_of
from evalhub.runs.models import Answer, GenerationRun, Journal, Model, Run, Score, TrainingRun
from evalhub.runs.prices import NO_TABLE, NO_TOKENS, prices_of, tokens_of
from inference.spec import METRICS

TAIL = 11  # lines of the log that fit its box while it grows
LATEST = 8  # answers shown while they come
SAMPLES_SHOWN = 3  # prompts


@dataclass(frozen=True)
class MetricRow:
    """One metric of a generation run's answers."""

    metric: str
    scorer: str
    mean: float
    n: int


@dataclass(frozen=True)
class Check:
    """One line of the guards: what, how much, and whether it is well."""

    tone: str
    icon: str
    text: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class SampleGroup:
    """One validation prompt, the data's own output, and what the model said to it, step by step."""

    prompt: str
    reference: str
    answers: list[tuple[int, str]]


def runs_of(project: Project, *, kind: str = "", state: str = "") -> QuerySet[Run]:
    """The project's runs, newest first, of one kind and state where these are given."""
    runs = Run.objects.filter(project=project).select_related("requested_by").defer("spec", "result")
    if kind in Run.Kind.values:
        runs = runs.filter(kind=kind)
    return runs.filter(state=state) if state in Run.State.values else runs


def run_in(project: Project) -> QuerySet[Run]:
    """Runs with all that a run's own page speaks of."""
    return Run.objects.filter(project=project).select_related(
        "requested_by", "project", "retry_of", "journal",
        "training__base", "training__version__dataset", "training__template", "training__adapter",
        "generation__model__base", "generation__version__dataset", "generation__template",
        "scoring__generation__run", "scoring__generation__model", "scoring__generation__version__dataset",
    )  # fmt: skip


def journal_of(run: Run) -> Journal:
    """What the run has told so far; an empty journal before it tells anything."""
    return run.journal if hasattr(run, "journal") else Journal(run=run)


def loss_of(run: Run) -> charts.Loss:
    journal = journal_of(run)
    return charts.loss_of(journal.metrics, run.total)


def answers_of(generation: GenerationRun) -> QuerySet[Answer]:
    """The answers with their prompts and scores, in the version's order."""
    return generation.answers.select_related("entry").prefetch_related("scores").order_by("entry__position")


def latest_answers(generation: GenerationRun) -> list[Answer]:
    return list(generation.answers.select_related("entry").prefetch_related("scores").order_by("-pk")[:LATEST])


def metric_rows(scores: QuerySet[Score]) -> list[MetricRow]:
    """Mean and n per metric and scorer, the specification's metrics in its order."""
    found = scores.values("metric", "scorer").annotate(mean=Avg("value"), n=Count("pk")).order_by("metric", "scorer")
    rows = [MetricRow(row["metric"], row["scorer"], row["mean"], row["n"]) for row in found]
    return sorted(rows, key=lambda row: METRICS.index(row.metric) if row.metric in METRICS else len(METRICS))


def scores_of(generation: GenerationRun) -> list[MetricRow]:
    return metric_rows(Score.objects.filter(answer__generation=generation))


def models_of(project: Project) -> QuerySet[Model]:
    """The registry, with what made an adapter, how often a model has answered, and whether a run ever loaded it."""
    learned_on = TrainingRun.objects.filter(base=OuterRef("pk"), run__state=Run.State.SUCCEEDED)
    return (
        Model.objects.filter(project=project)
        .select_related("base", "training__run")
        .annotate(answered=Count("generation_runs", filter=Q(generation_runs__run__state="succeeded"), distinct=True))
        .annotate(loaded=Q(answered__gt=0) | Exists(learned_on))
        .order_by("kind", "name")
    )


def unchecked(model: Model) -> str:
    """Why nobody can say yet whether a model of the hub is there; empty once a run has loaded it."""
    succeeded = {"run__state": Run.State.SUCCEEDED}
    loaded = model.generation_runs.filter(**succeeded).exists() or model.training_runs.filter(**succeeded).exists()
    return registry.not_checked(model.reference) if model.is_of_hub and not loaded else ""


def by_hand(run: Run) -> str:
    """What repeats the run without us, typed in the project's folder."""
    folder = folder_of(run)
    base = settings.BASE_DIR
    shown = folder.relative_to(base) if folder.is_relative_to(base) else folder
    program = [word if word.startswith("-") else word.rpartition("/")[2] for word in follow.command(run, folder)[:-1]]
    return shlex.join([*program, str(shown)])


def facts_of(run: Run) -> list[tuple[str, str]]:
    """What was asked for, as pairs for a list of facts."""
    if run.kind == Run.Kind.TRAINING:
        return [*_training_facts(run.spec, run.result), *_spent(run)]
    if run.kind == Run.Kind.GENERATION:
        return [*_generation_facts(run), *_spent(run)]
    return [("Answers of", run.scoring.generation.run.name), ("Metrics", ", ".join(run.scoring.metrics)), *_spent(run)]


def _training_facts(spec: dict[str, Any], result: dict[str, Any]) -> list[tuple[str, str]]:
    patience = spec.get("patience")
    return [
        ("Rank, alpha", f"{spec.get('rank')}, {spec.get('alpha')}"),
        ("Layers", ", ".join(spec.get("targets", []))),
        ("Dropout", f"{spec.get('dropout')}"),
        ("Learning rate", f"{spec.get('learning_rate'):g}, {spec.get('schedule')}"),
        ("Batch", f"{spec.get('batch_size')} × {spec.get('accumulation')}"),
        ("Epochs", f"{spec.get('epochs'):g}"),
        ("Longest example", f"{spec.get('max_length'):,} tokens"),
        ("Loss on", "answers only"),
        ("Stops early", f"after {patience} evaluations without a gain" if patience else "no; the best step is kept"),
        ("Precision", str(result.get("precision") or spec.get("precision"))),
        ("Device", str(result.get("device") or "known once it runs")),
        ("Seed", str(spec.get("seed"))),
    ]


def _generation_facts(run: Run) -> list[tuple[str, str]]:
    made, result = run.generation, run.result
    facts = [("Model", made.model.name), ("Data", f"{made.version}, {made.split}")]
    if made.template:
        facts += [("Engine", made.engine), ("Prompt template", made.template.name)]
    facts += _sampling_facts(made)
    if rate := result.get("tokens_per_second"):
        facts.append(("Throughput", f"{rate:,.0f} tokens per second in the batch"))
    if latency := result.get("latency"):
        facts.append(
            ("Latency, one at a time", f"p50 {latency['p50']:.2f} s, p95 {latency['p95']:.2f} s, n = {latency['n']}")
        )
    return facts


def applied_sampling(made: GenerationRun) -> dict[str, Any]:
    """How tokens were chosen: as the run applied it, or as it was asked for until the run says so."""
    return {**made.sampling, **(made.run.result.get("sampling") or {})}


def asked_otherwise(made: GenerationRun) -> dict[str, Any]:
    """Settings as they were asked for, where the run applied others."""
    applied = applied_sampling(made)
    return {name: value for name, value in made.sampling.items() if value != applied[name]}


def _sampling_facts(made: GenerationRun) -> list[tuple[str, str]]:
    asked, room = asked_otherwise(made), made.run.result.get("max_prompt_tokens")
    facts = [
        (name.replace("_", " ").capitalize(), f"{value} (asked for {asked[name]})" if name in asked else str(value))
        for name, value in applied_sampling(made).items()
        if value != []
    ]
    return [*facts, ("Longest prompt", f"{room:,} tokens")] if room else facts


def _spent(run: Run) -> list[tuple[str, str]]:
    if run.kind == Run.Kind.GENERATION and run.generation.model.kind == Model.Kind.ENDPOINT:
        return _paid(run.generation)
    seconds = run.result.get("seconds")
    if not seconds or run.project.hour_price is None:
        return []
    cost = float(run.project.hour_price) * float(seconds) / 3600
    return [("Cost", f"{run.project.currency} {cost:.2g}, at {run.project.hour_price:g} an hour")]


def _paid(made: GenerationRun) -> list[tuple[str, str]]:
    """What an endpoint's answers cost by its price table; once there are answers."""
    tokens = tokens_of([made.pk]).get(made.pk)
    if tokens is None:
        return []
    table = prices_of(made.model, made.run.project.currency)
    if table is None or not tokens.complete:
        return [("Cost", f"undefined: {NO_TOKENS if table else NO_TABLE}")]
    rates = f"{table.input_per_million:g} in, {table.output_per_million:g} out a million tokens"
    return [("Cost", f"{table.currency} {tokens.cost(table):.2g}, at {rates}")]


def checks_of(run: Run, loss: charts.Loss) -> list[Check]:
    """A training run's guards."""
    counts, version = run.result.get("counts", {}), run.training.version
    tested = version.entries.filter(split="test").count()
    checks = [Check("good", "check", "No test item in training", f"0 of {tested:,}", "An example is on one side only.")]
    if leaks := version.settings.get("leaks"):
        checks.append(Check("warn", "warn", "Near duplicates of the test", f"{leaks['count']:,}", leaks["reason"]))
    if counts:
        checks += [
            _count("Prompts cut to fit", counts.get("truncated", 0), "Answers are never cut."),
            _count("Examples without an answer", counts.get("without_label", 0), "Left out."),
        ]
    if loss.best:
        rising = loss.rising_since is not None
        best = f"step {loss.best[0]:,}"
        checks.append(
            Check(
                "warn" if rising else "good",
                "warn" if rising else "check",
                "Overfitting",
                best,
                "Lowest validation loss; its weights are kept.",
            )
        )
    served = bool(run.result.get("probe"))
    note = "A probe is stored; each generation compares it before it answers."
    mark = (
        ("good", "check", "Served is trained", "probe")
        if served
        else ("", "clock", "Served is trained", "after the run")
    )
    return [*checks, Check(*mark, note)]


def _count(text: str, count: int, note: str) -> Check:
    return Check("warn" if count else "good", "warn" if count else "check", text, f"{count:,}", note if count else "")


def description(run: Run) -> str:
    """One line below the title: what is done with what."""
    if run.kind == Run.Kind.TRAINING:
        t = run.training
        return f"LoRA rank {run.spec.get('rank')} on {t.base.name}, training {t.version}"
    if run.kind == Run.Kind.GENERATION:
        g = run.generation
        verb = "Answers made elsewhere, named" if g.template is None else "Answers of"
        return f"{verb} {g.model.name}, {g.split} side of {g.version}"
    return f"Scores of the answers of {run.scoring.generation.model.name}, {run.scoring.generation.version}"


def kept(run: Run, loss: charts.Loss) -> str:
    """After a failure: what is still there, and what to do."""
    if run.kind == Run.Kind.TRAINING and run.done:
        return f"Step {run.done:,} of {run.total:,} was reached. Resume goes on from its last checkpoint."
    if run.kind == Run.Kind.GENERATION and run.done:
        return f"{run.done:,} of {run.total:,} answers are kept: resume asks only for the others."
    return "Nothing had been made yet. Resume tries the same folder again; a retry starts afresh."


def samples_of(run: Run) -> list[SampleGroup]:
    """The samples of a training run, those of one prompt together."""
    samples = sorted(journal_of(run).samples, key=lambda sample: int(sample["step"]))
    ids = [number for number in dict.fromkeys(sample["id"] for sample in samples) if number.isdigit()]
    entries = VersionExample.objects.filter(version=run.training.version, pk__in=ids) if ids else ()
    prompts = {str(entry.pk): entry.values for entry in entries}
    return [_group(number, prompts.get(number, {}), samples) for number in ids][:SAMPLES_SHOWN]


def _group(number: str, values: dict[str, Any], samples: Sequence[dict[str, Any]]) -> SampleGroup:
    own = [(int(sample["step"]), str(sample["text"])) for sample in samples if sample["id"] == number]
    prompt = f"{values.get('instruction', '')}\n\n{values.get('input', '')}".strip()
    return SampleGroup(prompt, str(values.get("output", "")), own)
