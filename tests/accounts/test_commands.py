"""The command of this room."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from evalhub.accounts.models import Membership, Project, User
from tests.conftest import person


def create(*words: str, **options: object) -> str:
    out = StringIO()
    call_command("create_project", *words, stdout=out, **options)
    return out.getvalue()


def test_it_makes_a_project_with_the_first_superuser_as_admin(db: None) -> None:
    chief = User.objects.create_superuser("chief", "chief@example.org", "correct horse battery")
    assert json.loads(create("Copy desk", json=True)) == {"project": "copy-desk", "name": "Copy desk"}
    assert Membership.objects.get(project__slug="copy-desk").user == chief


@pytest.mark.parametrize("username", ["", "ines"])
def test_it_refuses_in_a_sentence_without_a_superuser(db: None, username: str) -> None:
    person("ines")
    with pytest.raises(CommandError, match="There is no such superuser; make one with"):
        create("Copy desk", username=username)
    assert not Project.objects.exists()
