"""Lists of examples over HTTP by the place where a page begins: right while others add and decide (paging.py)."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param
from rest_framework.views import APIView

from evalhub.datasets.api.common import RoomView
from evalhub.datasets.filters import filter_from
from evalhub.datasets.models import Example
from evalhub.datasets.paging import cut, place_from
from evalhub.datasets.selection import ExampleFilter, number_of
from evalhub.errors import Refused

USUAL, MOST = 50, 500  # examples in one answer
PLACES = ("after", "before")
BESIDE = (*PLACES, "page_size", "page", "format")  # in the address, and no filters


def asked_of(request: Request) -> ExampleFilter:
    """The filter in the address. Raises ValidationError for a name or value that means nothing."""
    lists = request.query_params.lists()
    try:
        return filter_from((name, value) for name, values in lists if name not in BESIDE for value in values)
    except Refused as refusal:
        raise serializers.ValidationError({"filter": refusal.message}) from refusal


class TallySerializer(serializers.Serializer[dict[str, Any]]):
    """A number of examples (counting.py)."""

    number = serializers.IntegerField()
    exact = serializers.BooleanField(help_text="False: about so many.")
    floor = serializers.BooleanField(help_text="Where it is not exact: at least so many.")


def place_known(text: str, order: str) -> str:
    """The text, if it is empty or a place in this order. Raises ValidationError: who follows places that lead back to
    the start comes to no end.
    """
    if text and place_from(text, order) is None:
        raise serializers.ValidationError(f"This is no place in the order “{order}”: give back a place as it was told.")
    return text


class PlaceSerializer(serializers.Serializer[dict[str, Any]]):
    """The part of a list that is asked for; `order` stands in the context."""

    page_size = serializers.IntegerField(min_value=1, max_value=MOST, default=USUAL)
    after = serializers.CharField(allow_blank=True, trim_whitespace=False, default="")
    before = serializers.CharField(allow_blank=True, trim_whitespace=False, default="")

    def validate_after(self, text: str) -> str:
        return place_known(text, self.context["order"])

    def validate_before(self, text: str) -> str:
        return place_known(text, self.context["order"])

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["after"] and attrs["before"]:
            raise serializers.ValidationError({"before": "A page begins after a place or ends before one, not both."})
        if "page" in self.initial_data:
            raise serializers.ValidationError({"page": "Pages go by place, not by number: follow `next`."})
        return attrs


class PlacePagination(BasePagination):
    """Examples of a room's view, in the order that its address asks for."""

    def paginate_queryset(
        self, queryset: QuerySet[Any, Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        wanted = asked_of(request)
        asked = PlaceSerializer(data=request.query_params.dict(), context={"order": wanted.order})
        asked.is_valid(raise_exception=True)
        places, size = asked.validated_data, asked.validated_data["page_size"]
        self.address = request.build_absolute_uri()
        self.page = cut(cast("QuerySet[Example]", queryset), wanted.order, places, size=size, whole=True)
        self.count = number_of(cast(RoomView, view).dataset, wanted)
        return self.page.examples

    def get_paginated_response(self, data: Any) -> Response:
        links = {"next": self._link("after", self.page.after), "previous": self._link("before", self.page.before)}
        return Response({"count": asdict(self.count), **links, "results": data})

    def _link(self, name: str, place: str) -> str | None:
        """The address of the page beside this one; None where there is none."""
        bare = self.address
        for other in PLACES:
            bare = remove_query_param(bare, other)
        return replace_query_param(bare, name, place) if place else None

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "nullable": True, "format": "uri"}
        fields = {"count": {"$ref": "#/components/schemas/Tally"}, "next": link, "previous": link, "results": schema}
        return {"type": "object", "required": list(fields), "properties": fields}

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        told = "A place, as `next` and `previous` carry it; what is no place in this order is answered by 400."
        size = {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}
        places = [{"name": name, "in": "query", "description": told, "schema": {"type": "string"}} for name in PLACES]
        return [*places, {"name": "page_size", "in": "query", "schema": size}]
