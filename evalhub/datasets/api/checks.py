"""Checks over HTTP: the readiness list, the runs, a new run, the thresholds."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from evalhub.accounts.models import User
from evalhub.datasets import actions
from evalhub.datasets.api.common import PartSerializer, RoomView, sound_filter
from evalhub.datasets.checking import Standing, ids_query, standing
from evalhub.datasets.checks.kinds import KINDS
from evalhub.datasets.checks.thresholds import Thresholds
from evalhub.datasets.models import CheckRun, Flag
from evalhub.datasets.selection import ExampleFilter


class CheckRunSerializer(serializers.ModelSerializer[CheckRun]):
    created_by = serializers.StringRelatedField[User]()

    class Meta:
        model = CheckRun
        fields: ClassVar = ("id", "query", "examples", "settings", "report", "read_at", "seconds", "created_by")


class FlagSerializer(serializers.ModelSerializer[Flag]):
    class Meta:
        model = Flag
        fields: ClassVar = ("example", "kind", "reason", "group")


class AskSerializer(PartSerializer):
    filter = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=2000, help_text="As in a page's address; else all."
    )
    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1), default=list, max_length=5000,
        help_text="Only these examples, in place of a filter.",
    )  # fmt: skip
    model = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=120, help_text="Whose tokens lengths are counted in."
    )
    thresholds = serializers.DictField(
        child=serializers.FloatField(), default=dict, help_text="{name: value} for this run; the others as kept."
    )

    def validate_filter(self, query: str) -> ExampleFilter:
        return sound_filter(query)


class Readiness(RoomView):
    """The checks before training, as on the dataset's page; `check` is the run they come from.

    `stale`: examples, or what other datasets test, have changed since. `filters`: of each line, those that leave the
    examples concerned.
    """

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(as_json(standing(self.dataset)))


def as_json(known: Standing) -> dict[str, Any]:
    """A dataset's readiness, for programs."""
    names = ("key", "label", "value", "tone", "note", "count")
    checks = [
        {**{name: getattr(check, name) for name in names}, "filters": [query for _, query in links]}
        for check, links in known.lines
    ]
    totals = {"total": known.report.total, "usable": known.report.usable} if known.report else {}
    state = {
        "check": known.run.pk if known.run else None, "changed": known.changed.number,
        "changed_is_exact": known.changed.exact, "running": bool(known.job), "stale": known.stale,
    }  # fmt: skip
    return {**totals, **state, "blocking": known.blocking, "warnings": known.warnings, "checks": checks}


class CheckList(RoomView, ListAPIView[CheckRun]):
    """The runs, newest first; POST asks a worker for one: 202, and `Location` tells how far it is."""

    serializer_class = CheckRunSerializer

    def get_queryset(self) -> QuerySet[CheckRun]:
        return CheckRun.objects.none() if self.describing else self.dataset.checks.select_related("created_by")

    @extend_schema(request=AskSerializer, responses={202: OpenApiTypes.OBJECT})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        dataset, asked = self.dataset, self.checked(request, AskSerializer)
        query = ids_query(asked["ids"]) if asked["ids"] else asked["filter"].query
        model, thresholds = asked["model"], asked["thresholds"]
        job = actions.request_check(dataset, by=self.person, query=query, model=model, thresholds=thresholds)
        address = reverse("api-jobs:job", args=[self.project.slug, job.pk])
        return Response(
            {"job": job.pk, "state": job.state}, status=status.HTTP_202_ACCEPTED, headers={"Location": address}
        )


class CheckDetail(RoomView, RetrieveAPIView[CheckRun]):
    """One run with its report."""

    serializer_class = CheckRunSerializer

    def get_queryset(self) -> QuerySet[CheckRun]:
        return CheckRun.objects.none() if self.describing else self.dataset.checks.select_related("created_by")


class CheckFlags(RoomView, ListAPIView[Flag]):
    """What a run flagged, and why; of a run over all examples, until the next one."""

    serializer_class = FlagSerializer

    @extend_schema(parameters=[OpenApiParameter("kind", str, enum=list(KINDS), description="Only flags of this kind.")])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Flag]:
        if self.describing:
            return Flag.objects.none()
        flags = Flag.objects.filter(run__dataset=self.dataset, run=self.kwargs["pk"]).order_by("id")
        kind = self.request.query_params.get("kind", "")
        if kind and kind not in KINDS:
            raise serializers.ValidationError({"kind": f"One of {', '.join(KINDS)}."})
        return flags.filter(kind=kind) if kind else flags


class ThresholdsView(RoomView):
    """The thresholds of the next run; PUT {name: value} keeps those, the others are the usual ones."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(Thresholds.from_json(self.dataset.thresholds).as_json())

    @extend_schema(request=OpenApiTypes.OBJECT, responses=OpenApiTypes.OBJECT)
    def put(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        dataset = self.dataset
        if not isinstance(request.data, dict):
            raise serializers.ValidationError({"detail": "An object {name: value} is needed."})
        kept = actions.keep_thresholds(dataset, by=self.person, thresholds=dict(request.data))
        return Response(Thresholds.from_json(kept.thresholds).as_json())
