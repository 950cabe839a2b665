"""Datasets over HTTP."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.generics import ListCreateAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from evalhub.datasets import actions
from evalhub.datasets.api.common import RoomView
from evalhub.datasets.models import Dataset
from evalhub.datasets.overview import states_of
from evalhub.datasets.selection import datasets_by_name


class DatasetSerializer(serializers.ModelSerializer[Dataset]):
    """The numbers are those of the pages (overview.py); as many queries for many datasets as for one."""

    approved = serializers.IntegerField(read_only=True)
    proposed = serializers.IntegerField(read_only=True)
    rejected = serializers.IntegerField(read_only=True)
    counts_are_exact = serializers.BooleanField(read_only=True, help_text="False: one of them is an estimate.")
    last_version = serializers.IntegerField(read_only=True, allow_null=True)

    class Meta:
        model = Dataset
        fields = (
            "slug",
            "name",
            "description",
            "credit",
            "is_benchmark",
            "second_approval",
            "approved",
            "proposed",
            "rejected",
            "counts_are_exact",
            "last_version",
            "created_at",
        )
        read_only_fields = ("slug", "is_benchmark", "second_approval", "created_at")


def counted(datasets: Sequence[Dataset]) -> Sequence[Dataset]:
    """The same, with what DatasetSerializer tells of their examples: one query."""
    for dataset, states in zip(datasets, states_of(datasets).values(), strict=True):
        numbers = {state: tally.number for state, tally in states.items()}
        vars(dataset).update(numbers, counts_are_exact=all(tally.exact for tally in states.values()))
    return datasets


class DescriptionSerializer(serializers.Serializer[dict[str, Any]]):
    description = serializers.CharField(required=False, allow_blank=True)
    credit = serializers.CharField(required=False, allow_blank=True)
    is_benchmark = serializers.BooleanField(
        required=False, help_text="Its prompts test models and are never trained on."
    )
    second_approval = serializers.BooleanField(
        required=False, help_text="An example is approved once two different people have approved it."
    )


class DatasetList(RoomView, ListCreateAPIView[Dataset]):
    """The project's datasets with their counts; POST makes an empty one."""

    serializer_class = DatasetSerializer

    def get_queryset(self) -> QuerySet[Dataset]:
        return Dataset.objects.none() if self.describing else datasets_by_name(self.project)

    def paginate_queryset(self, queryset: Any) -> list[Any]:
        return list(counted(super().paginate_queryset(queryset) or []))

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        project = self.project
        values = self.checked(request, DatasetSerializer)
        dataset = actions.create_dataset(project, by=self.person, **values)
        (made,) = counted([datasets_by_name(project).get(pk=dataset.pk)])
        return Response(DatasetSerializer(made).data, status=status.HTTP_201_CREATED)


class DatasetDetail(RoomView, RetrieveAPIView[Dataset]):
    """One dataset; PATCH changes its description, its credit, whether it is a benchmark and whether two people have to
    approve; DELETE removes it while nothing rests on it.
    """

    serializer_class = DatasetSerializer
    lookup_field, lookup_url_kwarg = "slug", "dataset_slug"

    @extend_schema(responses={204: None, 409: OpenApiTypes.OBJECT})
    def delete(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        actions.delete_dataset(self.dataset, by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=DescriptionSerializer, responses={200: DatasetSerializer})
    def patch(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        dataset, given = self.get_object(), self.checked(request, DescriptionSerializer)
        two = given.pop("second_approval", None)
        if given:
            words = {"description": dataset.description, "credit": dataset.credit} | given
            actions.describe_dataset(dataset, by=self.person, **words)
        if two is not None:
            actions.ask_second_approval(dataset, wanted=two, by=self.person)
        return Response(DatasetSerializer(self.get_object()).data)

    def get_object(self) -> Dataset:
        return counted([super().get_object()])[0]

    def get_queryset(self) -> QuerySet[Dataset]:
        return Dataset.objects.none() if self.describing else datasets_by_name(self.project)
