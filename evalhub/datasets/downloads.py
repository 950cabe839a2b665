"""A stream of lines as a file that the browser saves."""

from collections.abc import Iterator

from django.http import StreamingHttpResponse


def attachment(lines: Iterator[str], name: str, kind: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse((line.encode() for line in lines), content_type=f"{kind}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
