"""Importing a file: upload, look at it, store it, see what was set aside."""

import hashlib
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from evalhub.accounts.models import Project
from evalhub.accounts.permissions import Right, may
from evalhub.datasets import actions, incoming
from evalhub.datasets.forms import LABELS, ImportForm, UploadForm
from evalhub.datasets.glancing import glance
from evalhub.datasets.importing import Preview, Unreadable, preview
from evalhub.datasets.models import Dataset, ImportBatch
from evalhub.datasets.selection import title_of
from evalhub.datasets.setting_aside import as_csv, as_jsonl, file_is_kept
from evalhub.datasets.views.common import back_with, dataset_for, person
from evalhub.errors import Refused

COUNTED_BYTES = 20 * 2**20  # unpacked; larger files are counted while they are stored, not in the preview
SHOWN_PROBLEMS = 100


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """Take a file in and go on to its preview; nothing is stored in the dataset yet."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    if request.method != "POST":
        return _upload_page(request, project, dataset, UploadForm())
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _upload_page(request, project, dataset, form, status=400)
    try:
        token = incoming.keep(form.cleaned_data["file"], dataset=dataset, by=person(request))
    except Refused as refusal:
        form.add_error("file", refusal.message)
        return _upload_page(request, project, dataset, form, status=409)
    return redirect(f"{reverse('datasets:preview', args=[project.slug, dataset.slug])}?file={token}")


def _upload_page(
    request: HttpRequest, project: Project, dataset: Dataset, form: UploadForm, *, status: int = 200
) -> HttpResponse:
    imports = dataset.imports.select_related("created_by").defer("problems")[:10]
    context = {"project": project, "dataset": dataset, "here": "data", "form": form, "imports": imports}
    return render(request, "datasets/import.html", context, status=status)


@login_required
@require_safe
def look(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """The preview: format, columns, first rows, problems; with ?map-field=column as the person maps them."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    token = request.GET.get("file", "")
    try:
        return _preview_page(request, project, dataset, token)
    except Refused as refusal:
        return back_with(request, refusal, reverse("datasets:import", args=[project.slug, dataset.slug]))


def _preview_page(request: HttpRequest, project: Project, dataset: Dataset, token: str) -> HttpResponse:
    context: dict[str, Any] = {"project": project, "dataset": dataset, "here": "data", "token": token}
    with incoming.kept_file(token, dataset=dataset, by=person(request)) as (path, name):
        context["file_name"] = name
        try:
            found = preview(path, name=name)
            given = {"policy": ImportBatch.Policy.SET_ASIDE, **request.GET.dict()}
            form = ImportForm(given, columns=found.columns)
            mapping = form.mapping() if form.is_valid() else {}
            if mapping:
                found = preview(path, name=name, mapping=mapping)
            context |= {"form": form, **_found_context(found)}
            context["survey"] = glance(path, name=name, mapping=mapping, most=COUNTED_BYTES)
            if context["survey"] is None and found.lacking:
                context["unreadable"] = found.lacking
        except Unreadable as error:
            context["unreadable"] = str(error)
    return render(request, "datasets/preview.html", context)


def _found_context(found: Preview) -> dict[str, Any]:
    used = {column: field for field, column in found.mapping.items()}
    rows = [(row, title_of(vars(row))) for row in found.rows]
    columns = [(name, LABELS.get(used.get(name, ""), "")) for name in found.columns]
    return {"found": found, "columns": columns, "rows": rows}


