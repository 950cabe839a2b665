"""Django admin, for superusers: studies and ratings to look at. They change by their pages, where the rules are."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from evalhub.studies.models import Assignment, Flag, Rater, Rating, Study


class LookOnly(admin.ModelAdmin[Any]):
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Study)
class StudyAdmin(LookOnly):
    list_display = ("name", "project", "state", "origin", "created_at")
    list_filter = ("state", "origin")
    search_fields = ("name",)


@admin.register(Rater)
class RaterAdmin(LookOnly):
    list_display = ("pseudonym", "study", "user")


@admin.register(Assignment)
class AssignmentAdmin(LookOnly):
    list_display = ("item", "slot", "state", "rater", "leased_until")
    list_filter = ("state",)


@admin.register(Rating)
class RatingAdmin(LookOnly):
    list_display = ("assignment", "number", "is_current", "submitted_at")


@admin.register(Flag)
class FlagAdmin(LookOnly):
    list_display = ("assignment", "text", "created_at", "resolved_at")
