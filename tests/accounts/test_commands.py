"""The commands of this room."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client

from evalhub.accounts import actions
from evalhub.accounts.models import AuditEvent, Membership, Project, User
from tests.conftest import logged_in, person


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


def add(*words: str) -> dict[str, object]:
    out = StringIO()
    call_command("add_member", *words, "--project=content-copy", "--json", stdout=out)
    answer: dict[str, object] = json.loads(out.getvalue())
    return answer


def test_it_makes_a_person_a_member_once(project: Project, admin: User) -> None:
    user = person("olu")
    for name in ("olu", "OLU@example.org"):
        answer = add(name, "--role=expert")
        assert answer == {"project": "content-copy", "user": "olu", "role": "expert", "member": True}
    assert project.memberships.get(user=user).role == "expert"
    assert AuditEvent.objects.get(verb="add member").actor == admin
    with pytest.raises(CommandError, match="olu is already a member, as Expert"):
        add("olu", "--role=pm")


def test_it_invites_who_has_no_account_by_a_link_that_works(project: Project, admin: User, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    with pytest.raises(CommandError, match="There is no account “mara”; --email ADDRESS invites the person"):
        add("mara", "--role=pm")
    answer = add("mara", "--role=pm", "--email=mara@example.org")
    assert (answer["member"], answer["email"], answer["sent"]) == (False, "mara@example.org", False)
    path = str(answer["link"]).removeprefix(settings.BASE_URL)
    assert Client().get(path).status_code == 200
    joined = actions.register_and_accept(
        path.rstrip("/").rpartition("/")[2], display_name="Mara", password="a long word"
    )
    assert (joined.user.username, joined.role) == ("mara", "pm")
    with pytest.raises(CommandError, match="“nobody” is not an e-mail address"):
        add("zoe", "--role=pm", "--email=nobody")


def test_people_read_who_was_let_in(project: Project, admin: User, capsys: pytest.CaptureFixture[str]) -> None:
    person("olu")
    call_command("add_member", "olu", "--project=content-copy", "--role=expert")
    assert capsys.readouterr().out == "olu is a member of Content copy, as Expert.\n"
    call_command("add_member", "mara", "--project=content-copy", "--role=pm", "--email=mara@example.org")
    assert "mara@example.org is invited to Content copy, as PM." in capsys.readouterr().out


@pytest.mark.parametrize("slug", ["My copy", "a/b", "ä", "new", "x" * 81, "a\n"])
def test_a_project_whose_short_name_fits_no_address_is_refused(slug: str, db: None) -> None:
    chief = User.objects.create_superuser("chief", "chief@example.org", "correct horse battery")
    with pytest.raises(CommandError, match=r"address|at most 80"):
        create("My copy", slug=slug)
    assert not Project.objects.exists()
    assert logged_in(chief).get("/", follow=True).status_code == 200


def test_the_database_refuses_such_a_name_too(project: Project) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Project.objects.filter(pk=project.pk).update(slug="My copy")
