"""The report over HTTP: the same dataclass as the page, the same policy."""

from typing import Any, cast

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from evalhub.accounts.models import User
from evalhub.accounts.permissions import Right, project_for
from evalhub.errors import Refused
from evalhub.reports.reading import is_open_to, report_for
from evalhub.reports.report import as_json
from evalhub.studies.models import Study


@extend_schema(
    summary="The report of a study",
    description=(
        "`scores`: per criterion and arm mean, low, high, n_items, n_raters, n_ratings; differences with their "
        "verdicts; wins; agreement; metrics; speed and cost; every number with its method and settings, or the "
        "reason why it is undefined. Until the arms are revealed, only admins get verdicts, the baseline, metrics, "
        "speed and cost. 409 while the study is under way, except for admins, who get it marked preliminary."
    ),
    parameters=[
        OpenApiParameter("project_slug", str, OpenApiParameter.PATH),
        OpenApiParameter("study_slug", str, OpenApiParameter.PATH),
    ],
    responses={200: OpenApiTypes.OBJECT, 409: OpenApiResponse(description="The study is still under way.")},
)
@api_view(["GET"])
def report(request: Request, project_slug: str, study_slug: str) -> Response:
    """The whole report as JSON."""
    user = cast(User, request.user)
    project = project_for(user, project_slug, Right.READ_REPORTS)
    study = get_object_or_404(Study.objects.select_related("project"), project=project, slug=study_slug)
    if not is_open_to(user, study):
        raise Refused("This study is still under way; its numbers are shown when it has closed.")
    body: dict[str, Any] = as_json(report_for(user, study))
    return Response(body)
