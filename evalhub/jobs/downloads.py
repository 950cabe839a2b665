"""A stored file as a download that can go on where it broke off (RFC 9110, section 14: one byte range)."""

import hashlib
import re
from collections.abc import Iterator
from typing import IO

from django.db.models.fields.files import FieldFile
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

BLOCK = 2**18
ONE_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
Span = tuple[int, int]  # first and last byte


def part_of_file(request: HttpRequest, file: FieldFile, *, name: str) -> HttpResponseBase:
    """The file, or the part that a Range header asks for (206); 416 for a range outside of it.

    A file never changes under its name in storage, so that name is its ETag.
    """
    size, tag = file.size, f'"{hashlib.sha256(str(file.name).encode()).hexdigest()[:24]}"'
    asked = request.headers.get("Range", "") if request.headers.get("If-Range", tag) == tag else ""
    span = _span(asked, size)
    if span is None:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    first, last = span
    partial = _understood(asked)
    headers = {
        "Content-Disposition": content_disposition_header(True, name) or "attachment",
        "Content-Length": str(last - first + 1),
        "Accept-Ranges": "bytes",
        "ETag": tag,
        **({"Content-Range": f"bytes {first}-{last}/{size}"} if partial else {}),
    }
    return StreamingHttpResponse(
        _blocks(file, first, last), status=206 if partial else 200, content_type="application/octet-stream",
        headers=headers,
    )  # fmt: skip


def _understood(asked: str) -> bool:
    """Whether it is one range; others may be left aside (RFC 9110, 14.2), and the whole file is sent."""
    found = ONE_RANGE.fullmatch(asked)
    return found is not None and any(found.groups())


def _span(asked: str, size: int) -> Span | None:
    """What is asked of so many bytes; all of them where nothing is asked that we understand, None if it is outside."""
    if not _understood(asked):
        return 0, size - 1
    first, _, last = asked.removeprefix("bytes=").partition("-")
    if not first:  # the last so many
        return (max(0, size - int(last)), size - 1) if int(last) else None
    begin, end = int(first), min(int(last or size - 1), size - 1)
    return (begin, end) if begin <= end else None


def _blocks(file: FieldFile, first: int, last: int) -> Iterator[bytes]:
    left = last - first + 1
    with file.storage.open(str(file.name), "rb") as stored:
        _go_to(stored, first)
        while left > 0 and (block := stored.read(min(BLOCK, left))):
            left -= len(block)
            yield block


def _go_to(stored: IO[bytes], first: int) -> None:
    """To this byte; in a store that reads only forwards, by reading what is before it."""
    if stored.seekable():
        stored.seek(first)
        return
    while first > 0 and (passed := stored.read(min(BLOCK, first))):
        first -= len(passed)
