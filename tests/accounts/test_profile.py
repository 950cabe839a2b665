"""A person's own page: name, password, keys; and the API that the keys open."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from evalhub.accounts import actions
from evalhub.accounts.models import ApiToken, Invitation, Membership, Project, Role, User
from tests.conftest import logged_in

PASSWORD, NEW = "correct horse battery", "another long passphrase"


def text(response) -> str:
    return response.content.decode()


def keyed(user: User) -> tuple[Client, str]:
    _, key = actions.create_token(user, name="test")
    return Client(headers={"Authorization": f"Token {key}"}), key


def test_it_changes_the_password_keeps_this_session_and_ends_the_others(expert) -> None:
    here, there = logged_in(expert), logged_in(expert)
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    here.post(reverse("accounts:change_password"), form)
    assert here.get(reverse("accounts:profile")).status_code == 200
    assert there.get(reverse("accounts:profile")).status_code == 302


def test_it_asks_for_the_old_password(expert) -> None:
    form = {"old_password": "wrong", "new_password1": NEW, "new_password2": NEW}
    page = logged_in(expert).post(reverse("accounts:change_password"), form)
    assert "entered incorrectly" in text(page)
    assert User.objects.get(pk=expert.pk).check_password(PASSWORD)


def test_it_saves_the_display_name(expert) -> None:
    logged_in(expert).post(reverse("accounts:profile"), {"display_name": "Noor B."})
    assert str(User.objects.get(pk=expert.pk)) == "Noor B."


def test_it_shows_a_key_once_and_keeps_its_hash_only(expert) -> None:
    client = logged_in(expert)
    page = client.post(reverse("accounts:create_token"), {"name": "laptop"})
    key = page.context["key"]
    assert key in text(page)
    assert key not in text(client.get(reverse("accounts:profile")))
    assert key not in str(ApiToken.objects.values())
    assert Client(headers={"Authorization": f"Bearer {key}"}).get("/api/v1/me/").json()["username"] == "noor"


def test_it_refuses_a_second_key_of_one_name(expert) -> None:
    client = logged_in(expert)
    client.post(reverse("accounts:create_token"), {"name": "laptop"})
    assert "already have a key named" in text(client.post(reverse("accounts:create_token"), {"name": "laptop"}))


def test_it_revokes_a_key_at_once(expert) -> None:
    client, _ = keyed(expert)
    assert client.get("/api/v1/me/").status_code == 200
    logged_in(expert).post(reverse("accounts:revoke_token", args=[ApiToken.objects.get().pk]))
    assert client.get("/api/v1/me/").status_code == 401


def test_it_notes_the_use_of_a_key_once_an_hour_and_writes_nothing_else(expert) -> None:
    client, _ = keyed(expert)
    assert client.get("/api/v1/me/").status_code == 200
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    with CaptureQueriesContext(connection) as asked:
        assert client.get("/api/v1/me/").status_code == 200
    assert [query["sql"] for query in asked if not query["sql"].startswith("SELECT")] == []
    ApiToken.objects.update(last_used_at=first - timedelta(hours=1, seconds=1))
    assert client.get("/api/v1/me/").status_code == 200
    assert ApiToken.objects.get().last_used_at >= first


def test_it_lets_nobody_revoke_another_ones_key(expert, admin) -> None:
    keyed(expert)
    token = ApiToken.objects.get()
    assert logged_in(admin).post(reverse("accounts:revoke_token", args=[token.pk])).status_code == 404
    other, _ = keyed(admin)
    assert other.delete(f"/api/v1/tokens/{token.pk}/").status_code == 404


def test_it_refuses_the_key_of_a_deactivated_person(expert) -> None:
    client, _ = keyed(expert)
    User.objects.filter(pk=expert.pk).update(is_active=False)
    assert client.get("/api/v1/me/").status_code == 401


@pytest.mark.parametrize("address", ["me/", "tokens/", "projects/", "projects/content-copy/members/"])
def test_it_answers_401_to_strangers(project, address) -> None:
    assert Client().get(f"/api/v1/{address}").status_code == 401


def test_it_keeps_the_same_policy_as_the_pages(admin, expert, pm, outsider, project) -> None:
    managed = [f"/api/v1/projects/{project.slug}/{part}/" for part in ("members", "invitations")]
    for user, entering, managing in ((admin, 200, 200), (expert, 200, 403), (pm, 200, 403), (outsider, 404, 404)):
        client, _ = keyed(user)
        assert client.get(f"/api/v1/projects/{project.slug}/").status_code == entering
        assert {client.get(address).status_code for address in managed} == {managing}


def test_it_lists_only_the_callers_projects(outsider, project) -> None:
    client, _ = keyed(outsider)
    assert [row["slug"] for row in client.get("/api/v1/projects/").json()] == ["elsewhere"]
    assert "content-copy" not in text(client.get("/api/v1/projects/content-copy/"))


def send(client: Client, method: str, address: str, **body: object):
    return getattr(client, method)(address, json.dumps(body), content_type="application/json")


def test_it_walks_an_invitation_through_the_api(admin, outsider, project) -> None:
    client, _ = keyed(admin)
    base = f"/api/v1/projects/{project.slug}"
    made = send(client, "post", f"{base}/invitations/", email="rex@example.org", role="expert")
    assert made.status_code == 201
    secret = made.json()["link"].rstrip("/").split("/")[-1]
    other, _ = keyed(outsider)
    joined = send(other, "post", "/api/v1/invitations/accept/", secret=secret)
    assert (joined.status_code, joined.json()["role"]) == (201, "expert")
    again = send(other, "post", "/api/v1/invitations/accept/", secret=secret)
    assert (again.status_code, "used" in again.json()["detail"]) == (409, True)
    member = Membership.objects.get(project=project, user=outsider)
    assert send(client, "patch", f"{base}/members/{member.pk}/", role="pm").json()["role"] == "pm"
    assert client.delete(f"{base}/members/{member.pk}/").status_code == 204
    assert other.get(f"{base}/").status_code == 404


def test_it_refuses_with_a_sentence_and_a_field(admin, expert, project) -> None:
    client, _ = keyed(admin)
    base = f"/api/v1/projects/{project.slug}"
    last = Membership.objects.get(project=project, user=admin)
    assert "without an admin" in client.delete(f"{base}/members/{last.pk}/").json()["detail"]
    known = send(client, "post", f"{base}/invitations/", email="noor@example.org", role="pm")
    assert (known.status_code, known.json()["field"]) == (409, "email")
    wrong = send(client, "post", f"{base}/invitations/", email="nothing", role="king")
    assert (wrong.status_code, set(wrong.json())) == (400, {"email", "role"})
    assert not Invitation.objects.exists()


def test_it_changes_only_what_a_patch_names(admin, project) -> None:
    client, _ = keyed(admin)
    answer = send(client, "patch", f"/api/v1/projects/{project.slug}/", hour_price="3.1000")
    assert (answer.json()["name"], answer.json()["hour_price"]) == ("Content copy", "3.1000")


def test_it_lets_only_superusers_make_projects(admin) -> None:
    client, _ = keyed(admin)
    assert send(client, "post", "/api/v1/projects/", name="Mine").status_code == 403
    chief = User.objects.create_superuser("chief", "chief@example.org", PASSWORD)
    client, _ = keyed(chief)
    assert send(client, "post", "/api/v1/projects/", name="Mine").json()["role"] == Role.ADMIN
    assert send(client, "post", "/api/v1/projects/", name="Mine", slug="mine").status_code == 409
    assert Project.objects.filter(name="Mine").count() == 1


def test_it_describes_itself(db) -> None:
    schema = Client().get("/api/schema/?format=json")
    assert schema.status_code in (200, 401, 403)
