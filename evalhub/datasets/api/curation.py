"""Changes of many examples, their undo, saved views and comments over HTTP."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from evalhub.datasets import actions
from evalhub.datasets.actions.bulk import HERE_AND_NOW, WORDS, Order, foresee, sound_order
from evalhub.datasets.api.common import PartSerializer, RoomView, sound_filter
from evalhub.datasets.models import Change, Comment, Example, SavedView
from evalhub.datasets.selection import ExampleFilter, chosen_examples
from evalhub.jobs.models import Job


class ChangeSerializer(serializers.ModelSerializer[Change]):
    by = serializers.StringRelatedField[Any]()
    undone_by = serializers.StringRelatedField[Any]()

    class Meta:
        model = Change
        fields = ("id", "verb", "value", "reason", "query", "count", "passed_over", "by", "at", "undone_by",
                  "undone_at", "restored", "left_alone")  # fmt: skip


class OrderSerializer(PartSerializer):
    """`filter` as in the table's address; `expect` is how many it has to leave, as a `dry_run` told."""

    filter = serializers.CharField(allow_blank=True, default="")
    verb = serializers.ChoiceField(choices=list(WORDS))
    value = serializers.CharField(required=False, allow_blank=True, default="")
    reason = serializers.CharField(required=False, allow_blank=True, max_length=255, default="")
    expect = serializers.IntegerField(min_value=0, required=False, help_text="Needed, but for a dry run.")
    dry_run = serializers.BooleanField(default=False, help_text="Count to the end, and change nothing.")

    def validate_filter(self, query: str) -> ExampleFilter:
        return sound_filter(query)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "expect" not in attrs and not attrs["dry_run"]:
            raise serializers.ValidationError({"expect": "Say how many the filter has to leave; dry_run counts them."})
        return attrs


class ForeseenSerializer(serializers.Serializer[dict[str, Any]]):
    matching = serializers.IntegerField(help_text="Examples that the filter leaves, counted to the end: for `expect`.")
    different = serializers.IntegerField(help_text="How many of them would change.")


class ViewSerializer(serializers.ModelSerializer[SavedView]):
    class Meta:
        model = SavedView
        fields = ("id", "name", "query", "created_at")
        read_only_fields = ("created_at",)

    def validate_query(self, query: str) -> str:
        return sound_filter(query).query


class CommentSerializer(serializers.ModelSerializer[Comment]):
    author = serializers.StringRelatedField[Any]()

    class Meta:
        model = Comment
        fields = ("id", "author", "text", "created_at")
        read_only_fields = ("created_at",)


class ChangeList(RoomView, ListAPIView[Change]):
    """Changes, the newest first; POST changes all examples that a filter leaves."""

    serializer_class = ChangeSerializer

    def get_queryset(self) -> QuerySet[Change]:
        if self.describing:
            return Change.objects.none()
        return self.dataset.changes.select_related("by", "undone_by").order_by("-id")

    @extend_schema(
        request=OrderSerializer,
        responses={200: ForeseenSerializer, 201: ChangeSerializer, 202: OpenApiTypes.OBJECT, 409: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """201 with the change; 202 where there are many, which a worker changes: `Location` tells how far it is.

        200 with the counts for a dry run.
        """
        dataset, given = self.dataset, self.checked(request, OrderSerializer)
        wanted, order = given["filter"], sound_order(Order(given["verb"], given["value"], given["reason"]))
        if given["dry_run"]:
            found = foresee(dataset, wanted, order, by=self.person)
            return Response({"matching": found.number, "different": found.different})
        asked: dict[str, Any] = {"by": self.person, "expected": given["expect"]}
        if chosen_examples(dataset, wanted)[: HERE_AND_NOW + 1].count() > HERE_AND_NOW:
            return accepted(actions.request_bulk(dataset, wanted, order, **asked))
        change = actions.bulk_examples(dataset, wanted, order, **asked)
        return Response(ChangeSerializer(change).data, status=status.HTTP_201_CREATED)


def accepted(job: Job) -> Response:
    """202: a worker does it; `Location` tells how far it is."""
    address = reverse("api-jobs:job", args=[job.project.slug, job.pk])
    told = {"job": job.pk, "state": job.state}
    return Response(told, status=status.HTTP_202_ACCEPTED, headers={"Location": address})


class ChangeUndo(RoomView):
    """POST restores what nobody has changed since; a large change is undone by a worker (202)."""

    serializer_class = ChangeSerializer

    @extend_schema(request=None, responses={200: ChangeSerializer, 202: OpenApiTypes.OBJECT})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        change = get_object_or_404(Change, dataset=self.dataset, pk=self.kwargs["pk"])
        if job := actions.undo_by_worker(change, by=self.person):
            return accepted(job)
        return Response(ChangeSerializer(actions.undo(change, by=self.person)).data)


class ViewList(RoomView, ListAPIView[SavedView]):
    """Names for filters; POST saves one."""

    serializer_class = ViewSerializer

    def get_queryset(self) -> QuerySet[SavedView]:
        return SavedView.objects.none() if self.describing else self.dataset.saved_views.order_by("name")

    @extend_schema(request=ViewSerializer, responses={201: ViewSerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        given = self.checked(request, ViewSerializer)
        wanted = sound_filter(given["query"])
        view = actions.save_view(self.dataset, name=given["name"], wanted=wanted, by=self.person)
        return Response(ViewSerializer(view).data, status=status.HTTP_201_CREATED)


class ViewDetail(RoomView):
    """DELETE removes a name; no example is touched."""

    serializer_class = ViewSerializer

    @extend_schema(responses={204: None})
    def delete(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        view = get_object_or_404(SavedView, dataset=self.dataset, pk=self.kwargs["pk"])
        actions.forget_view(view, by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)


class CommentList(RoomView, ListAPIView[Comment]):
    """What was said about an example; POST says something."""

    serializer_class = CommentSerializer

    def get_queryset(self) -> QuerySet[Comment]:
        if self.describing:
            return Comment.objects.none()
        return self._example().comments.select_related("author").order_by("id")

    @extend_schema(request=CommentSerializer, responses={201: CommentSerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        given = self.checked(request, CommentSerializer)
        said = actions.comment(self._example(), by=self.person, text=given["text"])
        return Response(CommentSerializer(said).data, status=status.HTTP_201_CREATED)

    def _example(self) -> Example:
        return get_object_or_404(Example.objects.select_related("dataset"), dataset=self.dataset, pk=self.kwargs["pk"])
