"""Who may, and about which dataset; the same policy as the pages."""

from collections.abc import Mapping
from typing import Any, cast

from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request

from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right, project_for
from evalhub.datasets.filters import filter_of
from evalhub.datasets.models import Dataset
from evalhub.datasets.reading import storable
from evalhub.datasets.selection import ExampleFilter
from evalhub.errors import Refused


def sound_filter(query: str) -> ExampleFilter:
    """The filter that a program asks for. Raises ValidationError for a name or value that means nothing."""
    try:
        return filter_of(query)
    except Refused as refusal:
        raise serializers.ValidationError(refusal.message) from refusal


class PartSerializer(serializers.Serializer[dict[str, Any]]):
    """What is asked for a part of the examples: a name that nobody knows is refused, since without it all are meant."""

    def to_internal_value(self, data: Any) -> Any:
        given = data if isinstance(data, Mapping) else {}
        if unknown := next((name for name in given if name not in self.fields), None):
            told = f"There is no such field; there are {', '.join(self.fields)}."
            raise serializers.ValidationError({storable(unknown)[:40]: [told]})
        return super().to_internal_value(data)


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

    @cached_property
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
