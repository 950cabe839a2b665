"""Models and runs for superusers, to look at: changes go through the product's pages, which keep audit events."""

from django.contrib import admin
from django.http import HttpRequest

from evalhub.runs.models import Model, PromptTemplate, Run


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Model)
class ModelAdmin(ReadOnly):
    list_display = ("name", "project", "kind", "reference", "content_hash")
    list_select_related = ("project",)
    list_filter = ("kind",)


@admin.register(PromptTemplate)
class PromptTemplateAdmin(ReadOnly):
    list_display = ("name", "project", "user")
    list_select_related = ("project",)


@admin.register(Run)
class RunAdmin(ReadOnly):
    list_display = ("name", "project", "kind", "state", "attempt", "losses", "requested_by", "created_at")
    list_select_related = ("project", "requested_by")
    list_filter = ("kind", "state")
