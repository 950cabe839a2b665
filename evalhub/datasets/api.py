"""Datasets over HTTP: the same actions and the same policy as the pages."""

import tempfile
from pathlib import Path
from typing import Any, cast

from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.generics import GenericAPIView, ListAPIView, ListCreateAPIView, RetrieveAPIView
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right, project_for
from evalhub.datasets import actions
from evalhub.datasets.downloads import attachment
from evalhub.datasets.export import version_lines
from evalhub.datasets.importing import FIELDS
from evalhub.datasets.models import Dataset, Example, ImportBatch, Split, Version
from evalhub.datasets.selection import ExampleFilter, chosen_examples, datasets_of, readiness

HERE_AND_NOW = 2 * 2**20  # bytes; a worker stores what is larger
FILTERS = [
    OpenApiParameter("q", str, description="Text in instruction, input, output, id or source."),
    OpenApiParameter("category", str),
    OpenApiParameter("state", str, enum=Example.State.values),
    OpenApiParameter("split", str, enum=[*Split.values, "none"]),
]


# --- what goes over the wire --------------------------------------------------------------------
class DatasetSerializer(serializers.ModelSerializer[Dataset]):
    approved = serializers.IntegerField(read_only=True)
    proposed = serializers.IntegerField(read_only=True)
    rejected = serializers.IntegerField(read_only=True)
    last_version = serializers.IntegerField(read_only=True, allow_null=True)

    class Meta:
        model = Dataset
        fields = (
            "slug",
            "name",
            "description",
            "credit",
            "approved",
            "proposed",
            "rejected",
            "last_version",
            "created_at",
        )
        read_only_fields = ("slug", "created_at")


class ProblemSerializer(serializers.Serializer[dict[str, Any]]):
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


class ExampleSerializer(serializers.ModelSerializer[Example]):
    class Meta:
        model = Example
        fields = ("id", "key", "instruction", "input", "output", "system", "history", "category", "source", "language",
                  "tags", "metadata", "wanted_split", "state", "origin", "revision_number", "created_at",
                  "updated_at")  # fmt: skip
        read_only_fields = ("history", "metadata", "state", "origin", "created_at", "updated_at")


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
    origin = serializers.DictField(default=dict)


class DecisionSerializer(serializers.Serializer[dict[str, Any]]):
    reason = serializers.CharField(required=False, allow_blank=True, max_length=255, default="")


class VersionSerializer(serializers.ModelSerializer[Version]):
    frozen_by = serializers.StringRelatedField[User]()

    class Meta:
        model = Version
        fields = ("id", "number", "note", "settings", "counts", "data_hash", "frozen_by", "frozen_at")


class FreezeSerializer(serializers.Serializer[dict[str, Any]]):
    note = serializers.CharField(required=False, allow_blank=True, max_length=255, default="")
    shares = serializers.ListField(
        child=serializers.FloatField(min_value=0, max_value=1), min_length=3, max_length=3, default=[0.8, 0.1, 0.1]
    )
    seed = serializers.IntegerField(default=7)
    keep_test = serializers.BooleanField(default=True, help_text="Test again what the last version tested.")
    leak_reason = serializers.CharField(
        required=False, allow_blank=True, max_length=1000, default="", help_text="Freeze in spite of leaks, because."
    )


