"""A rated study made row by row: known qualities, known raters, runs with scores, latencies and times."""

import uuid

import numpy as np
from django.utils import timezone

from evalhub.accounts.models import Project, User
from evalhub.datasets.models import Dataset, Example, Version, VersionExample
from evalhub.runs.models import Answer, GenerationRun, Model, PromptTemplate, Run, Score, ScoringRun, TrainingRun
from evalhub.studies.models import (
    Arm,
    Assignment,
    Correction,
    Criterion,
    Item,
    ItemAnswer,
    Rater,
    Rating,
    RatingScore,
    Study,
)

CRITERIA = ("accuracy", "relevance", "quality", "style")
RESULT = {"answers": 20, "seconds": 40.0, "tokens_per_second": 180.0, "requests_per_second": 0.5,
          "latency": {"n": 10, "p50": 0.5, "p95": 0.9, "concurrency": 1}}  # fmt: skip


def version_of(project: Project, by: User, items: int) -> Version:
    dataset = Dataset.objects.create(project=project, name="Pages", slug="pages", created_by=by)
    version = Version.objects.create(
        dataset=dataset, number=3, data_hash="0" * 64, frozen_by=by, counts={"train": 1247, "test": items}
    )
    for n in range(items):
        values = {"key": f"page-{n}", "instruction": f"Write a headline for page {n}.",
                  "input": f"Page {n} tells how a town keeps its library open.", "output": "Open"}  # fmt: skip
        example = Example.objects.create(
            dataset=dataset, instruction=values["instruction"], output="Open", fingerprint=f"{n:064d}"
        )
        VersionExample.objects.create(
            version=version, example=example, split="test", position=n, revision_number=1, values=values
        )
    return version


def finished(project: Project, by: User, kind: str, name: str, result: dict) -> Run:
    now = timezone.now()
    return Run.objects.create(
        project=project, kind=kind, name=name, state="succeeded", requested_by=by, result=result,
        started_at=now, finished_at=now,
    )  # fmt: skip


def generated(version: Version, by: User, model: Model, *, quality: float, seed: int) -> GenerationRun:
    """Answers with latencies and two metrics that follow `quality` loosely."""
    project, chance = version.dataset.project, np.random.default_rng(seed)
    run = finished(project, by, "generation", f"{model.name} answers", RESULT if model.kind != "external" else {})
    generation = GenerationRun.objects.create(run=run, model=model, version=version, engine="transformers")
    scoring = ScoringRun.objects.create(
        run=finished(project, by, "scoring", f"Scores of {model.name}", {}), generation=generation
    )
    for n, entry in enumerate(version.entries.all()):
        answer = Answer.objects.create(
            generation=generation, entry=entry, text=f"How library {n} stays open, told by number {model.pk}" + "!" * n,
            output_tokens=9 + n % 3, latency_seconds=0.3 + chance.random() if model.kind != "external" else None,
        )  # fmt: skip
        for metric, base in (("rougeL", 0.2), ("bertscore", 0.6)):
            value = float(np.clip(base + quality / 50 + chance.normal(0, 0.05), 0, 1))
            Score.objects.create(answer=answer, scoring=scoring, metric=metric, value=value, scorer=f"{metric} 1")
    return generation


def models_of(project: Project, by: User, version: Version, names: tuple[str, ...]) -> list[Model]:
    """The first a base model, the second its adapter, others made elsewhere."""
    base = Model.objects.create(project=project, name=names[0], kind="base", reference="hub/base")
    made = [base]
    for place, name in enumerate(names[1:], 1):
        kind = "adapter" if place == 1 else "external"
        made.append(
            Model.objects.create(project=project, name=name, kind=kind, base=base if kind == "adapter" else None)
        )
    if len(made) > 1:
        template = PromptTemplate.objects.create(project=project, name="plain")
        TrainingRun.objects.create(
            run=finished(project, by, "training", "Training", {}), base=base, version=version, template=template,
            adapter=made[1],
        )  # fmt: skip
    return made


