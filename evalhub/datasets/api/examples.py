"""Examples over HTTP: list, propose, read, edit, delete."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from evalhub.datasets import actions
from evalhub.datasets.actions.curation import GIVEN, MOST_GIVEN
from evalhub.datasets.api.common import RoomView
from evalhub.datasets.api.paging import PlacePagination, asked_of
from evalhub.datasets.history import values_of
from evalhub.datasets.models import Example, Revision, Split
from evalhub.datasets.selection import ORDERS, PROVENANCES, SPLITS, STATES, chosen_examples

FILTERS = [
    OpenApiParameter("q", str, description="Words, or how they begin, in instruction, input, output, id or source."),
    OpenApiParameter("category", str), OpenApiParameter("source", str), OpenApiParameter("language", str),
    OpenApiParameter("tag", str), OpenApiParameter("flag", str, description="Kind of a finding of the last check."),
    OpenApiParameter("state", str, enum=[value for value, _ in STATES]),
    OpenApiParameter("split", str, enum=[value for value, _ in SPLITS]),
    OpenApiParameter("from", str, enum=[value for value, _ in PROVENANCES]),
    OpenApiParameter("min", int, description="Least characters of the output."),
    OpenApiParameter("max", int, description="Most characters of the output."),
    OpenApiParameter("since", str, description="Changed since this date or moment, in ISO form."),
    OpenApiParameter("sort", str, enum=list(ORDERS)),
]  # fmt: skip


class ExampleSerializer(serializers.ModelSerializer[Example]):
    class Meta:
        model = Example
        fields = ("id", "key", "instruction", "input", "output", "system", "history", "category", "source", "language",
                  "tags", "metadata", "wanted_split", "state", "origin", "revision_number", "created_at",
                  "updated_at")  # fmt: skip
        read_only_fields = ("history", "metadata", "state", "origin", "created_at", "updated_at")


class RevisionSerializer(serializers.ModelSerializer[Revision]):
    author = serializers.StringRelatedField[Any]()
    values = serializers.SerializerMethodField(help_text="Its texts, category, source, split and tags, as they were.")

    class Meta:
        model = Revision
        fields = ("number", "author", "created_at", "reason", "values")

    def get_values(self, revision: Revision) -> dict[str, Any]:
        return values_of(revision)


class EditSerializer(serializers.Serializer[dict[str, Any]]):
    """What may be changed. `revision_number`, if sent, guards against overwriting somebody else's edit."""

    instruction = serializers.CharField(required=False, trim_whitespace=False)
    input = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    output = serializers.CharField(required=False, trim_whitespace=False)
    system = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    category = serializers.CharField(required=False, allow_blank=True)
    source = serializers.CharField(required=False, allow_blank=True)  # type: ignore[assignment]  # a field of examples
    language = serializers.CharField(required=False, allow_blank=True)
    key = serializers.CharField(required=False, allow_blank=True)
    tags = serializers.ListField(child=serializers.CharField(), required=False)
    wanted_split = serializers.ChoiceField(choices=Split.choices, required=False, allow_blank=True)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=255)
    revision_number = serializers.IntegerField(required=False)


class ProposalSerializer(serializers.Serializer[dict[str, Any]]):
    values = serializers.DictField()
    origin = serializers.DictField(
        child=serializers.CharField(max_length=MOST_GIVEN), default=dict,
        help_text=f"Where it comes from, in your own words: any of {', '.join(GIVEN)}.",
    )  # fmt: skip


class ExampleList(RoomView, ListAPIView[Example]):
    """Examples narrowed and sorted as on the page, from place to place; POST proposes one, which waits for approval."""

    serializer_class = ExampleSerializer
    pagination_class = PlacePagination

    def get_queryset(self) -> QuerySet[Example]:
        if self.describing:
            return Example.objects.none()
        return chosen_examples(self.dataset, asked_of(self.request))

    @extend_schema(parameters=FILTERS)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(request=ProposalSerializer, responses={200: ExampleSerializer, 201: ExampleSerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """201; 200 where the dataset has or had exactly this text: the example as it stands, rejected or not."""
        dataset, given = self.dataset, self.checked(request, ProposalSerializer)
        made = actions.propose_by_hand(dataset, by=self.person, values=given["values"], origin=given["origin"])
        code = status.HTTP_201_CREATED if made.is_new else status.HTTP_200_OK
        return Response(ExampleSerializer(made.example).data, status=code)


class ExampleDetail(RoomView, RetrieveAPIView[Example]):
    """One example; PATCH keeps a new revision, DELETE removes it while no version holds it."""

    serializer_class = ExampleSerializer

    def get_queryset(self) -> QuerySet[Example]:
        return Example.objects.none() if self.describing else self.dataset.examples.all()

    @extend_schema(responses={204: None, 409: OpenApiTypes.OBJECT})
    def delete(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        actions.delete_example(get_object_or_404(Example, dataset=self.dataset, pk=self.kwargs["pk"]), by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=EditSerializer, responses={200: ExampleSerializer})
    def patch(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        example, values = self.get_object(), self.checked(request, EditSerializer)
        reason, expected = values.pop("reason", ""), values.pop("revision_number", None)
        changed = actions.edit_example(
            example, by=self.person, values=values, reason=reason, expected_revision=expected
        )
        return Response(ExampleSerializer(changed).data)


class RevisionList(RoomView, ListAPIView[Revision]):
    """The revisions of an example, the first one first: who, when, why, and what it then was."""

    serializer_class = RevisionSerializer

    def get_queryset(self) -> QuerySet[Revision]:
        if self.describing:
            return Revision.objects.none()
        example = get_object_or_404(Example, dataset=self.dataset, pk=self.kwargs["pk"])
        return example.revisions.select_related("author", "example").order_by("number")
