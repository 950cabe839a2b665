"""Decisions about one example over HTTP: approve, approve instead of others, reject, keep one of its duplicates."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evalhub.datasets import actions
from evalhub.datasets.api.common import RoomView
from evalhub.datasets.api.examples import ExampleSerializer
from evalhub.datasets.clusters import members_of
from evalhub.datasets.models import Example


class SeenSerializer(serializers.Serializer[dict[str, Any]]):
    """`revision_number`, if sent, guards against deciding about a text that somebody has edited."""

    revision_number = serializers.IntegerField(required=False, allow_null=True, default=None)


class DecisionSerializer(SeenSerializer):
    """`expected_state`, if sent, guards against overwriting somebody else's decision, and `revision_number` against
    deciding about a text that somebody has edited.
    """

    reason = serializers.CharField(required=False, allow_blank=True, max_length=255, default="")
    expected_state = serializers.ChoiceField(choices=Example.State.choices, required=False, default="")


class ReplacedSerializer(serializers.Serializer[dict[str, Any]]):
    example = ExampleSerializer()
    rejected = serializers.ListField(child=serializers.IntegerField(), help_text="Ids of those that it replaces.")


class KeptSerializer(serializers.Serializer[dict[str, Any]]):
    example = ExampleSerializer()
    rejected = serializers.IntegerField(help_text="How many of its duplicates were rejected.")


class OneExample(RoomView):
    """What is done to the example that the address names."""

    serializer_class = ExampleSerializer

    def found(self) -> Example:
        return get_object_or_404(Example.objects.select_related("dataset"), dataset=self.dataset, pk=self.kwargs["pk"])


class ExampleDecision(OneExample):
    """POST approves or rejects."""

    @extend_schema(request=DecisionSerializer, responses={200: ExampleSerializer, 409: OpenApiTypes.OBJECT})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        example, given = self.found(), self.checked(request, DecisionSerializer)
        state, revision = given["expected_state"], given["revision_number"]
        if self.kwargs["decision"] == "approve":
            decided = actions.approve(example, by=self.person, expected_state=state, expected_revision=revision)
        else:
            decided = actions.reject(example, by=self.person, reason=given["reason"], expected_state=state,
                                     expected_revision=revision)  # fmt: skip
        return Response(ExampleSerializer(decided).data)


class ExampleReplacement(OneExample):
    """POST approves, and rejects the approved examples that ask exactly the same, in one change."""

    @extend_schema(request=SeenSerializer, responses={200: ReplacedSerializer, 409: OpenApiTypes.OBJECT})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        example, given = self.found(), self.checked(request, SeenSerializer)
        former = actions.approve_instead(example, by=self.person, expected_revision=given["revision_number"])
        return Response({"example": ExampleSerializer(self.found()).data, "rejected": [other.pk for other in former]})


class Duplicates(OneExample):
    """The example and those that the last check found to be the same or nearly the same; it alone where none are."""

    pagination_class = None

    @extend_schema(responses=ExampleSerializer(many=True))
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(ExampleSerializer(members_of(self.found()), many=True).data)


class DuplicateKept(OneExample):
    """POST keeps this one of its duplicates and rejects the others, with the reason."""

    @extend_schema(request=SeenSerializer, responses={200: KeptSerializer, 409: OpenApiTypes.OBJECT})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        example, given = self.found(), self.checked(request, SeenSerializer)
        rejected = actions.keep_one(example, by=self.person, expected_revision=given["revision_number"])
        return Response({"example": ExampleSerializer(self.found()).data, "rejected": rejected})
