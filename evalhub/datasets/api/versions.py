"""Versions over HTTP: freeze, read, download."""

from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from evalhub.accounts.models import User
from evalhub.datasets import actions
from evalhub.datasets.api.common import RoomView
from evalhub.datasets.downloads import attachment
from evalhub.datasets.exporting.extracts import of_version
from evalhub.datasets.exporting.formats import writing
from evalhub.datasets.freezing import SEED, SHARES, Plan
from evalhub.datasets.models import Split, Version
from evalhub.datasets.replaying import Replay


class VersionSerializer(serializers.ModelSerializer[Version]):
    frozen_by = serializers.StringRelatedField[User]()

    class Meta:
        model = Version
        fields = ("id", "number", "note", "settings", "counts", "data_hash", "frozen_by", "frozen_at")


class ReplaySerializer(serializers.Serializer[dict[str, Any]]):
    dataset = serializers.CharField(help_text="Short name of another dataset of the project.")
    version = serializers.IntegerField(required=False, allow_null=True, default=None, help_text="Else its last one.")
    share = serializers.FloatField(default=0.1, help_text="Of all training examples; at most 0.5.")


class FreezeSerializer(serializers.Serializer[dict[str, Any]]):
    note = serializers.CharField(required=False, allow_blank=True, max_length=255, default="")
    shares = serializers.ListField(
        child=serializers.FloatField(min_value=0, max_value=1), min_length=3, max_length=3, default=list(SHARES)
    )
    seed = serializers.IntegerField(default=SEED)
    min_test = serializers.IntegerField(min_value=0, default=0, help_text="Examples that the test set has at least.")
    keep_test = serializers.BooleanField(default=True, help_text="Test again what the last version tested.")
    replay = ReplaySerializer(required=False, allow_null=True, default=None)
    leak_reason = serializers.CharField(
        required=False, allow_blank=True, max_length=1000, default="", help_text="Freeze in spite of leaks, because."
    )
    request_key = serializers.CharField(
        required=False, allow_null=True, max_length=64, default=None, help_text="The same twice is one version."
    )


def plan_of(values: dict[str, Any]) -> Plan:
    """The plan among the values, which are left without it."""
    train, validation, test = values.pop("shares")
    replay = values.pop("replay")
    names = ("seed", "keep_test", "min_test")
    chosen = {name: values.pop(name) for name in names}
    return Plan(shares=(train, validation, test), replay=Replay(**replay) if replay else None, **chosen)


class VersionList(RoomView, ListAPIView[Version]):
    """The frozen versions, newest first; POST freezes the approved examples: of many a worker (202, with the job)."""

    serializer_class = VersionSerializer

    def get_queryset(self) -> QuerySet[Version]:
        return Version.objects.none() if self.describing else self.dataset.versions.select_related("frozen_by")

    @extend_schema(request=FreezeSerializer, responses={201: VersionSerializer, 202: OpenApiTypes.OBJECT})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        dataset, values = self.dataset, self.checked(request, FreezeSerializer)
        plan = plan_of(values)
        if not actions.freezes_at_once(dataset):
            job = actions.request_freeze(dataset, by=self.person, plan=plan, **values)
            place = reverse("api-jobs:job", args=[dataset.project.slug, job.pk])
            return Response({"job": job.pk, "state": job.state}, status.HTTP_202_ACCEPTED, headers={"Location": place})
        version = actions.freeze_as_planned(dataset, by=self.person, plan=plan, **values)
        return Response(VersionSerializer(version).data, status=status.HTTP_201_CREATED)


class VersionDetail(RoomView, RetrieveAPIView[Version]):
    """One version; DELETE removes it while nothing rests on it."""

    serializer_class = VersionSerializer
    lookup_field = "number"

    @extend_schema(responses={204: None, 409: OpenApiTypes.OBJECT})
    def delete(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        actions.delete_version(self.get_object(), by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def get_queryset(self) -> QuerySet[Version]:
        return Version.objects.none() if self.describing else self.dataset.versions.select_related("frozen_by")


class VersionDownload(RoomView):
    """JSONL of a version, or of one split of it (?split=train)."""

    serializer_class = VersionSerializer

    @extend_schema(
        parameters=[OpenApiParameter("split", str, enum=Split.values)],
        responses={(200, "application/x-ndjson"): OpenApiTypes.STR},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> StreamingHttpResponse:
        version = get_object_or_404(
            Version.objects.select_related("dataset"), dataset=self.dataset, number=self.kwargs["number"]
        )
        split = request.query_params.get("split", "")
        if split and split not in Split.values:
            raise serializers.ValidationError({"split": f"One of {', '.join(Split.values)}."})
        return attachment(of_version(version, split), writing("jsonl"))
