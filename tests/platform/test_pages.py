"""Every page of every room, for every role: nothing inline, the policy on it, and no page for strangers."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from evalhub.accounts.models import Project
from evalhub.errors import Refused
from tests.conftest import logged_in

OPEN_TO_ALL = {"accounts:login", "accounts:password_reset", "accounts:password_reset_sent",
               "accounts:password_reset_complete"}  # fmt: skip
POLICY = ("default-src 'self'", "script-src 'self'", "style-src 'self'", "object-src 'none'", "frame-ancestors 'none'")


class Inline(HTMLParser):
    """Collects what the policy forbids: inline scripts, styles and handlers, and foreign hosts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in given and given.get("type") != "application/json"):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name == "style" or name.startswith(("on", "hx-on")) or (value or "").startswith("javascript:"):
                self.found.append(f"{tag} {name}={value}")
            if (
                tag in ("script", "link", "img", "iframe")
                and name in ("src", "href")
                and (value or "").startswith(("http:", "https:", "//"))
            ):
                self.found.append(f"{tag} {name}={value}")


def routes(patterns: list[Any], space: str = "") -> Iterator[tuple[str, set[str]]]:
    """(name, arguments) of every page that is named in a room's urls."""
    for entry in patterns:
        if isinstance(entry, URLResolver) and not str(entry.pattern).startswith(("api/", "django-admin")):
            yield from routes(entry.url_patterns, entry.namespace or space)
        elif isinstance(entry, URLPattern) and entry.name and space:
            yield f"{space}:{entry.name}", set(entry.pattern.regex.groupindex)


ALL = dict(routes(get_resolver().url_patterns))
OF_PROJECT = sorted(name for name, arguments in ALL.items() if arguments == {"project_slug"})
OF_PERSON = sorted(name for name, arguments in ALL.items() if not arguments)


def inline(response: Any) -> list[str]:
    parser = Inline()
    parser.feed(response.content.decode())
    return parser.found


def is_page(response: Any) -> bool:
    return response.status_code != 405 and response.headers.get("Content-Type", "").startswith("text/html")


def test_it_knows_pages_of_every_room() -> None:
    assert {name.partition(":")[0] for name in OF_PROJECT} == {
        "accounts",
        "jobs",
        "datasets",
        "runs",
        "studies",
        "reports",
    }


@pytest.mark.parametrize("name", OF_PROJECT)
def test_it_keeps_strangers_and_outsiders_out(name: str, project: Project, outsider: Any) -> None:
    address = reverse(name, args=[project.slug])
    assert Client().get(address).status_code in (302, 405)
    answer = logged_in(outsider).get(address)
    assert answer.status_code in (404, 405)
    assert project.name.encode() not in answer.content


@pytest.mark.parametrize("name", OF_PROJECT)
def test_it_sends_each_role_a_page_with_nothing_inline(name: str, admin: Any, expert: Any, pm: Any, project) -> None:
    answers = [logged_in(user).get(reverse(name, args=[project.slug])) for user in (admin, expert, pm)]
    assert not [answer.status_code for answer in answers if answer.status_code >= 500]
    for page in filter(is_page, answers):
        assert inline(page) == []
        assert all(part in page.headers["Content-Security-Policy"] for part in POLICY)


@pytest.mark.parametrize("name", OF_PERSON)
def test_it_shows_a_persons_pages_with_nothing_inline(name: str, admin: Any) -> None:
    answers = [logged_in(admin).get(reverse(name)), Client().get(reverse(name))]
    assert name in OPEN_TO_ALL or answers[1].status_code in (302, 405)
    for page in filter(is_page, answers):
        assert inline(page) == []
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]


def test_it_shows_error_pages_in_the_same_dress(admin: Any, settings: Any) -> None:
    client = logged_in(admin)
    lost = client.get("/nothing/here/")
    assert lost.status_code == 404
    assert b"This page is not there, or not for you" in lost.content
    assert inline(lost) == []


def test_it_turns_a_bug_into_a_page_that_says_what_was_kept(admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalhub.accounts.views.projects_of", lambda user: 1 / 0)
    client = logged_in(admin)
    client.raise_request_exception = False
    broken = client.get("/")
    assert broken.status_code == 500
    assert b"everything stored before is safe" in broken.content
    assert inline(broken) == []


def refuse(*args: Any, **kwargs: Any) -> None:
    raise Refused("The disk is full.")


def test_it_turns_a_refusal_into_a_page_with_a_way_back(admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalhub.accounts.views.projects_of", refuse)
    page = logged_in(admin).get("/", headers={"Referer": "http://testserver/profile/"})
    assert page.status_code == 409
    assert b"The disk is full." in page.content
    assert b'href="http://testserver/profile/"' in page.content
    foreign = logged_in(admin).get("/", headers={"Referer": "https://evil.example/"})
    assert b"evil.example" not in foreign.content


def test_it_turns_a_refusal_into_a_note_inside_the_page(admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalhub.accounts.views.projects_of", refuse)
    note = logged_in(admin).get("/", headers={"HX-Request": "true"})
    assert (note.status_code, b"<html" in note.content, b"The disk is full." in note.content) == (409, False, True)


def test_it_sends_the_whole_page_to_the_log_in_when_a_fragment_finds_no_session(project: Project) -> None:
    answer = Client().get(reverse("accounts:members", args=[project.slug]), headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, reverse("accounts:login"))


def test_it_says_that_the_database_is_away(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import DatabaseError

    def away() -> None:
        raise DatabaseError

    monkeypatch.setattr("evalhub.health.connection.cursor", away)
    answer = client.get("/healthz", headers={"Host": "10.1.2.3"})
    assert (answer.status_code, answer.json()["status"]) == (503, "the database does not answer")


SCROLLING = re.compile(r'<\w+ class="scroll[ "][^>]*>')


def test_it_names_every_region_that_scrolls_and_lets_the_keyboard_reach_it() -> None:
    """The style that shades the edge is the class's own: whoever scrolls a table some other way shows nothing."""
    for path in sorted((settings.BASE_DIR / "templates").rglob("*.html")):
        for tag in SCROLLING.findall(path.read_text(encoding="utf-8")):
            for part in ('tabindex="0"', 'role="region"', "aria-label="):
                assert part in tag, f"{path.name}: {tag}"
