"""The review queue over HTTP: the next example that nobody else looks at, its lease, and letting go."""

from dataclasses import asdict
from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from evalhub.accounts.permissions import Right
from evalhub.datasets import actions
from evalhub.datasets.actions.leasing import LASTS
from evalhub.datasets.api.common import PartSerializer, RoomView, sound_filter
from evalhub.datasets.api.examples import ExampleSerializer
from evalhub.datasets.api.paging import TallySerializer, place_known
from evalhub.datasets.models import Example
from evalhub.datasets.paging import place_of
from evalhub.datasets.selection import ExampleFilter, number_of

PROPOSALS = "state=proposed"
FILTER = "Filter and order as in the table's address; empty for the whole dataset."
SECONDS = int(LASTS.total_seconds())


class QueueSerializer(serializers.Serializer[dict[str, Any]]):
    count = TallySerializer(help_text="Examples that the filter leaves.")
    busy = serializers.ListField(child=serializers.CharField(), help_text="Who else reviews here just now.")


class FilterSerializer(PartSerializer):
    filter = serializers.CharField(
        required=False, allow_blank=True, default=PROPOSALS, max_length=2000, help_text=FILTER
    )

    def validate_filter(self, query: str) -> ExampleFilter:
        return sound_filter(query)


class NextSerializer(FilterSerializer):
    after = serializers.CharField(
        required=False, allow_blank=True, trim_whitespace=False, default="", max_length=400,
        help_text="The `place` of the example before, in the same order.",
    )  # fmt: skip
    back = serializers.BooleanField(default=False, help_text="The one before that place instead.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        try:
            place_known(attrs["after"], attrs["filter"].order)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({"after": error.detail}) from error
        return attrs


class LeasedSerializer(serializers.Serializer[dict[str, Any]]):
    example = ExampleSerializer(allow_null=True, help_text="Null where nothing is left that nobody else looks at.")
    place = serializers.CharField(help_text="Where it stands in the order, for `after`.")
    lease_seconds = serializers.IntegerField(help_text="How long nobody else is given it; `hold` renews that.")


class HeldSerializer(serializers.Serializer[dict[str, Any]]):
    mine = serializers.BooleanField()
    holder = serializers.CharField(help_text="Who else looks at it; empty for nobody.")
    lease_seconds = serializers.IntegerField(help_text="How long it stays yours; 0 where it is not.")


class ReviewQueue(RoomView):
    """What is to be reviewed, and who reviews; DELETE lets go of all that the caller holds here."""

    serializer_class = QueueSerializer
    reading = Right.CURATE

    @extend_schema(parameters=[OpenApiParameter("filter", str, description=FILTER, default=PROPOSALS)])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        asked = FilterSerializer(data={n: value for n, value in request.query_params.items() if n != "format"})
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data["filter"]
        busy = [str(other) for other in actions.reviewers_of(self.dataset, but=self.person)]
        return Response({"count": asdict(number_of(self.dataset, wanted)), "busy": busy})

    @extend_schema(responses={204: None})
    def delete(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        actions.let_go(self.dataset, by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)


class NextToReview(RoomView):
    """POST leases the next example of a filter that nobody else looks at; what the caller held is given back."""

    serializer_class = NextSerializer

    @extend_schema(request=NextSerializer, responses=LeasedSerializer)
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        dataset, given = self.dataset, self.checked(request, NextSerializer)
        wanted = given["filter"]
        found = actions.next_to_review(dataset, wanted, by=self.person, after=given["after"], back=given["back"])
        if found is None:
            return Response({"example": None, "place": "", "lease_seconds": 0})
        place = place_of(found, wanted.order)
        return Response({"example": ExampleSerializer(found).data, "place": place, "lease_seconds": SECONDS})


class Hold(RoomView):
    """POST takes or keeps the lease of an example: again before it runs out, as long as somebody looks at it."""

    serializer_class = HeldSerializer

    @extend_schema(request=None, responses=HeldSerializer)
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        example = get_object_or_404(Example, dataset=self.dataset, pk=self.kwargs["pk"])
        mine = actions.hold(example, by=self.person)
        other = None if mine else actions.holder_of(example, but=self.person)
        return Response({"mine": mine, "holder": str(other) if other else "", "lease_seconds": SECONDS if mine else 0})
