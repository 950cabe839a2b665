"""Signing in and out, slowly for those who guess; forgotten passwords; links that lead nowhere else."""

import re

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from evalhub.accounts.lockout import SECONDS, TRIES, TRIES_FROM_ANYWHERE, client_address, count_failure, tries_left
from evalhub.accounts.models import Project, User

PASSWORD = "correct horse battery"


def sign_in(client: Client, name: str, password: str = PASSWORD, **query: str):
    return client.post(reverse("accounts:login"), {"username": name, "password": password, **query})


def text(response) -> str:
    return response.content.decode()


@pytest.mark.parametrize("name", ["ines", "ines@example.org", "INES@Example.org"])
def test_it_takes_the_user_name_or_the_address_in_any_case(admin: User, name: str) -> None:
    assert sign_in(Client(), name).status_code == 302


def test_it_says_how_many_tries_are_left_and_keeps_the_name(admin: User) -> None:
    page = text(sign_in(Client(), "ines", "wrong"))
    assert "That name and password do not match. Four tries are left." in page
    assert 'value="ines"' in page
    assert "wrong" not in page


def test_it_closes_the_door_after_five_wrong_tries_even_for_the_right_password(admin: User) -> None:
    client = Client()
    for _ in range(TRIES):
        sign_in(client, "ines", "wrong")
    page = sign_in(client, "ines")
    assert page.status_code == 200
    assert "Too many wrong tries" in text(page)
    assert "_auth_user_id" not in client.session


def test_it_closes_the_door_for_unknown_names_in_the_same_words(admin: User) -> None:
    known, unknown = Client(), Client()
    pages = [[text(sign_in(c, name, "wrong")) for _ in range(6)] for c, name in ((known, "ines"), (unknown, "nobody"))]
    sentences = [[re.search(r"(That name[^<]*|Too many[^<]*)", page).group(1) for page in tries] for tries in pages]
    assert sentences[0] == sentences[1]


def test_it_lets_the_owner_in_from_elsewhere_while_one_address_guesses(admin: User) -> None:
    guesser, owner = Client(REMOTE_ADDR="203.0.113.9"), Client(REMOTE_ADDR="198.51.100.7")
    for _ in range(TRIES + 1):
        sign_in(guesser, "ines", "wrong")
    assert sign_in(owner, "ines").status_code == 302


def test_it_closes_the_door_for_everybody_after_fifty_tries_from_many_addresses(admin: User) -> None:
    for number in range(TRIES_FROM_ANYWHERE):
        count_failure("ines", f"203.0.113.{number}")
    assert tries_left("ines", "198.51.100.7") == 0
    assert SECONDS <= 3600


def test_it_forgets_failures_after_a_success(admin: User) -> None:
    client = Client()
    sign_in(client, "ines", "wrong")
    sign_in(client, "ines")
    assert tries_left("ines", "127.0.0.1") == TRIES


def test_it_counts_failures_at_the_django_admin_too(admin: User) -> None:
    client = Client()
    for _ in range(TRIES):
        client.post("/django-admin/login/", {"username": "ines", "password": "wrong"})
    assert sign_in(client, "ines").status_code == 200


def test_it_believes_forwarded_addresses_only_of_trusted_proxies(rf, settings) -> None:
    request = rf.get("/", headers={"X-Forwarded-For": "6.6.6.6, 198.51.100.7"}, REMOTE_ADDR="10.0.0.1")
    assert client_address(request) == "10.0.0.1"
    settings.PROXIES = 1
    assert client_address(request) == "198.51.100.7"


def test_it_gives_a_new_session_at_the_log_in(admin: User) -> None:
    client = Client()
    client.get(reverse("accounts:login"))
    session = client.session
    session["planted"] = "by somebody else"
    session.save()
    planted = session.session_key
    client.cookies["sessionid"] = planted
    sign_in(client, "ines")
    assert client.session.session_key != planted


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_it_follows_no_link_to_another_host(admin: User, address: str) -> None:
    assert sign_in(Client(), "ines", next=address)["Location"] == reverse("accounts:home")


def test_it_goes_on_to_the_page_that_was_asked_for(admin: User, project: Project) -> None:
    client = Client()
    wanted = reverse("accounts:members", args=[project.slug])
    assert client.get(wanted)["Location"] == f"{reverse('accounts:login')}?next={wanted}"
    assert sign_in(client, "ines", next=wanted)["Location"] == wanted


@pytest.mark.parametrize(
    ("referer", "following"),
    [
        ("http://testserver/p/content-copy/data/?q=deck#x", "/p/content-copy/data/%3Fq%3Ddeck"),
        ("https://evil.example/p/", ""), ("", ""),
    ],
)  # fmt: skip
def test_it_leads_a_form_sent_too_late_back_to_the_page_that_it_stood_on(project: Project, referer, following) -> None:
    form, log_in = reverse("datasets:create", args=[project.slug]), reverse("accounts:login")
    sent = Client().post(form, headers={"Referer": referer})
    assert sent["Location"] == (f"{log_in}?next={following}" if following else log_in)


def test_it_logs_out_by_a_button_never_by_a_link(admin: User) -> None:
    client = Client()
    client.force_login(admin)
    assert client.get(reverse("accounts:logout")).status_code == 405
    client.post(reverse("accounts:logout"))
    assert "_auth_user_id" not in client.session


def test_it_keeps_a_deactivated_person_out(admin: User) -> None:
    User.objects.filter(pk=admin.pk).update(is_active=False)
    assert sign_in(Client(), "ines").status_code == 200


def test_it_sends_a_reset_link_that_works_once(admin: User) -> None:
    client = Client()
    client.post(reverse("accounts:password_reset"), {"email": "ines@example.org"})
    assert mail.outbox[0].to == ["ines@example.org"]
    link = re.search(r"http://testserver(\S+)", mail.outbox[0].body).group(1)
    page = client.get(link, follow=True)
    new = "another long passphrase"
    form = page.redirect_chain[-1][0]
    assert client.post(form, {"new_password1": new, "new_password2": new}).status_code == 302
    assert sign_in(Client(), "ines", new).status_code == 302
    assert "This link no longer works" in text(Client().get(link, follow=True))


def test_it_says_the_same_for_an_address_without_an_account(admin: User) -> None:
    pages = [
        Client().post(reverse("accounts:password_reset"), {"email": address}, follow=True)
        for address in ("ines@example.org", "nobody@example.org")
    ]
    told = [re.sub(r'"X-CSRFToken": "\w+"', "", text(page)) for page in pages]
    assert told[0] == told[1]
    assert len(mail.outbox) == 1


def test_it_says_where_the_letter_is_if_the_server_sends_none(db: None, settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert "This server sends no mail yet" in text(Client().get(reverse("accounts:password_reset_sent")))


def test_it_refuses_a_form_without_its_token(admin: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    response = strict.post(reverse("accounts:login"), {"username": "ines", "password": PASSWORD})
    assert response.status_code == 403
    assert "This form was too old" in text(response)
