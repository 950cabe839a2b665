"""Jobs for superusers, to look at."""

from django.contrib import admin

from evalhub.accounts.admin import ReadOnly
from evalhub.jobs.models import Job


@admin.register(Job)
class JobAdmin(ReadOnly):
    list_display = ("title", "project", "command", "state", "attempt", "losses", "created_by", "created_at")
    list_select_related = ("project", "created_by")
    list_filter = ("command", "state")
