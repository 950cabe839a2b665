"""Two versions compared, and the data card of one, over HTTP."""

from dataclasses import asdict
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evalhub.datasets.api.common import RoomView
from evalhub.datasets.card import DataCard, data_card
from evalhub.datasets.cardwords import markdown
from evalhub.datasets.comparing import KINDS, compare, differences, differing, version_of
from evalhub.datasets.models import Version

MOST = 100  # differences in one answer
LAST = 2**31 - 1  # number of a version or a page


class ComparisonQuery(serializers.Serializer[dict[str, Any]]):
    show = serializers.ChoiceField(choices=list(KINDS), required=False)
    page = serializers.IntegerField(min_value=1, max_value=LAST, default=1)


class VersionComparison(RoomView):
    """Counts, moves and balance of ?from=1&to=2; with ?show=changed also the differences of that kind, 100 a page."""

    serializer_class = ComparisonQuery

    @extend_schema(
        parameters=[
            OpenApiParameter("from", int, required=True), OpenApiParameter("to", int, required=True),
            OpenApiParameter("show", str, enum=list(KINDS)), OpenApiParameter("page", int),
        ],
        responses=OpenApiTypes.OBJECT,
    )  # fmt: skip
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        dataset, query = self.dataset, request.query_params
        number = serializers.IntegerField(min_value=1, max_value=LAST)
        numbers = [number.run_validation(query.get(name)) for name in ("from", "to")]
        asked = ComparisonQuery(data=query.dict())
        asked.is_valid(raise_exception=True)
        before, after = (version_of(dataset, each) for each in numbers)
        shown = _shown(before, after, **asked.validated_data)
        return Response({**asdict(compare(before, after)), **shown})


def _shown(before: Version, after: Version, *, page: int, show: str = "") -> dict[str, Any]:
    if not show:
        return {}
    entries = differing(before, after, show)[(page - 1) * MOST : page * MOST]
    return {"differences": [asdict(one) for one in differences(before, show, entries)]}


class VersionCard(RoomView):
    """The data card of a version."""

    @property
    def card(self) -> DataCard:
        versions = Version.objects.select_related("dataset", "frozen_by")
        return data_card(get_object_or_404(versions, dataset=self.dataset, number=self.kwargs["number"]))

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response | HttpResponse:
        return Response(self.card.as_json())


class VersionCardText(VersionCard):
    """The data card of a version as Markdown."""

    @extend_schema(responses={(200, "text/markdown"): OpenApiTypes.STR})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response | HttpResponse:
        return HttpResponse(markdown(self.card), content_type="text/markdown; charset=utf-8")