def rated_study(
    project: Project, by: User, *, names: tuple[str, ...] = ("Base", "Tuned", "Editors"),
    qualities: tuple[float, ...] = (5.0, 6.5, 7.5), items: int = 20, raters: int = 3, overlap: int = 2,
    state: str = "closed", noise: float = 1.0, criteria: tuple[str, ...] = CRITERIA, seed: int = 7,
    margin: float = 0.5, name: str = "Headlines", revealed: bool = True, preference: bool = False,
    rated: int | None = None, runs: bool = True,
) -> Study:  # fmt: skip
    """A study of `items` items, each rated by `overlap` of `raters` raters, whose severities are −0.5, 0, +0.5 …"""
    now = timezone.now()
    study = Study.objects.create(
        project=project, name=name, slug=name.lower().replace(" ", "-"), state=state, overlap=overlap, margin=margin,
        created_by=by, opened_at=now, closed_at=now if state == "closed" else None, seed=seed,
        revealed_at=now if revealed and state == "closed" else None, ask_preference=preference,
    )  # fmt: skip
    version = version_of(project, by, items) if runs else None
    models = models_of(project, by, version, names) if version else [None] * len(names)
    arms = [
        Arm.objects.create(
            study=study, name=each, position=k + 1, is_baseline=k == 0,
            generation=generated(version, by, models[k], quality=qualities[k], seed=k) if version else None,
        )
        for k, each in enumerate(names)
    ]  # fmt: skip
    rows = [Criterion.objects.create(study=study, key=c, name=c.title(), position=k) for k, c in enumerate(criteria)]
    people = [Rater.objects.create(study=study, pseudonym=f"Rater {k + 1}") for k in range(raters)]
    entries = list(version.entries.all()) if version else [None] * items
    chance = np.random.default_rng(seed)
    for n in range(items):
        item = Item.objects.create(
            study=study, key=f"page-{n}", position=n + 1, entry=entries[n],
            instruction=f"Write a headline for page {n}.", input=f"Page {n} tells how a town keeps its library open.",
        )  # fmt: skip
        _answers(item, arms)
        own = chance.normal(0, 0.7)
        for slot in range(overlap):
            done = rated is None or n < rated
            rater = people[(n + slot) % raters] if done else None
            assignment = Assignment.objects.create(
                item=item, slot=slot + 1, rater=rater, state="submitted" if done else "free"
            )
            if done:
                _rate(assignment, arms, rows, qualities, own + 0.5 * ((n + slot) % raters - 1), noise, chance)
    return study


def _answers(item: Item, arms: list[Arm]) -> None:
    for arm in arms:
        answer = arm.generation.answers.get(entry=item.entry) if arm.generation else None
        ItemAnswer.objects.create(item=item, arm=arm, text=answer.text if answer else f"Text {arm.pk}", answer=answer)


def _rate(assignment, arms, criteria, qualities, shift, noise, chance) -> Rating:
    study = assignment.item.study
    order = chance.permutation(len(arms))
    overall = [q + shift + chance.normal(0, noise) for q in qualities]
    choice = str(arms[int(np.argmax(overall))].pk) if study.ask_preference else ""
    rating = Rating.objects.create(
        assignment=assignment, submit_key=uuid.uuid4(), active_seconds=40 + 20 * chance.random(), preference=choice,
        comment="The second is too long." if chance.random() < 0.2 else "",
    )  # fmt: skip
    low, high = study.scale_min, study.scale_max
    RatingScore.objects.bulk_create(
        RatingScore(
            rating=rating, arm=arm, criterion=criterion, position=int(np.flatnonzero(order == a)[0]) + 1,
            value=float(np.clip(round(overall[a] + chance.normal(0, noise / 2)), low, high)),
        )
        for a, arm in enumerate(arms) for criterion in criteria
    )  # fmt: skip
    return rating


def revise(rating: Rating, value: float) -> Rating:
    """A later revision in which every score is `value`; the blind one stays."""
    Rating.objects.filter(pk=rating.pk).update(is_current=False)
    later = Rating.objects.create(assignment=rating.assignment, number=2, submit_key=uuid.uuid4())
    RatingScore.objects.bulk_create(
        RatingScore(rating=later, arm=s.arm, criterion=s.criterion, value=value, position=s.position)
        for s in rating.scores.all()
    )
    return later


def marked(rating: Rating) -> Correction:
    answer = rating.assignment.item.answers.first()
    return Correction.objects.create(rating=rating, item_answer=answer, selection="stays open", note="vague")
