"""Imports over HTTP: a file in, how far it is, stop, try again."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

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
from evalhub.datasets.actions.imports import check_mapping
from evalhub.datasets.api.common import RoomView
from evalhub.datasets.formats.unpacking import unpacks_within
from evalhub.datasets.glancing import glance
from evalhub.datasets.importing import FIELDS, Preview, Survey, Unreadable, preview
from evalhub.datasets.models import Dataset, ImportBatch
from evalhub.datasets.reading import storable
from evalhub.errors import Refused

HERE_AND_NOW = 2 * 2**20  # bytes; a worker stores what is larger
UNPACKED = 8 * 2**20  # bytes, likewise
COUNTED = 20 * 2**20  # bytes unpacked; of a larger file the preview shows the beginning only


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
        fields: ClassVar[tuple[str, ...]] = (
            "id", "file_name", "sha256", "policy", "mapping", "state", "message", "total", "done", "eta_seconds",
            "imported", "set_aside", "unchanged", "problems", "created_at", "finished_at",
        )  # fmt: skip


class ListedImportSerializer(ImportSerializer):
    """An import in a list, without its problems, which may be ten thousand."""

    class Meta(ImportSerializer.Meta):
        fields = tuple(each for each in ImportSerializer.Meta.fields if each != "problems")


class LookSerializer(serializers.Serializer[dict[str, Any]]):
    file = serializers.FileField(max_length=200)
    mapping = serializers.JSONField(default=dict, help_text="{field: column}, as JSON")

    def validate_mapping(self, value: Any) -> dict[str, str]:
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise serializers.ValidationError("An object {field: column} is needed.")
        if unknown := sorted(set(value) - set(FIELDS)):
            name = storable(unknown[0])[:40]
            raise serializers.ValidationError(f"There is no field “{name}”; there are {', '.join(FIELDS)}.")
        try:
            check_mapping(value)
        except Refused as refusal:
            raise serializers.ValidationError(refusal.message) from refusal
        return value


class UploadSerializer(LookSerializer):
    policy = serializers.ChoiceField(choices=ImportBatch.Policy.choices, default=ImportBatch.Policy.SET_ASIDE)


class RowSerializer(serializers.Serializer[Any]):
    """A row as it would be stored."""

    line = serializers.IntegerField()
    instruction = serializers.CharField()
    input = serializers.CharField()
    output = serializers.CharField()
    system = serializers.CharField()
    history = serializers.JSONField()
    category = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # a field of examples
    language = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    wanted_split = serializers.CharField()
    key = serializers.CharField()
    metadata = serializers.JSONField()


class CountSerializer(serializers.Serializer[Any]):
    rows = serializers.IntegerField(help_text="That can be stored, or are there already.")
    problems = serializers.IntegerField(help_text="That would be set aside.")


class PreviewSerializer(serializers.Serializer[dict[str, Any]]):
    described = serializers.CharField(help_text="Format and encoding, as far as the beginning tells.")
    columns = serializers.ListField(child=serializers.CharField())
    mapping = serializers.DictField(child=serializers.CharField(), help_text="{field: column it is taken from}")
    rows = RowSerializer(many=True, help_text="The first ones.")
    problems = ProblemSerializer(many=True, help_text="The first ones.")
    lacking = serializers.CharField(help_text="Which columns are missing; empty where all is there.")
    counts = CountSerializer(allow_null=True, help_text="Of the whole file; null where counting would take long.")


class ImportList(RoomView, ListAPIView[ImportBatch]):
    """The imports of a dataset, without their problems; POST brings in a file (multipart: file, policy, mapping)."""

    serializer_class = ListedImportSerializer
    parser_classes = (MultiPartParser, FormParser)

    def get_queryset(self) -> QuerySet[ImportBatch]:
        return ImportBatch.objects.none() if self.describing else self.dataset.imports.defer("problems")

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
    """Import a small file here and now, and let a worker import a larger one."""
    with _on_disk(upload) as (path, name):
        small = (upload.size or 0) <= HERE_AND_NOW and unpacks_within(path, UNPACKED)
        bring_in = actions.import_file if small else actions.request_import
        return bring_in(dataset, path=path, file_name=name, by=by, policy=policy, mapping=mapping)


@contextmanager
def _on_disk(upload: "UploadedFile[Any]") -> Iterator[tuple[Path, str]]:
    """A temporary file, since an upload may be in memory, and the upload's name."""
    with tempfile.NamedTemporaryFile() as copy:
        for block in upload.chunks():
            copy.write(block)
        copy.flush()
        yield Path(copy.name), Path(upload.name or "file").name


class ImportPreview(RoomView):
    """POST looks at a file (multipart: file, mapping) and keeps nothing of it: its columns, first rows, problems."""

    serializer_class = PreviewSerializer
    parser_classes = (MultiPartParser, FormParser)

    @extend_schema(request=LookSerializer, responses={200: PreviewSerializer, 409: OpenApiTypes.OBJECT})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """409 for a file that cannot be read."""
        _, asked = self.dataset, self.checked(request, LookSerializer)
        found, counts = _looked_at(asked["file"], asked["mapping"])
        problems = [vars(problem) for problem in found.problems]
        told = {**asdict(found), "problems": problems, "counts": counts and vars(counts)}
        return Response(PreviewSerializer(told).data)


def _looked_at(upload: "UploadedFile[Any]", mapping: dict[str, str]) -> tuple[Preview, Survey | None]:
    """The beginning of a file, and all of it counted where that is quick. Raises Refused for one that is unreadable."""
    with _on_disk(upload) as (path, name):
        try:
            found = preview(path, name=name, mapping=mapping)
            return found, None if found.lacking else glance(path, name=name, mapping=mapping, most=COUNTED)
        except Unreadable as error:
            raise Refused(str(error), field="file") from error


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
