"""Refusals and lost sessions as pages and as fragments."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme

from evalhub.errors import as_refusal

logger = logging.getLogger(__name__)
Answering = Callable[[HttpRequest], HttpResponse]


class RefusalMiddleware:
    """Turns a Refused that nobody caught, or a full disk, into a page with its sentence (status 409)."""

    def __init__(self, get_response: Answering) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        refusal = as_refusal(exception)
        if refusal is None:
            return None
        if refusal is not exception:
            logger.error("%s", refusal, exc_info=exception)
        fragment = request.headers.get("HX-Request") == "true"
        template = "components/refusal.html" if fragment else "refused.html"
        return render(request, template, {"message": refusal.message, "back": came_from(request)}, status=409)


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


def came_from(request: HttpRequest) -> str:
    """The page of ours that the person was on, or empty."""
    referer = request.headers.get("Referer", "")
    own = url_has_allowed_host_and_scheme(referer, {request.get_host()}, require_https=request.is_secure())
    return referer if own else ""
