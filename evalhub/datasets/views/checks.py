"""Pages of checks: ask for one, the panel that follows it, and one run with its figures, flags and thresholds."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from evalhub.accounts.permissions import Right, may
from evalhub.datasets import actions, charts
from evalhub.datasets.checking import TICKED, ids_query, last_run, links, standing
from evalhub.datasets.checks.kinds import KINDS
from evalhub.datasets.checks.report import CheckReport
from evalhub.datasets.checks.thresholds import Thresholds, described
from evalhub.datasets.models import CheckRun, Dataset
from evalhub.datasets.selection import title_of
from evalhub.datasets.tokenizing import known as tokenizers
from evalhub.datasets.views.common import back_with, dataset_for, person
from evalhub.errors import Refused

BESIDE = ("categories", "output-characters", "verbs")  # figures
SHOWN = 200  # flags of one run on its page


def beside_table(dataset: Dataset) -> dict[str, Any]:
    """What the dataset's page says of its checks: the panel, and the figures that stand beside the table."""
    known = standing(dataset)
    found = {figure.name: figure for figure in charts.figures(known.report)} if known.report else {}
    beside = [found[name] for name in BESIDE if name in found]
    return {"standing": known, "beside": beside, "tokenizers": list(tokenizers(dataset.project))}


@login_required
@require_POST
def ask(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """Let a worker check; of a filter or of what is ticked, on to the job's page."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    query, model = request.POST.get("query", ""), request.POST.get("model", "")
    address = reverse("datasets:detail", args=[project.slug, dataset.slug])
    try:
        if "ticked" in request.POST:
            address = f"{address}examples/?{query}"
            query = _ticked(request.POST)
        job = actions.request_check(dataset, by=person(request), query=query, model=model)
    except Refused as refusal:
        return back_with(request, refusal, address)
    if query:
        return redirect("jobs:detail", project.slug, job.pk)
    return redirect("datasets:detail", project.slug, dataset.slug)


def _ticked(given: QueryDict) -> str:
    """The examples that are ticked in the table, as a query of the checks. Raises Refused."""
    pks = [tick.partition(".")[0] for tick in given.getlist("example")]
    if not pks:
        raise Refused("Nothing was ticked, so nothing is checked.")
    return ids_query(int(pk) for pk in pks if pk.isdecimal() and len(pk) < 19)


@login_required
@require_safe
def panel(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """The readiness panel alone; once the run has ended, the whole page is asked for again."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    known = standing(dataset)
    if known.job is None:
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    may_curate = may(person(request), project, Right.CURATE)
    context = {"project": project, "dataset": dataset, "standing": known, "may_curate": may_curate}
    return render(request, "datasets/_ready.html", context)


@login_required
@require_safe
def check(request: HttpRequest, project_slug: str, dataset_slug: str, pk: int) -> HttpResponse:
    """One run: what it found, the shape of the data, and every threshold."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    run = _run(dataset, pk)
    report = CheckReport.from_json(run.report)
    context = {
        "project": project, "dataset": dataset, "here": "data", "run": run, "report": report,
        "figures": charts.figures(report), "flags": _flags(run), "shown": SHOWN,
        "checks": [(each, links(each, run) if _is_last(run) else []) for each in report.checks],
        "ticked": bool(TICKED.fullmatch(run.query)),
        "thresholds": _thresholds(run), "tokenizers": list(tokenizers(project)),
        "may_curate": may(person(request), project, Right.CURATE),
    }  # fmt: skip
    return render(request, "datasets/check.html", context)


def _is_last(run: CheckRun) -> bool:
    """Whether its flags are still there: no later run was over the same examples."""
    return not run.dataset.checks.filter(query=run.query, pk__gt=run.pk).exists()


def _run(dataset: Dataset, pk: int) -> CheckRun:
    return get_object_or_404(CheckRun.objects.select_related("created_by"), dataset=dataset, pk=pk)


def _flags(run: CheckRun) -> list[tuple[str, str, Any]]:
    """(kind in words, title of the example, flag), of a run over a part; others are filters of the table."""
    if not run.query:
        return []
    flags = run.flags.select_related("example").order_by("kind", "group", "id")[:SHOWN]
    return [(KINDS[flag.kind].label, title_of(vars(flag.example)), flag) for flag in flags]


def _thresholds(run: CheckRun) -> list[dict[str, Any]]:
    """Each threshold: what it means, what this run used, and what the dataset uses from now on."""
    now = Thresholds.from_json(run.dataset.thresholds).as_json()
    return [
        {"limits": limits, "used": run.settings.get(limits.name, limits.default), "now": now[limits.name]}
        for limits in described()
    ]


@login_required
@require_safe
def chart(request: HttpRequest, project_slug: str, dataset_slug: str, pk: int, name: str) -> JsonResponse:
    """The specification of one figure of a run."""
    _, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    found = charts.figure(CheckReport.from_json(_run(dataset, pk).report), name)
    if found is None:
        raise Http404("This run has no such figure.")
    return JsonResponse(found.specification)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def thresholds(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """Keep other thresholds with the dataset, and check again; they stand on the page of the last run."""
    if request.method != "POST":
        return _where_thresholds_stand(request, project_slug, dataset_slug)
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    wanted = {limits.name: request.POST[limits.name] for limits in described() if request.POST.get(limits.name)}
    try:
        actions.keep_thresholds(dataset, by=person(request), thresholds=wanted)
        actions.request_check(dataset, by=person(request))
    except Refused as refusal:
        return back_with(request, refusal, reverse("datasets:detail", args=[project.slug, dataset.slug]))
    messages.success(request, "The thresholds are kept; the dataset is checked again with them.")
    return redirect("datasets:detail", project.slug, dataset.slug)


def _where_thresholds_stand(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """On to the page of the last run; without one, to the dataset, where a run can be asked for."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    run = last_run(dataset)
    if run is None:
        return redirect("datasets:detail", project.slug, dataset.slug)
    return redirect(f"{reverse('datasets:check', args=[project.slug, dataset.slug, run.pk])}#thresholds")
