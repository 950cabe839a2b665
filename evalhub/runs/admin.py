"""Models and runs for superusers, to look at: changes go through the product's pages, which keep audit events."""

from django.contrib import admin

from evalhub.accounts.admin import ReadOnly
from evalhub.runs.models import Model, PromptTemplate, Run


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
