"""The ratings of a study as a file, for pages and API alike."""

from django.http import Http404, StreamingHttpResponse

from evalhub.studies import export
from evalhub.studies.models import Study


def ratings_file(study: Study, form: str) -> StreamingHttpResponse:
    """The long table as `form`: csv or jsonl. Raises Http404 for any other."""
    if form not in ("csv", "jsonl"):
        raise Http404("Ratings come as .csv or .jsonl.")
    lines = export.as_csv(study) if form == "csv" else export.as_jsonl(study)
    kind = "text/csv; charset=utf-8" if form == "csv" else "application/x-ndjson"
    response = StreamingHttpResponse(lines, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{study.slug}-ratings.{form}"'
    return response
