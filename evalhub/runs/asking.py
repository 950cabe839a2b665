"""Pages with a form: train, generate, bring answers in, register a model; what is wrong is said in the form."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from evalhub.accounts.permissions import Right, project_for
from evalhub.errors import as_refusal
from evalhub.runs import actions, reading, specs
from evalhub.runs.forms import AnswersForm, GenerationForm, ModelForm, TrainingForm
from evalhub.runs.models import GenerationRun
from evalhub.runs.views import person_of
from training.presets import DEFAULT_PRESET, PRESETS

ALLOWED = ["GET", "HEAD", "POST"]
LEFT_SHOWN = 5


def answered(
    request: HttpRequest, form: forms.Form, template: str, context: dict[str, Any], do: Callable[[], HttpResponse]
) -> HttpResponse:
    """Do it if the form is sound; else, or if the action refuses, the form again with the sentence."""
    status, twin = 200, None
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                return do()
            except Exception as error:
                refusal = as_refusal(error)
                if refusal is None:
                    raise
                field = refusal.field if refusal.field in form.fields else None
                form.add_error(field, refusal.message)
                twin, status = getattr(refusal, "run", None), 409
    return render(request, template, {**context, "form": form, "twin": twin}, status=status)


@login_required
@require_http_methods(ALLOWED)
def train(request: HttpRequest, project_slug: str) -> HttpResponse:
    project = project_for(person_of(request), project_slug, Right.RUN)
    preset = request.GET.get("preset", DEFAULT_PRESET)
    preset = preset if preset in PRESETS else DEFAULT_PRESET
    form = TrainingForm(project, preset, request.POST or None, initial=wanted(request, "base", "version"))

    def do() -> HttpResponse:
        given = form.cleaned_data
        run = actions.request_training(
            project,
            base=given["base"],
            version=given["version"],
            by=person_of(request),
            preset=preset,
            settings=form.chosen(),
            template=given["template"],
            name=given["name"],
            request_key=given["request_key"],
        )
        return redirect("runs:detail", project.slug, run.pk)

    context = {
        "here": "runs",
        "preset": preset,
        "presets": specs.preset_notes(),
        "query": query_without_preset(request),
    }
    return answered(request, form, "runs/train.html", context, do)


@login_required
@require_http_methods(ALLOWED)
def generate(request: HttpRequest, project_slug: str) -> HttpResponse:
    project = project_for(person_of(request), project_slug, Right.RUN)
    form = GenerationForm(project, request.POST or None, initial=wanted(request, "model", "version"))

    def do() -> HttpResponse:
        given = form.cleaned_data
        run = actions.request_generation(
            project,
            model=given["model"],
            version=given["version"],
            by=person_of(request),
            split=given["split"],
            sampling=form.chosen(),
            engine=given["engine"],
            name=given["name"],
            request_key=given["request_key"],
        )
        return redirect("runs:detail", project.slug, run.pk)

    return answered(request, form, "runs/generate.html", {"here": "runs"}, do)


@login_required
@require_http_methods(ALLOWED)
def import_answers(request: HttpRequest, project_slug: str) -> HttpResponse:
    project = project_for(person_of(request), project_slug, Right.RUN)
    form = AnswersForm(project, request.POST or None, request.FILES or None, initial=wanted(request, "version"))

    def do() -> HttpResponse:
        made, left = brought_in(form, request)
        messages.success(request, f"{made.run.done:,} answers are stored.")
        if left:
            more = f" And {len(left) - LEFT_SHOWN:,} more." if len(left) > LEFT_SHOWN else ""
            messages.warning(request, f"{len(left):,} rows were left out. {' '.join(left[:LEFT_SHOWN])}{more}")
        return redirect("runs:detail", project.slug, made.run_id)

    return answered(request, form, "runs/import.html", {"here": "runs"}, do)


def brought_in(form: AnswersForm, request: HttpRequest) -> tuple[GenerationRun, list[str]]:
    """Store the uploaded file's answers."""
    given = form.cleaned_data
    upload = given["file"]
    with tempfile.NamedTemporaryFile(suffix=Path(upload.name or "").suffix) as file:
        for chunk in upload.chunks():
            file.write(chunk)
        file.flush()
        return actions.import_answers(
            given["version"],
            path=Path(file.name),
            file_name=upload.name or "",
            name=given["name"],
            by=person_of(request),
            split=given["split"],
        )


@login_required
@require_http_methods(ALLOWED)
def register(request: HttpRequest, project_slug: str) -> HttpResponse:
    project = project_for(person_of(request), project_slug, Right.RUN)
    form = ModelForm(request.POST or None)

    def do() -> HttpResponse:
        given = form.cleaned_data
        model = actions.register_model(
            project,
            name=given["name"],
            reference=given["reference"],
            by=person_of(request),
            kind=given["kind"],
            facts=form.facts(),
        )
        messages.success(request, f"{model.name} is registered.")
        if said := reading.unchecked(model):
            messages.warning(request, said)
        return redirect("runs:models", project.slug)

    return answered(request, form, "runs/register.html", {"here": "models"}, do)


def wanted(request: HttpRequest, *names: str) -> dict[str, str]:
    """Choices that a link into the form has made already."""
    return {name: request.GET[name] for name in names if request.GET.get(name, "").isdigit()}


def query_without_preset(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("preset", None)
    return query.urlencode()
