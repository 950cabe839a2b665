"""Projects and their people: who may enter which page, invitations, roles, the last admin."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from evalhub.accounts import actions
from evalhub.accounts.models import AuditEvent, Invitation, Membership, Project, Role, User
from evalhub.errors import Refused
from tests.conftest import logged_in, member, person

MANAGED = ["accounts:members", "accounts:settings"]


def text(response) -> str:
    return response.content.decode()


def membership(project: Project, user: User) -> Membership:
    return Membership.objects.get(project=project, user=user)


@pytest.mark.parametrize("page", MANAGED)
def test_it_opens_the_managing_pages_to_admins_only(page, admin, expert, second_expert, pm, outsider, project) -> None:
    address = reverse(page, args=[project.slug])
    found = {user.username: logged_in(user).get(address) for user in (admin, expert, second_expert, pm, outsider)}
    assert {name: r.status_code for name, r in found.items()} == {
        "ines": 200, "noor": 403, "olu": 403, "mara": 403, "rex": 404,
    }  # fmt: skip
    assert "right to manage members" in text(found["mara"])
    assert project.name not in text(found["rex"])
    assert Client().get(address)["Location"].startswith(reverse("accounts:login"))


def posts(project: Project, target: Membership, invitation: Invitation) -> list[tuple[str, dict[str, str]]]:
    slug = project.slug
    return [
        (reverse("accounts:invite", args=[slug]), {"email": "x@example.org", "role": "expert"}),
        (reverse("accounts:change_role", args=[slug, target.pk]), {"role": "admin"}),
        (reverse("accounts:remove_member", args=[slug, target.pk]), {}),
        (reverse("accounts:revoke_invitation", args=[slug, invitation.pk]), {}),
        (reverse("accounts:settings", args=[slug]), {"name": "Taken over", "currency": "EUR"}),
    ]


def test_it_lets_nobody_but_an_admin_change_anything(admin, expert, pm, outsider, project) -> None:
    invitation, _ = actions.invite(project, email="new@example.org", role=Role.PM, by=admin)
    for address, form in posts(project, membership(project, expert), invitation):
        assert logged_in(expert).post(address, form).status_code == 403
        assert logged_in(pm).post(address, form).status_code == 403
        assert logged_in(outsider).post(address, form).status_code == 404
        assert Client().post(address, form).status_code == 302
    project.refresh_from_db()
    assert project.name == "Content copy"
    assert membership(project, expert).role == Role.EXPERT
    assert Invitation.objects.count() == 1


def test_it_answers_a_get_to_a_changing_address_with_405(admin, expert, project) -> None:
    invitation, _ = actions.invite(project, email="new@example.org", role=Role.PM, by=admin)
    for address, _ in posts(project, membership(project, expert), invitation)[:4]:
        assert logged_in(admin).get(address).status_code == 405


def test_it_touches_no_member_of_another_project(outsider, admin, expert, project) -> None:
    elsewhere = Project.objects.get(slug="elsewhere")
    address = reverse("accounts:remove_member", args=[elsewhere.slug, membership(project, expert).pk])
    assert logged_in(outsider).post(address).status_code == 404
    assert membership(project, expert)


def test_it_sends_each_role_to_its_own_home(admin, expert, project) -> None:
    assert logged_in(admin).get("/")["Location"] == reverse("reports:home", args=[project.slug])
    assert logged_in(expert).get("/")["Location"] == reverse("studies:desk", args=[project.slug])


def test_it_lists_projects_with_all_their_people_and_no_others(admin, expert, pm, outsider, project) -> None:
    page = text(logged_in(admin).get("/?all=1"))
    assert ">3<" in page
    assert "Elsewhere" not in page


def test_it_tells_a_person_without_project_what_to_do(db) -> None:
    assert "You are in no project" in text(logged_in(person("new")).get("/"))


def test_it_lets_superusers_make_projects_and_nobody_else(admin, project) -> None:
    chief = User.objects.create_superuser("chief", "chief@example.org", "correct horse battery")
    assert logged_in(admin).post(reverse("accounts:new_project"), {"name": "Mine"}).status_code == 403
    made = logged_in(chief).post(reverse("accounts:new_project"), {"name": "Content copy"})
    assert made["Location"] == reverse("accounts:members", args=["content-copy-2"])
    assert membership(Project.objects.get(slug="content-copy-2"), chief).role == Role.ADMIN


def test_it_counts_the_queries_of_the_members_page(admin, expert, pm, project, django_assert_max_num_queries) -> None:
    for number in range(12):
        member(project, f"rater{number}", Role.EXPERT)
    client = logged_in(admin)
    with django_assert_max_num_queries(9):
        client.get(reverse("accounts:members", args=[project.slug]))


def invite_by_page(admin: User, project: Project, email: str = "new@example.org", role: str = "expert") -> str:
    form = {"email": email, "role": role}
    response = logged_in(admin).post(reverse("accounts:invite", args=[project.slug]), form)
    return response.context["link"].removeprefix("http://testserver")


def test_it_invites_by_mail_and_by_a_link_shown_once(admin, project) -> None:
    link = invite_by_page(admin, project)
    assert link in mail.outbox[0].body
    secret = link.rstrip("/").split("/")[-1]
    assert not Invitation.objects.filter(token_hash__contains=secret).exists()
    assert secret not in text(logged_in(admin).get(reverse("accounts:members", args=[project.slug])))
    assert secret not in str(list(AuditEvent.objects.values_list("details", "target")))


def test_it_makes_an_account_from_a_link_and_logs_it_in(admin, project) -> None:
    link, client = invite_by_page(admin, project), Client()
    assert "Join “Content copy”" in text(client.get(link))
    form = {"display_name": "New One", "password1": "a fine passphrase", "password2": "a fine passphrase"}
    assert client.post(f"{link}register/", form)["Location"] == reverse("studies:desk", args=[project.slug])
    user = User.objects.get(email="new@example.org")
    assert (user.display_name, membership(project, user).role) == ("New One", Role.EXPERT)
    assert client.session["_auth_user_id"] == str(user.pk)


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"display_name": "N", "password1": "password", "password2": "password"}, "too common"),
        ({"display_name": "N", "password1": "a fine passphrase", "password2": "another"}, "The two passwords differ."),
        ({"display_name": "", "password1": "a fine passphrase", "password2": "a fine passphrase"}, "required"),
    ],
)
def test_it_says_what_is_wrong_and_makes_no_account(admin, project, form, sentence) -> None:
    link = invite_by_page(admin, project)
    assert sentence in text(Client().post(f"{link}register/", form))
    assert not User.objects.filter(email="new@example.org").exists()
    assert actions.open_invitation(link.rstrip("/").split("/")[-1])


def test_it_lets_a_person_with_an_account_join_with_it(admin, outsider, project) -> None:
    link = invite_by_page(admin, project, "rex@example.org", "pm")
    assert "Log in and join" in text(Client().get(link))
    assert "Join as rex" in text(logged_in(outsider).get(link))
    logged_in(outsider).post(f"{link}accept/")
    assert membership(project, outsider).role == Role.PM


def test_it_never_joins_on_a_get(admin, outsider, project) -> None:
    link = invite_by_page(admin, project)
    assert logged_in(outsider).get(f"{link}accept/").status_code == 405
    assert not Membership.objects.filter(project=project, user=outsider).exists()


def spend(kind: str, link: str, admin: User, outsider: User) -> None:
    invitation = Invitation.objects.get()
    if kind == "used":
        actions.accept_invitation(link.rstrip("/").split("/")[-1], user=outsider)
    elif kind == "taken back":
        actions.revoke_invitation(invitation, by=admin)
    else:
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize("kind", ["used", "taken back", "expired"])
def test_it_refuses_a_spent_link_and_says_why(kind, admin, outsider, project) -> None:
    link = invite_by_page(admin, project)
    spend(kind, link, admin, outsider)
    late = person("late")
    assert Client().get(link).status_code == 410
    assert logged_in(late).post(f"{link}accept/").status_code == 409
    form = {"display_name": "N", "password1": "a fine passphrase", "password2": "a fine passphrase"}
    assert Client().post(f"{link}register/", form).status_code == 410
    assert not Membership.objects.filter(project=project, user=late).exists()


def test_it_lasts_fourteen_days_and_replaces_an_earlier_one(admin, project) -> None:
    first, second = invite_by_page(admin, project), invite_by_page(admin, project)
    left = Invitation.objects.get().expires_at - timezone.now()
    assert timedelta(days=13, hours=23) < left <= timedelta(days=14)
    assert Client().get(first).status_code == 410
    assert Client().get(second).status_code == 200


def test_it_invites_no_member_again(admin, expert, project) -> None:
    page = logged_in(admin).post(
        reverse("accounts:invite", args=[project.slug]), {"email": "Noor@example.org", "role": "pm"}
    )
    assert "is already a member" in text(page)
    assert not mail.outbox


def test_it_keeps_the_invitation_where_the_mail_fails(admin, project, settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    form = {"email": "new@example.org", "role": "expert"}
    page = logged_in(admin).post(reverse("accounts:invite", args=[project.slug]), form)
    assert "could not be sent; pass this link on yourself" in text(page)
    assert Client().get(page.context["link"]).status_code == 200


def test_it_keeps_the_last_admin(admin, expert, project) -> None:
    address = reverse("accounts:remove_member", args=[project.slug, membership(project, admin).pk])
    page = logged_in(admin).post(address, follow=True)
    assert "would be left without an admin. Make somebody else an admin first" in text(page)
    change = reverse("accounts:change_role", args=[project.slug, membership(project, admin).pk])
    assert "would be left without an admin" in text(logged_in(admin).post(change, {"role": "pm"}, follow=True))
    assert membership(project, admin).role == Role.ADMIN


def test_it_lets_an_admin_leave_once_there_is_another(admin, expert, project) -> None:
    actions.change_role(membership(project, expert), role=Role.ADMIN, by=admin)
    client = logged_in(admin)
    address = reverse("accounts:remove_member", args=[project.slug, membership(project, admin).pk])
    assert client.post(address)["Location"] == reverse("accounts:home")
    assert client.get(reverse("accounts:members", args=[project.slug])).status_code == 404


def test_it_writes_down_who_did_what(admin, expert, project) -> None:
    actions.change_role(membership(project, expert), role=Role.PM, by=admin)
    actions.remove_member(membership(project, expert), by=admin)
    events = AuditEvent.objects.filter(project=project).values_list("verb", "actor__username", "target")
    assert set(events) == {("change role", "ines", "noor"), ("remove member", "ines", "noor")}
    assert "Changed the role of noor" in text(logged_in(admin).get(reverse("accounts:members", args=[project.slug])))


def test_it_undoes_the_event_with_the_action(admin, project) -> None:
    with transaction.atomic():
        actions.invite(project, email="new@example.org", role=Role.PM, by=admin)
        transaction.set_rollback(True)
    assert not AuditEvent.objects.exists()
    assert not Invitation.objects.exists()


def test_it_saves_the_settings_and_keeps_the_address(admin, project) -> None:
    form = {"name": "Copy desk", "description": "d", "currency": "usd", "hour_price": "2.5"}
    logged_in(admin).post(reverse("accounts:settings", args=[project.slug]), form)
    project.refresh_from_db()
    assert (project.name, project.currency, float(project.hour_price or 0)) == ("Copy desk", "USD", 2.5)
    assert project.slug == "content-copy"


@pytest.mark.parametrize("wrong", [{"hour_price": "-1"}, {"currency": "E1R"}, {"name": " "}, {"currency": "EURO"}])
def test_it_refuses_settings_that_make_no_sense(admin, project, wrong) -> None:
    form = {"name": "N", "currency": "EUR", "hour_price": "1"} | wrong
    page = logged_in(admin).post(reverse("accounts:settings", args=[project.slug]), form)
    assert page.status_code == 200
    assert 'aria-invalid="true"' in text(page)
    project.refresh_from_db()
    assert project.name == "Content copy"


def test_it_refuses_two_accounts_with_one_address_or_name(db) -> None:
    actions.create_user(username="ines", email="ines@example.org", password="a fine passphrase")
    for username, email in (("INES", "i@example.org"), ("ines2", "Ines@Example.org")):
        with pytest.raises(Refused):
            actions.create_user(username=username, email=email, password="a fine passphrase")
    with pytest.raises(Refused, match="too short"):
        actions.create_user(username="x", email="x@example.org", password="short")


def test_it_finds_a_free_user_name_for_an_invited_address(admin, project) -> None:
    member(Project.objects.create(slug="third", name="Third"), "new", Role.PM)
    link = invite_by_page(admin, project, "new@other.example")
    form = {"display_name": "N", "password1": "a fine passphrase", "password2": "a fine passphrase"}
    Client().post(f"{link}register/", form)
    assert User.objects.get(email="new@other.example").username == "new-2"