# --- who may, and what about --------------------------------------------------------------------
class RoomView(GenericAPIView[Any]):
    """Finds the project by the person's right, then the dataset; without them 404 or 403."""

    reading: Right = Right.VIEW_DATA

    @property
    def person(self) -> User:
        return cast(User, self.request.user)

    @property
    def project(self) -> Project:
        right = self.reading if self.request.method in ("GET", "HEAD", "OPTIONS") else Right.CURATE
        return project_for(self.person, self.kwargs["project_slug"], right)

    @property
    def dataset(self) -> Dataset:
        return get_object_or_404(Dataset, project=self.project, slug=self.kwargs["dataset_slug"])

    @property
    def describing(self) -> bool:
        """True while the OpenAPI schema is written: nobody asks, about no project."""
        return bool(getattr(self, "swagger_fake_view", False))

    def checked(self, request: Request, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        serializer = kind(data=request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)


class DatasetList(RoomView, ListCreateAPIView[Dataset]):
    """The project's datasets with their counts; POST makes an empty one."""

    serializer_class = DatasetSerializer

    def get_queryset(self) -> QuerySet[Dataset]:
        return Dataset.objects.none() if self.describing else datasets_of(self.project)

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        project = self.project
        values = self.checked(request, DatasetSerializer)
        dataset = actions.create_dataset(project, by=self.person, **values)
        made = datasets_of(project).get(pk=dataset.pk)
        return Response(DatasetSerializer(made).data, status=status.HTTP_201_CREATED)


class DescriptionSerializer(serializers.Serializer[dict[str, Any]]):
    description = serializers.CharField(required=False, allow_blank=True)
    credit = serializers.CharField(required=False, allow_blank=True)


class DatasetDetail(RoomView, RetrieveAPIView[Dataset]):
    """One dataset; PATCH changes its description and credit."""

    serializer_class = DatasetSerializer
    lookup_field, lookup_url_kwarg = "slug", "dataset_slug"

    @extend_schema(request=DescriptionSerializer, responses={200: DatasetSerializer})
    def patch(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        dataset, given = self.get_object(), self.checked(request, DescriptionSerializer)
        words = {"description": dataset.description, "credit": dataset.credit} | given
        actions.describe_dataset(dataset, by=self.person, **words)
        return Response(DatasetSerializer(self.get_object()).data)

    def get_queryset(self) -> QuerySet[Dataset]:
        return Dataset.objects.none() if self.describing else datasets_of(self.project)


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
        """201 with the import; 202 for more than 2 MB, which a worker stores: `Location` tells how far it is.

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
    bring_in = actions.import_file if (upload.size or 0) <= HERE_AND_NOW else actions.request_import
    with tempfile.NamedTemporaryFile() as copy:
        for block in upload.chunks():
            copy.write(block)
        copy.flush()
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


class ExampleList(RoomView, ListAPIView[Example]):
    """Examples by id, narrowed as on the page; POST proposes one, which waits for approval."""

    serializer_class = ExampleSerializer

    def get_queryset(self) -> QuerySet[Example]:
        if self.describing:
            return Example.objects.none()
        return chosen_examples(self.dataset, ExampleFilter.from_query(self.request.query_params))

    @extend_schema(parameters=FILTERS)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(request=ProposalSerializer, responses={201: ExampleSerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        dataset, given = self.dataset, self.checked(request, ProposalSerializer)
        example = actions.propose_example(dataset, by=self.person, values=given["values"], origin=given["origin"])
        return Response(ExampleSerializer(example).data, status=status.HTTP_201_CREATED)


class ExampleDetail(RoomView, RetrieveAPIView[Example]):
    """One example; PATCH keeps a new revision."""

    serializer_class = ExampleSerializer

    def get_queryset(self) -> QuerySet[Example]:
        return Example.objects.none() if self.describing else self.dataset.examples.all()

    @extend_schema(request=EditSerializer, responses={200: ExampleSerializer})
    def patch(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        example, values = self.get_object(), self.checked(request, EditSerializer)
        reason, expected = values.pop("reason", ""), values.pop("revision_number", None)
        changed = actions.edit_example(
            example, by=self.person, values=values, reason=reason, expected_revision=expected
        )
        return Response(ExampleSerializer(changed).data)


class ExampleDecision(RoomView):
    """POST approves or rejects."""

    serializer_class = DecisionSerializer

    @extend_schema(request=DecisionSerializer, responses={200: ExampleSerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        example = get_object_or_404(Example, dataset=self.dataset, pk=self.kwargs["pk"])
        reason = self.checked(request, DecisionSerializer)["reason"]
        if self.kwargs["decision"] == "approve":
            return Response(ExampleSerializer(actions.approve(example, by=self.person)).data)
        return Response(ExampleSerializer(actions.reject(example, by=self.person, reason=reason)).data)


class VersionList(RoomView, ListAPIView[Version]):
    """The frozen versions, newest first; POST freezes the approved examples."""

    serializer_class = VersionSerializer

    def get_queryset(self) -> QuerySet[Version]:
        return Version.objects.none() if self.describing else self.dataset.versions.select_related("frozen_by")

    @extend_schema(request=FreezeSerializer, responses={201: VersionSerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        dataset, values = self.dataset, self.checked(request, FreezeSerializer)
        train, validation, test = values.pop("shares")
        version = actions.freeze_version(dataset, by=self.person, shares=(train, validation, test), **values)
        return Response(VersionSerializer(version).data, status=status.HTTP_201_CREATED)


class VersionDetail(RoomView, RetrieveAPIView[Version]):
    serializer_class = VersionSerializer
    lookup_field = "number"

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
        version = get_object_or_404(Version, dataset=self.dataset, number=self.kwargs["number"])
        split = request.query_params.get("split", "")
        if split and split not in Split.values:
            raise serializers.ValidationError({"split": f"One of {', '.join(Split.values)}."})
        name = f"{self.kwargs['dataset_slug']}-v{version.number}-{split or 'all'}.jsonl"
        return attachment(version_lines(version, split), name, "application/x-ndjson")


class Readiness(RoomView):
    """The checks before training, as on the dataset's page."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        report = readiness(self.dataset)
        checks = [
            {name: getattr(check, name) for name in ("key", "label", "value", "tone", "note")}
            for check in report.checks
        ]
        return Response(
            {"total": report.total, "blocking": report.blocking, "warnings": report.warnings, "checks": checks}
        )
