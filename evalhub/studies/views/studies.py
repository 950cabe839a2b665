"""The admin's pages of studies: list, make, import, follow, open, close; a PM reads them without rater names."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Prefetch, prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right, may, project_for
from evalhub.errors import Refused
from evalhub.studies import actions, forms
from evalhub.studies.blinding import preview_item
from evalhub.studies.corrections import open_corrections
from evalhub.studies.downloads import ratings_file
from evalhub.studies.identity import identity_warnings
from evalhub.studies.intake import ImportRefused, import_upload
from evalhub.studies.models import Arm, Study
from evalhub.studies.naming import arm_names, facts_shown, is_blind, told_texts
from evalhub.studies.progress import items_progress, open_flags, raters_progress, study_progress, study_rows
from evalhub.studies.views.rate import study_context

PAGE = 25


def person_of(request: HttpRequest) -> User:
    return cast(User, request.user)


def study_of(project: Project, slug: str) -> Study:
    return get_object_or_404(Study.objects.select_related("project"), project=project, slug=slug)


@login_required
@require_safe
def studies(request: HttpRequest, project_slug: str) -> HttpResponse:
    project = project_for(person_of(request), project_slug, Right.READ_REPORTS)
    designs = may(person_of(request), project, Right.DESIGN)
    context = {
        "here": "studies",
        "rows": study_rows(project, designs=designs),
        "designs": designs,
    }
    return render(request, "studies/list.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new_study(request: HttpRequest, project_slug: str) -> HttpResponse:
    project = project_for(person_of(request), project_slug, Right.DESIGN)
    data = request.POST or None
    form = forms.StudyForm(project, data, initial={"raters": forms.experts_of(project)})
    arms = forms.arm_rows(project, forms.finished_generations(project), data)
    criteria = forms.criterion_rows(data)
    if data is not None and form.is_valid():
        try:
            study = actions.create_study(
                project, by=person_of(request), arms=forms.arms_from(arms), criteria=forms.criteria_from(criteria),
                **form.design(),
            )  # fmt: skip
            return redirect("studies:detail", project.slug, study.slug)
        except Refused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)
    context = {
        "here": "studies",
        "form": form,
        "arms": arms,
        "criteria": criteria,
        "experts": forms.experts_of(project),
    }
    context["chosen_raters"] = chosen_raters(form)
    return render(request, "studies/new.html", context, status=400 if form.errors else 200)


def chosen_raters(form: forms.StudyForm) -> set[int]:
    value = form["raters"].value() or []
    return {int(getattr(v, "pk", v)) for v in value if str(getattr(v, "pk", v)).isdigit()}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def bring_in(request: HttpRequest, project_slug: str) -> HttpResponse:
    """Ratings made elsewhere, as a closed study; all rows or none."""
    project = project_for(person_of(request), project_slug, Right.DESIGN)
    form = forms.ImportForm(request.POST or None, request.FILES or None)
    problems: tuple[object, ...] = ()
    if request.method == "POST" and form.is_valid():
        try:
            values = dict(form.cleaned_data)
            scale = (values.pop("scale_min"), values.pop("scale_max"))
            study = import_upload(project, upload=values.pop("file"), by=person_of(request), scale=scale, **values)
            return redirect("studies:detail", project.slug, study.slug)
        except Refused as refusal:
            problems = refusal.problems if isinstance(refusal, ImportRefused) else ()
            form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)
    context = {"here": "studies", "form": form, "problems": problems[:50], "problem_count": len(problems)}
    return render(request, "studies/import.html", context, status=400 if form.errors else 200)


# --- one study ------------------------------------------------------------------------------------


@login_required
@require_safe
def detail(request: HttpRequest, project_slug: str, study_slug: str) -> HttpResponse:
    user = person_of(request)
    project = project_for(user, project_slug, Right.READ_REPORTS)
    study = study_of(project, study_slug)
    designs = may(user, project, Right.DESIGN)
    context = {
        "here": "studies",
        "study": study,
        "designs": designs,
        "progress": study_progress(study),
        "raters": raters_progress(study),
        **design_shown(study, designs=designs),
        "criteria": study.criteria.all(),
        "page": Paginator(items_progress(study), PAGE).get_page(request.GET.get("page")),
        "confirm": request.GET.get("confirm") if designs else None,
        **(details_for_admins(study) if designs else {}),
    }
    return render(request, "studies/detail.html", context)


def design_shown(study: Study, *, designs: bool) -> dict[str, Any]:
    """The arms as (name, arm) and what was left out; who designs the study knows its names, others wait for them."""
    shown = not is_blind(study, designs=designs)
    prefetch_related_objects([study], Prefetch("arms", Arm.objects.select_related("generation")))
    arms = {arm.pk: arm for arm in study.arms.all()}
    return {
        "arms": [(name, arms[pk]) for pk, name in arm_names(study, shown=shown).items()],
        "names_shown": shown,
        "facts": facts_shown(study, shown=shown),
        "told": told_texts(study, blind=not shown),
    }


def details_for_admins(study: Study) -> dict[str, Any]:
    is_draft = study.state == Study.State.DRAFT
    known = study.raters.values("user")
    return {
        "warnings": identity_warnings(study) if is_draft else [],
        "free_experts": forms.experts_of(study.project).exclude(pk__in=known.exclude(user=None)),
        "corrections": open_corrections(study).count(),
        "flags": open_flags(study)[:PAGE],
    }


@login_required
@require_safe
def preview(request: HttpRequest, project_slug: str, study_slug: str) -> HttpResponse:
    """The first item as a rater would meet it."""
    project = project_for(person_of(request), project_slug, Right.DESIGN)
    study = study_of(project, study_slug)
    item = preview_item(study)
    if item is None:
        raise Http404("This study has no items.")
    context = study_context(study) | {
        "here": "studies", "item": item, "progress": item.progress, "preview": True, "project_slug": project.slug,
        "back": f"/p/{project.slug}/studies/{study.slug}/",
    }  # fmt: skip
    return render(request, "studies/rate.html", context)


@login_required
@require_POST
def add_rater(request: HttpRequest, project_slug: str, study_slug: str) -> HttpResponse:
    project = project_for(person_of(request), project_slug, Right.DESIGN)
    study = study_of(project, study_slug)
    chosen = request.POST.get("user", "")
    user = get_object_or_404(forms.experts_of(project), pk=int(chosen) if chosen.isdigit() else 0)
    try:
        actions.add_rater(study, user=user, by=person_of(request))
        messages.success(request, f"{user} can rate in this study.")
    except Refused as refusal:
        messages.error(request, refusal.message)
    return redirect("studies:detail", project.slug, study.slug)


@login_required
@require_POST
def resolve_flag(request: HttpRequest, project_slug: str, study_slug: str, pk: int) -> HttpResponse:
    project = project_for(person_of(request), project_slug, Right.DESIGN)
    study = study_of(project, study_slug)
    try:
        actions.resolve_flag(study, flag=pk, by=person_of(request))
        messages.success(request, "The flag is resolved.")
    except Refused as refusal:
        messages.error(request, refusal.message)
    return redirect("studies:detail", project.slug, study.slug)


@login_required
@require_POST
def act(request: HttpRequest, project_slug: str, study_slug: str, verb: str) -> HttpResponse:
    """open, pause, resume, close, reveal, discard, corrections: one button each."""
    user = person_of(request)
    project = project_for(user, project_slug, Right.DESIGN)
    if verb not in VERBS:
        raise Http404("There is no such button.")
    study = study_of(project, study_slug)
    try:
        messages.success(request, VERBS[verb](study, user, request))
    except Refused as refusal:
        messages.error(request, refusal.message)
    if verb == "discard" and not Study.objects.filter(pk=study.pk).exists():
        return redirect("studies:list", project.slug)
    return redirect("studies:detail", project.slug, study.slug)


def _open(study: Study, user: User, request: HttpRequest) -> str:
    actions.open_study(study, by=user, accept_warnings=bool(request.POST.get("accept_warnings")))
    return f"{study.name} is open; {study.raters.count()} raters can begin."


def _pause(study: Study, user: User, request: HttpRequest) -> str:
    actions.pause_study(study, by=user)
    return "The study is paused; what raters have in hand may still be submitted."


def _resume(study: Study, user: User, request: HttpRequest) -> str:
    actions.resume_study(study, by=user)
    return "The study is open again."


def _close(study: Study, user: User, request: HttpRequest) -> str:
    actions.close_study(study, by=user)
    return "The study is closed; its report is final."


def _reveal(study: Study, user: User, request: HttpRequest) -> str:
    actions.reveal(study, by=user)
    return "The arms are revealed, and that is logged."


def _discard(study: Study, user: User, request: HttpRequest) -> str:
    actions.discard_study(study, by=user)
    return f"The draft of {study.name} is discarded."


def _corrections(study: Study, user: User, request: HttpRequest) -> str:
    examples = actions.propose_corrections(study, by=user)
    return f"{len(examples)} corrected answers wait for review in the data."


VERBS: Mapping[str, Callable[[Study, User, HttpRequest], str]] = {
    "open": _open, "pause": _pause, "resume": _resume, "close": _close, "reveal": _reveal, "discard": _discard,
    "corrections": _corrections,
}  # fmt: skip


@login_required
@require_safe
def download(request: HttpRequest, project_slug: str, study_slug: str, form: str) -> StreamingHttpResponse:
    """The long table as CSV or JSONL; a PM gets it once the study is closed."""
    user = person_of(request)
    project = project_for(user, project_slug, Right.READ_REPORTS)
    study = study_of(project, study_slug)
    if study.state != Study.State.CLOSED and not may(user, project, Right.DESIGN):
        raise PermissionDenied("The ratings can be downloaded when the study has closed.")
    return ratings_file(study, form)
