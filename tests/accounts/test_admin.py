"""Django's admin, for superusers: data, runs, studies and audit events are there to look at, never to change."""

import pytest
from django.contrib import admin
from django.urls import reverse

from evalhub.accounts.admin import ReadOnly
from evalhub.accounts.models import User
from tests.conftest import logged_in

SHOWN = {model: page for model, page in admin.site._registry.items() if model._meta.app_label != "auth"}
CHANGED_THERE = {"User", "Project", "ApiToken", "Invitation"}


def test_it_lets_only_accounts_be_changed() -> None:
    assert {model.__name__ for model, page in SHOWN.items() if not isinstance(page, ReadOnly)} == CHANGED_THERE


@pytest.mark.parametrize("model", [model for model, page in SHOWN.items() if isinstance(page, ReadOnly)])
def test_it_shows_and_adds_nothing(db: None, model: type) -> None:
    chief = User.objects.create_superuser("chief", "chief@example.org", "correct horse battery")
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert logged_in(chief).get(reverse(f"{name}_changelist")).status_code == 200
    assert logged_in(chief).get(reverse(f"{name}_add")).status_code == 403
