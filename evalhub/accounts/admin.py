"""Django admin for superusers: accounts as they are, audit events to read only."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from evalhub.accounts.models import ApiToken, AuditEvent, Invitation, Membership, Project, User


class ReadOnly(admin.ModelAdmin[Any]):
    """To look at only: what changes by the product's own pages keeps its rules, revisions and audit events."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class MembershipInline(admin.TabularInline[Membership, Project]):
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


class ProjectAdmin(admin.ModelAdmin[Project]):
    list_display = ("name", "slug", "created_at")
    search_fields = ("name", "slug")
    inlines = (MembershipInline,)


class TokenAdmin(admin.ModelAdmin[ApiToken]):
    list_display = ("name", "user", "created_at", "last_used_at", "revoked_at")
    exclude = ("key_hash",)


class InvitationAdmin(admin.ModelAdmin[Invitation]):
    list_display = ("email", "project", "role", "expires_at", "accepted_at")
    exclude = ("token_hash",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


class AuditAdmin(ReadOnly):
    list_display = ("at", "actor", "verb", "target", "project")
    list_filter = ("verb", "project")
    list_select_related = ("actor", "project")


admin.site.site_header = admin.site.site_title = "evalhub"
admin.site.register(User, UserAdmin)
admin.site.register(Project, ProjectAdmin)
admin.site.register(ApiToken, TokenAdmin)
admin.site.register(Invitation, InvitationAdmin)
admin.site.register(AuditEvent, AuditAdmin)
