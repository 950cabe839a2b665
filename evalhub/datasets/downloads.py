"""An export as a file that the browser saves, sent while it is being read."""

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from evalhub.datasets.exporting.extracts import Extract
from evalhub.datasets.exporting.formats import Writing


def attachment(extract: Extract, chosen: Writing) -> StreamingHttpResponse:
    """Only for formats that stream."""
    kind = chosen.format.kind
    charset = "; charset=utf-8" if kind.startswith("text/") else ""
    response = StreamingHttpResponse(chosen.blocks(extract), content_type=f"{kind}{charset}")
    response["Content-Disposition"] = content_disposition_header(True, chosen.file_name(extract)) or "attachment"
    return response
