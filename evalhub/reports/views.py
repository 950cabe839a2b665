"""Pages of the reports room: the project's home, the list of reports, a report, its items, its figures and numbers."""

import json
from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import date_format
from django.views.decorators.http import require_safe

from evalhub.accounts.models import Project, Role, User
from evalhub.accounts.permissions import Right, may, project_for, role_in
from evalhub.errors import Refused
from evalhub.reports import comparison, items, notes, overview, words
from evalhub.reports.charts import CHARTS, drawable
from evalhub.reports.figures import picture
from evalhub.reports.reading import is_open_to, report_for
from evalhub.reports.report import StudyReport, as_json
from evalhub.studies.models import Item, Study
from evalhub.studies.progress import study_progress

PAGE = 25
TYPES = {"svg": "image/svg+xml", "png": "image/png"}


def person_of(request: HttpRequest) -> User:
    return cast(User, request.user)


def study_of(project: Project, slug: str) -> Study:
    return get_object_or_404(Study.objects.select_related("project", "revealed_by"), project=project, slug=slug)


@login_required
@require_safe
def home(request: HttpRequest, project_slug: str) -> HttpResponse:
    """Where a project stands; an expert goes to the desk."""
    project = project_for(person_of(request), project_slug, Right.ENTER)
    if role_in(person_of(request), project) == Role.EXPERT:
        return redirect("studies:desk", project.slug)
    held, report = overview.stock(project), overview.latest_report(project, person_of(request))
    designs = may(person_of(request), project, Right.DESIGN)
    context = {
        "here": "home", "stock": held, "report": report, "lines": overview.study_lines(project, designs=designs)[:8],
        "tiles": words.tiles(report) if report else [], "lede": words.lede(report) if report else "",
        "names": [arm.name for arm in report.arms] if report else [],
        "steps": overview.first_steps(project, held), "datasets": overview.datasets(project)[:6],
        "designs": designs, **_live(project),
    }  # fmt: skip
    return render(request, "reports/home.html", context)


@login_required
@require_safe
def under_way(request: HttpRequest, project_slug: str) -> HttpResponse:
    """The runs and imports under way, as the fragment that the home page asks for again."""
    project = project_for(person_of(request), project_slug, Right.VIEW_RUNS)
    return render(request, "reports/_under_way.html", _live(project))


def _live(project: Project) -> dict[str, Any]:
    return {"runs": overview.runs_under_way(project)[:5], "imports": overview.imports_under_way(project)[:5]}


@login_required
@require_safe
def reports(request: HttpRequest, project_slug: str) -> HttpResponse:
    project = project_for(person_of(request), project_slug, Right.READ_REPORTS)
    designs = may(person_of(request), project, Right.DESIGN)
    context = {"here": "reports", "lines": overview.study_lines(project, designs=designs), "designs": designs}
    return render(request, "reports/list.html", context)


@login_required
@require_safe
def report(request: HttpRequest, project_slug: str, study_slug: str) -> HttpResponse:
    """The report; while the study is open a PM sees its progress only, an admin preliminary numbers."""
    project = project_for(person_of(request), project_slug, Right.READ_REPORTS)
    study = study_of(project, study_slug)
    designs = may(person_of(request), project, Right.DESIGN)
    context = {"here": "reports", "study": study, "designs": designs}
    if not is_open_to(person_of(request), study):
        return render(request, "reports/waiting.html", {**context, "progress": study_progress(study)})
    found = report_for(person_of(request), study)
    closed_on = date_format(study.closed_at, "j F Y") if study.closed_at else ""
    return render(request, "reports/report.html", {**context, "closed_on": closed_on, **page_parts(found)})


def page_parts(found: StudyReport) -> dict[str, Any]:
    """What the report's template shows beside the report itself."""
    return {
        "report": found, "digits": words.figure_digits(found), "lede": words.lede(found),
        "evidence": words.evidence(found), "basis": words.basis(found),
        "tiles": words.tiles(found), "figures": (figures := drawable(found)), "numbers": _figure_numbers(figures),
        "notes": notes.reasons(found), "shared": any(c.agreement.exact.point is not None for c in found.agreement),
        "agreement_words": words.agreement_words(found), "columns": (columns := comparison.columns(found)),
        "rows": [(arm, comparison.row(columns, place)) for place, arm in enumerate(found.arms)],
        "measure_notes": comparison.reasons(columns), "missing": comparison.missing(found),
        "metric_names": _metric_names(found), "correlations": _correlations(found),
        "criterion_names": {c.key: c.name for c in found.criteria},
        "arms": {arm.number: arm for arm in found.arms},
        "arm_names": {arm.number: arm.name for arm in found.arms},
        "weighted": len({c.weight for c in found.criteria if not c.computed}) > 1,
        "score_method": _score_method(found),
    }  # fmt: skip


