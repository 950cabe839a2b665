"""Look for what is wrong with a dataset's examples: check_examples here and now, request_check by a worker."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from evalhub.accounts.models import User
from evalhub.datasets import checking
from evalhub.datasets.actions.noting import noted
from evalhub.datasets.checks.run import check
from evalhub.datasets.checks.thresholds import Thresholds
from evalhub.datasets.models import CheckRun, Dataset
from evalhub.datasets.rehearsing import refused_by_freezing, tests_something
from evalhub.datasets.tokenizing import counter, folder_of
from evalhub.errors import Refused
from evalhub.jobs.actions import request_job
from evalhub.jobs.models import Job
from evalhub.progress import Heard


def check_examples(
    dataset: Dataset,
    *,
    by: User,
    query: str = "",
    thresholds: Mapping[str, Any] | None = None,
    model: str = "",
    request_key: str | None = None,
    progress: Heard | None = None,
) -> CheckRun:
    """Run all checks over the approved examples, or over those that `query` names: a page's address, or ids=3,7.

    `thresholds` stand for those that are kept with the dataset. `model`: a model of the project with a tokenizer on
    this machine, in whose tokens lengths are counted. Flags replace those of the run before over the same examples;
    no example is changed. The same `request_key` twice is one run. Raises Refused for an unknown filter or threshold,
    no such tokenizer, or nothing to check.
    """
    if made_before := checking.made_by(dataset, request_key):
        return made_before
    settings = Thresholds.from_json({**dataset.thresholds, **(thresholds or {})})
    query = checking.sound_query(query)
    examples = checking.examples_of(dataset, query)
    if not (total := examples.count()):
        raise Refused("There is nothing to check: no example of this dataset is approved, or the filter leaves none.")
    tokenize = counter(folder_of(dataset.project, model)) if model else None
    read_at, began = timezone.now(), time.monotonic()
    others, elsewhere = checking.others_of(dataset), checking.tested_elsewhere(dataset)
    guarded = not query and not dataset.is_benchmark and (others or tests_something(dataset))
    report = check(
        checking.texts_of(dataset, examples), settings, others=others,
        gate=partial(refused_by_freezing, dataset) if guarded else None,
        tokenize=tokenize, heard=_in_examples(progress, total), total=total,
    )  # fmt: skip
    told = {**settings.as_json(), "tokenizer": model, "request": request_key or "", "tested_elsewhere": elsewhere}
    made = checking.Made(query, told, read_at, time.monotonic() - began, report)
    with transaction.atomic():
        run = checking.keep(dataset, made, by=by)
        noted(dataset, by, "check_examples", f"check {run.pk}", examples=report.total, flags=len(report.findings))
    return run


def _in_examples(progress: Heard | None, total: int) -> Heard | None:
    """The checks' own steps, told as so many of the examples."""
    return (lambda done, steps: progress(done * total // max(1, steps), total)) if progress else None


def request_check(
    dataset: Dataset,
    *,
    by: User,
    query: str = "",
    model: str = "",
    thresholds: Mapping[str, Any] | None = None,
) -> Job:
    """Let a worker do it, with the same words as check_examples. Raises Refused as that does, but for nothing to check.

    While a run over the whole dataset waits for its worker, asking again is that run, unless for other thresholds.
    """
    query = checking.sound_query(query)
    if model:
        folder_of(dataset.project, model)
    if not thresholds:
        return checking.ask_for_check(dataset, by, query=query, model=model)
    sound = Thresholds.from_json(thresholds).as_json()
    chosen = [f"{name}={sound[name]}" for name in thresholds]
    options = {"dataset": dataset.slug, "filter": query, "model": model, "chosen": chosen}
    title = f"Check {'a part of ' if query else ''}{dataset} by other thresholds"
    return request_job(dataset.project, command=checking.VERB, title=title, options=options, by=by)


def keep_thresholds(dataset: Dataset, *, by: User, thresholds: Mapping[str, Any]) -> Dataset:
    """The dataset's own thresholds, for every later run; those that are the usual ones are not kept. Raises Refused."""
    usual, wanted = Thresholds().as_json(), Thresholds.from_json(thresholds).as_json()
    with transaction.atomic():
        dataset.thresholds = {name: value for name, value in wanted.items() if value != usual[name]}
        dataset.save(update_fields=["thresholds"])
        noted(dataset, by, "keep_thresholds", thresholds=dataset.thresholds)
    return dataset
