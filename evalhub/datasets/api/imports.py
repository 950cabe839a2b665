"""Imports over HTTP: a file in, how far it is, stop, try again."""

import tempfile
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from evalhub.accounts.models import User
from evalhub.datasets import actions
from evalhub.datasets.api.common import RoomView
from evalhub.datasets.formats.unpacking import unpacks_within
from evalhub.datasets.importing import FIELDS
from evalhub.datasets.models import Dataset, ImportBatch

HERE_AND_NOW = 2 * 2**20  # bytes; a worker stores what is larger
UNPACKED = 8 * 2**20  # bytes, likewise


class ProblemSerializer(serializers.Serializer[dict[str, Any]]):
    file = serializers.CharField(default="", help_text="Of a dataset folder: which file; else empty.")
    line = serializers.IntegerField()
    field = serializers.CharField()
    reason = serializers.CharField()
    raw = serializers.CharField()


class ImportSerializer(serializers.ModelSerializer[ImportBatch]):
    problems = ProblemSerializer(many=True, read_only=True)

    class Meta:
        model = ImportBatch
        fields = ("id", "file_name", "sha256", "policy", "mapping", "state", "message", "total", "done", "eta_seconds",
                  "imported", "set_aside", "unchanged", "problems", "created_at", "finished_at")  # fmt: skip


class UploadSerializer(serializers.Serializer[dict[str, Any]]):
    file = serializers.FileField(max_length=200)
    policy = serializers.ChoiceField(choices=ImportBatch.Policy.choices, default=ImportBatch.Policy.SET_ASIDE)
    mapping = serializers.JSONField(default=dict, help_text="{field: column}, as JSON")

    def validate_mapping(self, value: Any) -> dict[str, str]:
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise serializers.ValidationError("An object {field: column} is needed.")
        if unknown := sorted(set(value) - set(FIELDS)):
            raise serializers.ValidationError(f"There is no field “{unknown[0]}”; there are {', '.join(FIELDS)}.")
        return value


class ImportList(RoomView, ListAPIView[ImportBatch]):
    """The imports of a dataset; POST brings in a file (multipart: file, policy, mapping)."""

    serializer_class = ImportSerializer
    parser_classes = (MultiPartParser, FormParser)

    def get_queryset(self) -> QuerySet[ImportBatch]:
        return ImportBatch.objects.none() if self.describing else self.dataset.imports.all()

    @extend_schema(
        request=UploadSerializer,
        responses={201: ImportSerializer, 202: ImportSerializer, 409: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """201 with the import; 202 for more than 2 MB (8 MB unpacked), which a worker stores: `Location` tells more.

        409 with the import and its problems if nothing was stored.
        """
        dataset, values = self.dataset, self.checked(request, UploadSerializer)
        batch = _imported(dataset, values["file"], by=self.person, policy=values["policy"], mapping=values["mapping"])
        told = ImportSerializer(batch).data
        if batch.is_live:
            return _accepted(batch)
        if batch.state == ImportBatch.State.FAILED:
            return Response({"detail": batch.message, **told}, status=status.HTTP_409_CONFLICT)
        return Response(told, status=status.HTTP_201_CREATED)


def _imported(
    dataset: Dataset, upload: "UploadedFile[Any]", *, by: User, policy: str, mapping: dict[str, str]
) -> ImportBatch:
    """Import through a temporary file, since an upload may be in memory: a small one here and now."""
    with tempfile.NamedTemporaryFile() as copy:
        for block in upload.chunks():
            copy.write(block)
        copy.flush()
        small = (upload.size or 0) <= HERE_AND_NOW and unpacks_within(Path(copy.name), UNPACKED)
        bring_in = actions.import_file if small else actions.request_import
        name = Path(upload.name or "file").name
        return bring_in(dataset, path=Path(copy.name), file_name=name, by=by, policy=policy, mapping=mapping)


class ImportDetail(RoomView, RetrieveAPIView[ImportBatch]):
    serializer_class = ImportSerializer

    def get_queryset(self) -> QuerySet[ImportBatch]:
        return ImportBatch.objects.none() if self.describing else self.dataset.imports.all()


class ImportCancel(RoomView):
    """Stop an import: the rows stored so far stay, of all-or-nothing none."""

    serializer_class = ImportSerializer

    @extend_schema(request=None, responses={200: ImportSerializer, 409: OpenApiTypes.OBJECT})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        batch = get_object_or_404(ImportBatch, dataset=self.dataset, pk=self.kwargs["pk"])
        return Response(ImportSerializer(actions.cancel_import(batch, by=self.person)).data)


class ImportRetry(RoomView):
    """The same file with the same settings again, after the rows it had gone through: 202, and `Location` tells."""

    serializer_class = ImportSerializer

    @extend_schema(request=None, responses={202: ImportSerializer, 409: OpenApiTypes.OBJECT})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        batch = get_object_or_404(ImportBatch, dataset=self.dataset, pk=self.kwargs["pk"])
        return _accepted(actions.retry_import(batch, by=self.person))


def _accepted(batch: ImportBatch) -> Response:
    """202 with the import as it is now, and where to look how far it has come."""
    names = [batch.dataset.project.slug, batch.dataset.slug, batch.pk]
    headers = {"Location": reverse("api-datasets:import", args=names)}
    return Response(ImportSerializer(batch).data, status=status.HTTP_202_ACCEPTED, headers=headers)