def _score_method(found: StudyReport) -> str:
    """How the intervals of the means were made; resamples and seed only where there were any."""
    method = next((s.mean.method for s in found.scores if s.mean.low is not None), "no interval")
    drawn = f", {found.facts.resamples:,} resamples, seed {found.facts.seed}" if "bootstrap" in method else ""
    return f"{method[:1].upper()}{method[1:]}{drawn}"


def _figure_numbers(drawn: list[str]) -> dict[str, int]:
    """Figure → its number: the drawn ones are counted as the page shows them."""
    order = ("criteria", "differences", "wins", "metrics", "agreement", "position")
    return {name: number for number, name in enumerate((n for n in order if n in drawn), 1)}


def _metric_names(found: StudyReport) -> list[str]:
    return list(dict.fromkeys(c.name for c in found.correlations))


def _correlations(found: StudyReport) -> list[tuple[str, list[Any]]]:
    """(criterion, one correlation for each metric)."""
    return [
        (criterion.name, [c for c in found.correlations if c.criterion == criterion.key])
        for criterion in found.criteria
        if found.correlations
    ]


def readable(request: HttpRequest, project_slug: str, study_slug: str) -> tuple[Study, StudyReport]:
    """The report that this person may read now. Raises Refused while it is hidden."""
    project = project_for(person_of(request), project_slug, Right.READ_REPORTS)
    study = study_of(project, study_slug)
    if not is_open_to(person_of(request), study):
        raise Refused("This study is still under way; its numbers are shown when it has closed.")
    return study, report_for(person_of(request), study)


@login_required
@require_safe
def numbers(request: HttpRequest, project_slug: str, study_slug: str) -> HttpResponse:
    """Every number of the page as JSON, to save."""
    study, found = readable(request, project_slug, study_slug)
    return _file(json.dumps(as_json(found), ensure_ascii=False, indent=1), "application/json", f"{study.slug}.json")


@login_required
@require_safe
def chart(request: HttpRequest, project_slug: str, study_slug: str, name: str) -> JsonResponse:
    """One figure's specification, for charts.js."""
    _, found = readable(request, project_slug, study_slug)
    return JsonResponse(_chart(name)(found))


@login_required
@require_safe
def figure(request: HttpRequest, project_slug: str, study_slug: str, name: str, form: str) -> HttpResponse:
    """One figure as SVG or PNG, to save; ?theme=dark for a dark ground."""
    draw = _chart(name)
    if form not in TYPES:
        raise Http404("Figures come as svg or png.")
    study, found = readable(request, project_slug, study_slug)
    content = picture(
        draw(found),
        form="png" if form == "png" else "svg",
        theme="dark" if request.GET.get("theme") == "dark" else "light",
    )
    return _file(content, TYPES[form], f"{study.slug}-{name}.{form}")


def _chart(name: str) -> Any:
    if name not in CHARTS:
        raise Http404("There is no such figure.")
    return CHARTS[name]


def _file(content: str | bytes, content_type: str, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type=content_type, headers=headers)


@login_required
@require_safe
def item_list(request: HttpRequest, project_slug: str, study_slug: str) -> HttpResponse:
    study, found = readable(request, project_slug, study_slug)
    order = request.GET.get("order", "position")
    words_wanted = request.GET.get("q", "").strip()
    blind = found.baseline is None
    (arms, lines), choices = items.item_lines(study, blind=blind), items.orders(blind=blind)
    kept = [line for line in lines if words_wanted.casefold() in f"{line.key} {line.title}".casefold()]
    page = Paginator(items.ordered(kept, order), PAGE).get_page(request.GET.get("page"))
    context = {
        "here": "reports", "study": study, "report": found, "arms": arms, "page": page, "orders": choices,
        "order": order if order in choices else "position", "q": words_wanted, "count": len(lines),
        "digits": words.figure_digits(found),
    }  # fmt: skip
    return render(request, "reports/items.html", context)


@login_required
@require_safe
def item(request: HttpRequest, project_slug: str, study_slug: str, pk: int) -> HttpResponse:
    study, found = readable(request, project_slug, study_slug)
    detail = items.item_detail(study, get_object_or_404(Item, study=study, pk=pk), blind=found.baseline is None)
    context = {"here": "reports", "study": study, "report": found, "item": detail,
               "digits": words.figure_digits(found)}  # fmt: skip
    return render(request, "reports/item.html", context)
