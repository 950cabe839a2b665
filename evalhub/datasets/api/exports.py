"""Exports over HTTP: the file itself where it is small text, else a job that writes it."""

from typing import Any

from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from evalhub.accounts.models import Project
from evalhub.accounts.permissions import Right, project_for
from evalhub.datasets import actions
from evalhub.datasets.api.common import PartSerializer, RoomView
from evalhub.datasets.downloads import attachment
from evalhub.datasets.exporting.extracts import Wanted, extract
from evalhub.datasets.exporting.formats import FORMATS, writing
from evalhub.datasets.filters import filter_from
from evalhub.datasets.models import Split
from evalhub.datasets.selection import ExampleFilter
from evalhub.datasets.shapes import ALPACA, SHAPES
from evalhub.errors import Refused
from evalhub.jobs.api import JobOut


class ExportSerializer(PartSerializer):
    """A version (and side), or ids, or a filter with the names of the page's address; none of them: all examples."""

    version = serializers.IntegerField(required=False, min_value=1)
    split = serializers.ChoiceField(choices=Split.choices, required=False, allow_blank=True, default="")
    ids = serializers.ListField(child=serializers.IntegerField(min_value=1), required=False, default=list)
    filter = serializers.DictField(child=serializers.CharField(allow_blank=True), required=False, default=dict)
    format = serializers.ChoiceField(choices=[(name, one.label) for name, one in FORMATS.items()], default="jsonl")
    shape = serializers.ChoiceField(choices=list(SHAPES.items()), default=ALPACA)

    def validate_filter(self, given: dict[str, str]) -> ExampleFilter:
        try:
            return filter_from(given.items())
        except Refused as refusal:
            raise serializers.ValidationError(refusal.message) from refusal


class Exports(RoomView):
    """POST: up to 5,000 rows of JSONL or CSV are the answer; otherwise 202 with the job that writes the file."""

    serializer_class = ExportSerializer

    @property
    def project(self) -> Project:
        """Who may read may export."""
        return project_for(self.person, self.kwargs["project_slug"], Right.VIEW_DATA)

    @extend_schema(request=ExportSerializer, responses={200: OpenApiTypes.BINARY, 202: JobOut})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        dataset, asked = self.dataset, self.checked(request, ExportSerializer)
        wanted = Wanted.from_texts(
            number=asked.get("version"), split=asked["split"], query=asked["filter"].query,
            ids=",".join(map(str, asked["ids"])),
        )  # fmt: skip
        found, chosen = extract(dataset, wanted), writing(asked["format"], asked["shape"])
        if chosen.streams(found):
            return attachment(found, chosen)
        job = actions.request_export(dataset, wanted=wanted, extract=found, chosen=chosen, by=self.person)
        location = reverse("api-jobs:job", args=[dataset.project.slug, job.pk])
        return Response(JobOut(job).data, status=status.HTTP_202_ACCEPTED, headers={"Location": location})
