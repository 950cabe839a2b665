"""Refusals and lost sessions as pages, as fragments and as the API's answers."""

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.defaults import server_error

from evalhub.errors import Busy, Refused, as_answer

logger = logging.getLogger(__name__)
PIECE = 2**16  # bytes
RETRY_AFTER = "60"  # seconds
SHOWING = ("GET", "HEAD", "OPTIONS")  # methods that change nothing
Answering = Callable[[HttpRequest], HttpResponse]


class RefusalMiddleware:
    """Turns a Refused that nobody caught, a full disk (409) or a locked database (503) into a page that tells it."""

    def __init__(self, get_response: Answering) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        refusal = as_answer(exception)
        if refusal is None:
            return None
        if refusal is not exception:
            logger.error("%s", refusal, exc_info=exception)
        return refused(request, refusal)


def broken(request: HttpRequest) -> HttpResponse:
    """The handler of last resort: what no view could meet is refused as elsewhere, the rest is a bug.

    An upload fills the folder for temporary files while the request is read, before any view begins; the session is
    stored after the view has ended, in a database that may be locked.
    """
    error = sys.exc_info()[1]
    refusal = as_answer(error) if error else None
    return refused(request, refusal) if refusal else server_error(request)


def refused(request: HttpRequest, refusal: Refused) -> HttpResponse:
    """Its sentence with its status: as JSON to the API, as a note to a fragment, else as a page."""
    end_upload(request)
    response = _in_kind(request, refusal)
    if isinstance(refusal, Busy):
        response.headers["Retry-After"] = RETRY_AFTER
    return response


def _in_kind(request: HttpRequest, refusal: Refused) -> HttpResponse:
    if request.path.startswith("/api/"):
        return JsonResponse({"detail": refusal.message}, status=refusal.status)
    fragment = request.headers.get("HX-Request") == "true"
    template = "components/refusal.html" if fragment else "refused.html"
    return render(request, template, {"message": refusal.message, "back": came_from(request)}, status=refusal.status)


def end_upload(request: HttpRequest) -> None:
    """Give back the space of a half-written upload, and read what is still being sent.

    Django leaves the file that it was writing open; and whoever sends into a closed connection may never see the
    answer (RFC 9112, 9.6).
    """
    for handler in request.upload_handlers:
        with suppress(OSError):  # its buffer still finds no space; the file is removed all the same
            if file := getattr(handler, "file", None):
                file.close()
    with suppress(OSError):
        while request.read(PIECE):
            pass


class FragmentLoginMiddleware:
    """A fragment asked for after the session ended: htmx sends the whole page to the log-in, not its middle.

    A page that holds unsent work (X-Fragment) gets 401 instead, so that it can keep that work and say so.
    """

    def __init__(self, get_response: Answering) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        target = response.headers.get("Location", "")
        if not target.startswith(resolve_url(settings.LOGIN_URL)):
            return response
        if "X-Fragment" in request.headers:
            return HttpResponse("Log in again.", status=401, content_type="text/plain; charset=utf-8")
        if request.headers.get("HX-Request") == "true":
            return HttpResponse(status=204, headers={"HX-Redirect": resolve_url(settings.LOGIN_URL)})
        return response


class FormLoginMiddleware:
    """A form sent after the session ended: the log-in leads back to the page that it stood on.

    The address that it was sent to may answer to POST alone, and what was filled in is lost anyhow.
    """

    def __init__(self, get_response: Answering) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.method in SHOWING or response.headers.get("Location") != _log_in(request.get_full_path()):
            return response
        page = urlsplit(came_from(request))
        return HttpResponseRedirect(_log_in(urlunsplit(("", "", page.path, page.query, ""))))


def _log_in(following: str) -> str:
    """The address of the log-in that leads on to `following`."""
    return redirect_to_login(following).url if following else resolve_url(settings.LOGIN_URL)


def came_from(request: HttpRequest) -> str:
    """The page of ours that the person was on, or empty."""
    referer = request.headers.get("Referer", "")
    own = url_has_allowed_host_and_scheme(referer, {request.get_host()}, require_https=request.is_secure())
    return referer if own else ""
