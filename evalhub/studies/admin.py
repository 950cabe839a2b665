"""Django admin, for superusers: studies and ratings to look at. They change by their pages, where the rules are."""

from django.contrib import admin

from evalhub.accounts.admin import ReadOnly
from evalhub.studies.models import Assignment, Flag, Rater, Rating, Study


@admin.register(Study)
class StudyAdmin(ReadOnly):
    list_display = ("name", "project", "state", "origin", "created_at")
    list_filter = ("state", "origin")
    search_fields = ("name",)


@admin.register(Rater)
class RaterAdmin(ReadOnly):
    list_display = ("pseudonym", "study", "user")


@admin.register(Assignment)
class AssignmentAdmin(ReadOnly):
    list_display = ("item", "slot", "state", "rater", "leased_until")
    list_filter = ("state",)


@admin.register(Rating)
class RatingAdmin(ReadOnly):
    list_display = ("assignment", "number", "is_current", "submitted_at")


@admin.register(Flag)
class FlagAdmin(ReadOnly):
    list_display = ("assignment", "text", "created_at", "resolved_at")