@login_required
@require_POST
def store(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """Let a worker import the file that was looked at; a second click shows the same import."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    token = request.POST.get("file", "")
    key = hashlib.sha256(token.encode()).hexdigest()
    try:
        batch = asked_before(dataset, key) or _asked(request, dataset, token, key)
    except (Refused, FileNotFoundError) as error:
        if twin := asked_before(dataset, key):  # both clicks came at once, and the other one was quicker
            return redirect("datasets:batch", project.slug, dataset.slug, twin.pk)
        refusal = error if isinstance(error, Refused) else Refused(incoming.GONE)
        return back_with(request, refusal, reverse("datasets:import", args=[project.slug, dataset.slug]))
    return redirect("datasets:batch", project.slug, dataset.slug, batch.pk)


def asked_before(dataset: Dataset, key: str) -> ImportBatch | None:
    return dataset.imports.filter(request_key=key).first()


def _asked(request: HttpRequest, dataset: Dataset, token: str, key: str) -> ImportBatch:
    """The import of the upload, whose own copy is not needed any more. Raises Refused."""
    with incoming.kept_file(token, dataset=dataset, by=person(request)) as (path, name):
        try:
            form = ImportForm(request.POST, columns=preview(path, name=name).columns)
        except Unreadable as error:
            raise Refused(str(error)) from error
        if not form.is_valid():
            raise Refused("A chosen column is not in the file. Look at the file again; nothing was stored.")
        policy = form.cleaned_data["policy"] or ImportBatch.Policy.SET_ASIDE
        batch = actions.request_import(
            dataset, path=path, file_name=name, by=person(request), policy=policy, mapping=form.mapping(),
            request_key=key,
        )  # fmt: skip
    incoming.discard(token, dataset=dataset, by=person(request))
    return batch


@login_required
@require_POST
def forget(request: HttpRequest, project_slug: str, dataset_slug: str) -> HttpResponse:
    """Cancel before anything was stored."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    address = reverse("datasets:detail", args=[project.slug, dataset.slug])
    try:
        incoming.discard(request.POST.get("file", ""), dataset=dataset, by=person(request))
    except Refused as refusal:
        return back_with(request, refusal, address)
    messages.info(request, "The upload was dropped. Nothing was stored.")
    return redirect(address)


@login_required
@require_safe
def batch(request: HttpRequest, project_slug: str, dataset_slug: str, pk: int) -> HttpResponse:
    """How far an import is, or what it did."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    found = get_object_or_404(ImportBatch.objects.select_related("created_by"), dataset=dataset, pk=pk)
    context = {
        "project": project, "dataset": dataset, "here": "data", "batch": found,
        "problems": found.problems[:SHOWN_PROBLEMS], "kept": file_is_kept(found),
        "may_curate": may(person(request), project, Right.CURATE),
    }  # fmt: skip
    return render(request, "datasets/batch.html", context)


@login_required
@require_safe
def batch_live(request: HttpRequest, project_slug: str, dataset_slug: str, pk: int) -> HttpResponse:
    """How far it is, alone; once it has ended, the whole page is asked for again."""
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    found = get_object_or_404(ImportBatch.objects.defer("problems"), dataset=dataset, pk=pk)
    if not found.is_live:
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return render(request, "datasets/_live.html", {"project": project, "dataset": dataset, "batch": found})


@login_required
@require_POST
def cancel(request: HttpRequest, project_slug: str, dataset_slug: str, pk: int) -> HttpResponse:
    """Stop an import; what it had stored stays."""
    return _changed(request, project_slug, dataset_slug, pk, actions.cancel_import)


@login_required
@require_POST
def retry(request: HttpRequest, project_slug: str, dataset_slug: str, pk: int) -> HttpResponse:
    """Let it go on where it ended."""
    return _changed(request, project_slug, dataset_slug, pk, actions.retry_import)


def _changed(
    request: HttpRequest, project_slug: str, dataset_slug: str, pk: int, change: Callable[..., ImportBatch]
) -> HttpResponse:
    project, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    found = get_object_or_404(ImportBatch, dataset=dataset, pk=pk)
    address = reverse("datasets:batch", args=[project.slug, dataset.slug, pk])
    try:
        change(found, by=person(request))
    except Refused as refusal:
        return back_with(request, refusal, address)
    return redirect(address)


@login_required
@require_safe
def batch_report(
    request: HttpRequest, project_slug: str, dataset_slug: str, pk: int, ending: str
) -> StreamingHttpResponse:
    """The rows that were set aside, as CSV for people or JSONL for programs, sent while the file is read again."""
    _, dataset = dataset_for(request, project_slug, dataset_slug, Right.VIEW_DATA)
    found = get_object_or_404(ImportBatch, dataset=dataset, pk=pk)
    lines, kind = (as_csv(found), "text/csv") if ending == "csv" else (as_jsonl(found), "application/x-ndjson")
    response = StreamingHttpResponse(lines, content_type=f"{kind}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="import-{found.pk}-problems.{ending}"'
    return response


@login_required
@require_safe
def batch_file(
    request: HttpRequest, project_slug: str, dataset_slug: str, pk: int
) -> FileResponse | StreamingHttpResponse:
    """The file as it was uploaded."""
    _, dataset = dataset_for(request, project_slug, dataset_slug, Right.CURATE)
    found = get_object_or_404(ImportBatch, dataset=dataset, pk=pk)
    if not file_is_kept(found):
        raise Http404("The file of this import is no longer kept.")
    return FileResponse(found.file.open("rb"), as_attachment=True, filename=found.file_name)
