"""Data for superusers, to look at: changes go through the product's pages, which keep revisions and audit events."""

from django.contrib import admin

from evalhub.accounts.admin import ReadOnly
from evalhub.datasets.models import Dataset, Example, ImportBatch, Version


@admin.register(Dataset)
class DatasetAdmin(ReadOnly):
    list_display = ("name", "project", "created_by", "created_at")
    list_select_related = ("project", "created_by")


@admin.register(ImportBatch)
class ImportBatchAdmin(ReadOnly):
    list_display = ("file_name", "dataset", "state", "imported", "set_aside", "unchanged", "created_at")
    list_select_related = ("dataset",)


@admin.register(Example)
class ExampleAdmin(ReadOnly):
    list_display = ("__str__", "dataset", "category", "state", "revision_number")
    list_select_related = ("dataset",)
    list_filter = ("state",)


@admin.register(Version)
class VersionAdmin(ReadOnly):
    list_display = ("__str__", "data_hash", "frozen_by", "frozen_at")
    list_select_related = ("dataset", "frozen_by")
