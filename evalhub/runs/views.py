"""Pages of runs and models: the list, one run and its live part, the registry, and what becomes of a run."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST, require_safe

from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right, may, project_for
from evalhub.errors import Refused
from evalhub.runs import actions, charts, places, reading
from evalhub.runs.forms import ScoringForm, new_key
from evalhub.runs.models import Run

PAGE = 25


def person_of(request: HttpRequest) -> User:
    return cast(User, request.user)


def page_of(request: HttpRequest, rows: "QuerySet[Any]") -> Any:
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    page.object_list = list(page.object_list)  # asked for once, however often the template looks
    return page


@login_required
@require_safe
def run_list(request: HttpRequest, project_slug: str) -> HttpResponse:
    """The project's runs; htmx asks for the table alone while one of them lives."""
    user = person_of(request)
    project = project_for(user, project_slug, Right.VIEW_RUNS)
    kind, state = request.GET.get("kind", ""), request.GET.get("state", "")
    page = page_of(request, reading.runs_of(project, kind=kind, state=state))
    context = {
        "here": "runs",
        "page": page,
        "kinds": Run.Kind.choices,
        "states": Run.State.choices,
        "kind": kind,
        "state": state,
        "live": any(run.is_live for run in page),
        "may_run": may(user, project, Right.RUN),
        "any": Run.objects.filter(project=project).exists(),
    }
    template = "runs/_rows.html" if request.headers.get("HX-Target") == "rows" else "runs/list.html"
    return render(request, template, context)


@login_required
@require_safe
def detail(request: HttpRequest, project_slug: str, pk: int) -> HttpResponse:
    """One run: progress, what is wrong, loss, samples, answers, scores, log; settings in the margin."""
    user = person_of(request)
    project = project_for(user, project_slug, Right.VIEW_RUNS)
    run = get_object_or_404(reading.run_in(project), pk=pk)
    context = {
        "here": "runs",
        "may_run": may(user, project, Right.RUN),
        "description": reading.description(run),
        "facts": reading.facts_of(run),
        "command": reading.by_hand(run) if run.spec.get("program") else "",
        "retries": run.retries.all(),
        "request_key": new_key(),
        **live_part(run),
        **_result_part(request, run),
    }
    return render(request, "runs/detail.html", context)


def live_part(run: Run) -> dict[str, Any]:
    """What changes while the run lives."""
    journal, loss = reading.journal_of(run), reading.loss_of(run)
    live = run.is_live
    shown: dict[str, Any] = {
        "run": run,
        "journal": journal,
        "loss": loss,
        "finding": charts.finding(loss),
        "samples": reading.samples_of(run) if run.kind == Run.Kind.TRAINING else [],
        "log": journal.log[-reading.TAIL :] if live else journal.log,
        "kept": reading.kept(run, loss) if run.state in ("failed", "cancelled") else "",
    }
    if live and run.kind == Run.Kind.GENERATION:
        shown["latest"] = reading.latest_answers(run.generation)
    return shown


def _result_part(request: HttpRequest, run: Run) -> dict[str, Any]:
    """What a finished run left, and a training run's guards."""
    if run.kind == Run.Kind.TRAINING:
        return {"checks": reading.checks_of(run, reading.loss_of(run))}
    if run.kind == Run.Kind.SCORING:
        return {"scores": reading.metric_rows(run.scoring.scores.all())}
    generation = run.generation
    page = None if run.is_live else page_of(request, reading.answers_of(generation))
    return {"page": page, "scores": reading.scores_of(generation)}


@login_required
@require_GET
def live(request: HttpRequest, project_slug: str, pk: int) -> HttpResponse:
    """The live part alone; once the run has ended, the whole page is asked for again."""
    project = project_for(person_of(request), project_slug, Right.VIEW_RUNS)
    run = get_object_or_404(reading.run_in(project), pk=pk)
    if run.is_live:
        return render(request, "runs/_live.html", live_part(run))
    return HttpResponse(status=204, headers={"HX-Refresh": "true"})


@login_required
@require_GET
def loss(request: HttpRequest, project_slug: str, pk: int) -> HttpResponse:
    """The loss figure's specification."""
    project = project_for(person_of(request), project_slug, Right.VIEW_RUNS)
    run = get_object_or_404(reading.run_in(project), pk=pk, kind=Run.Kind.TRAINING)
    return JsonResponse(charts.loss_chart(reading.loss_of(run), live=run.is_live))


@login_required
@require_safe
def models(request: HttpRequest, project_slug: str) -> HttpResponse:
    """The registry."""
    user = person_of(request)
    project = project_for(user, project_slug, Right.VIEW_RUNS)
    rows = [(model, places.shown(model.reference, whole=user.is_superuser)) for model in reading.models_of(project)]
    context = {"here": "models", "rows": rows, "may_run": may(user, project, Right.RUN)}
    return render(request, "runs/models.html", context)


# --- verbs --------------------------------------------------------------------------------------


def own_run(request: HttpRequest, project_slug: str, pk: int) -> tuple[Project, Run]:
    """The run, for somebody who may change it."""
    project = project_for(person_of(request), project_slug, Right.RUN)
    return project, get_object_or_404(reading.run_in(project), pk=pk)


def shown_after(request: HttpRequest, run: Run, verb: Any) -> HttpResponse:
    """Do it and show the run it is about; a refusal is said on the run's own page."""
    try:
        about = verb()
    except actions.AlreadyLive as refusal:
        messages.warning(request, refusal.message)
        about = refusal.run
    except Refused as refusal:
        messages.error(request, refusal.message)
        about = run
    return redirect("runs:detail", run.project.slug, about.pk)


@login_required
@require_POST
def cancel(request: HttpRequest, project_slug: str, pk: int) -> HttpResponse:
    _, run = own_run(request, project_slug, pk)
    return shown_after(request, run, lambda: actions.cancel(run, by=person_of(request)))


@login_required
@require_POST
def retry(request: HttpRequest, project_slug: str, pk: int) -> HttpResponse:
    _, run = own_run(request, project_slug, pk)
    key = request.POST.get("request_key", "")[:64]
    return shown_after(request, run, lambda: actions.retry(run, by=person_of(request), request_key=key))


@login_required
@require_POST
def resume(request: HttpRequest, project_slug: str, pk: int) -> HttpResponse:
    _, run = own_run(request, project_slug, pk)
    return shown_after(request, run, lambda: actions.resume(run, by=person_of(request)))


@login_required
@require_POST
def score(request: HttpRequest, project_slug: str, pk: int) -> HttpResponse:
    """Ask for scores of a generation run's answers."""
    project, _ = own_run(request, project_slug, pk)
    run = get_object_or_404(reading.run_in(project), pk=pk, kind=Run.Kind.GENERATION)
    form = ScoringForm(request.POST)
    metrics = (form.cleaned_data["metrics"] or None) if form.is_valid() else None
    key = request.POST.get("request_key", "")[:64]
    by = person_of(request)
    return shown_after(
        request, run, lambda: actions.request_scoring(run.generation, by=by, metrics=metrics, request_key=key)
    )
