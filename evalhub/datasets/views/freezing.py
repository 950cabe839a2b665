"""Freezing a version: the form, the leaks that stand in the way, and rejecting what leaks."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from evalhub.accounts.models import Project
from evalhub.accounts.permissions import Right
from evalhub.datasets import actions
from evalhub.datasets.forms import FreezeForm
from evalhub.datasets.leakage import Leak, Leaking
from evalhub.datasets.models import Dataset, Version
from evalhub.datasets.numbering import next_number
from evalhub.datasets.pairs import shown
from evalhub.datasets.selection import approved_of
from evalhub.datasets.views.common import dataset_for, person
from evalhub.errors import Refused
from evalhub.jobs.models import Job
from evalhub.jobs.reading import jobs_of

MOST_SHOWN = 20


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def freeze(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """The form; a small dataset is frozen while one waits, a larger one by a worker."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    if request.method != "POST":
        return _form_page(request, project, dataset, FreezeForm.asked_before(request.GET, dataset))
    form = FreezeForm(request.POST, dataset=dataset)
    if not form.is_valid():
        return _form_page(request, project, dataset, form, status=400)
    try:
        made = _asked(request, dataset, form)
    except Leaking as leaking:
        return _leaks_page(request, project, dataset, leaking.leaks, form)
    except Refused as refusal:
        form.add_error(None, refusal.message)
        return _form_page(request, project, dataset, form, status=409)
    if isinstance(made, Job):
        return redirect("jobs:detail", project.slug, made.pk)
    messages.success(request, f"{made} is frozen: {made.counts['total']:,} examples.")
    return redirect("datasets:version", project.slug, dataset.slug, made.number)


def _asked(request: HttpRequest, dataset: Dataset, form: FreezeForm) -> Version | Job:
    if actions.freezes_at_once(dataset):
        return actions.freeze_as_planned(dataset, by=person(request), **form.asked())
    return actions.request_freeze(dataset, by=person(request), **form.asked())


def _form_page(
    request: HttpRequest, project: Project, dataset: Dataset, form: FreezeForm, status: int = 200
) -> HttpResponse:
    last = dataset.versions.first()
    context = {
        "project": project, "dataset": dataset, "here": "data", "form": form, "last": last,
        "next_number": next_number(dataset), "counts": {"approved": approved_of(dataset)},
    }  # fmt: skip
    return render(request, "datasets/freeze.html", context, status=status)


@login_required
@require_safe
def leaks(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """The leaks that a worker found (?job=, else the last one), with the settings that it was asked for."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    number = request.GET.get("job", "").removeprefix("job-")
    jobs = jobs_of(project, person(request)).filter(command="freeze_version", options__dataset=dataset.slug)
    job = get_object_or_404(jobs, pk=int(number)) if number.isdecimal() else jobs.order_by("-id").first()
    if job is None or not job.result.get("leaks"):
        raise Http404("No job has found leaks in this dataset.")
    form = FreezeForm(_filled(job.options), dataset=dataset)
    form.is_valid()
    found = [_leak(values) for values in job.result["leaks"]]
    return _leaks_page(request, project, dataset, found, form, train=job.result["train"])


def _filled(options: dict[str, Any]) -> dict[str, Any]:
    """The command's options as the form has them."""
    shares = [round(100 * float(share)) for share in options["shares"].split(",")]
    same = {name: options[name] for name in ("note", "seed", "min_test", "replay")}
    kept = {"keep_test": "" if options["new_test_set"] else "on"}
    percent = {"replay_percent": round(100 * options["replay_share"])}
    return {**same, **dict(zip(("train", "validation", "test"), shares, strict=True)), **kept, **percent}


def _leak(values: dict[str, Any]) -> Leak:
    known = {field.name for field in fields(Leak)}
    return Leak(**{name: value for name, value in values.items() if name in known})


def _leaks_page(
    request: HttpRequest, project: Project, dataset: Dataset, found: Sequence[Leak], form: FreezeForm,
    *, train: Sequence[int] = (),
) -> HttpResponse:  # fmt: skip
    """What nearly repeats the test, pair by pair; `train`: all training examples concerned, if not those of `found`."""
    ids = sorted({*(train or (leak.train for leak in found))})
    context = {
        "project": project, "dataset": dataset, "here": "data", "leaks": found, "form": form, "ids": ids,
        "pairs": shown(dataset, found[:MOST_SHOWN]), "settings": form.settings(),
    }  # fmt: skip
    return render(request, "datasets/leaks.html", context, status=200 if request.method == "GET" else 409)


@login_required
@require_POST
def reject(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """Reject training examples that nearly repeat the test, and back to freezing with what was chosen."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    pks = [int(word) for word in request.POST.get("examples", "").split(",") if word.isdecimal()]
    reason = request.POST.get("reason", "") or "Nearly repeats a text that is tested."
    count = actions.decide_many(dataset, pks=pks, approving=False, by=person(request), reason=reason).count
    told = f"{count:,} training example{'' if count == 1 else 's'} rejected."
    if request.headers.get("HX-Request"):
        return render(request, "datasets/_leak_rejected.html", {"project": project, "dataset": dataset, "pks": pks})
    messages.success(request, f"{told} Freeze again: what is left is compared anew.")
    chosen = FreezeForm(request.POST, dataset=dataset).settings()
    return redirect(f"{reverse('datasets:freeze', args=[project.slug, dataset.slug])}?{urlencode(chosen)}")
