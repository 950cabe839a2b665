"""The frame in narrow windows, and tables that are wider than theirs: nothing is cut without a sign."""

import os
from collections.abc import Iterator

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect, sync_playwright

from evalhub.accounts.models import User
from tests.browser.visitor import DESK, Visitor
from tests.conftest import logged_in
from tests.parts import chromium

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NARROW = (360, 390, 600, 900, 1440)
SHADED = "element => getComputedStyle(element).backgroundAttachment.split(', ').slice(0, 4).join()"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's loop lives in the thread of the tests
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield started
        started.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def ines(browser: Browser, live_server, settings, admin: User) -> Iterator[Visitor]:
    """The admin's window; at the end it must have met no trouble."""
    context = browser.new_context(viewport=DESK)  # type: ignore[arg-type]
    cookie = logged_in(admin).cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    visitor = Visitor(context.new_page(), live_server.url, admin.username)
    yield visitor
    context.close()
    assert not visitor.troubles


def in_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    for control in (*page.locator(".mast nav a").all(), *page.locator("[data-theme-set]").all()):
        box = control.bounding_box()
        assert box, f"{control.text_content()} is not shown at {width}"
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width, f"{control.text_content()} is cut at {width}"
        assert min(box["width"], box["height"]) >= 24


def test_it_shows_every_entry_and_the_theme_switch_at_every_width(ines: Visitor, project) -> None:
    User.objects.update(display_name="A person with an uncommonly long name to be shown")
    project.name = "A project whose name is long as well, as projects' names are"
    project.save()
    ines.goto(reverse("accounts:members", args=[project.slug]))
    for width in NARROW:
        in_window(ines.page, width)
    assert ines.page.locator(".mast nav a").last.text_content() == "Members"
    ines.page.set_viewport_size({"width": 390, "height": 844})
    ines.page.get_by_role("button", name="Dark").click()
    expect(ines.page.locator("html")).to_have_attribute("data-theme", "dark")
    ines.look("members")


def test_it_shades_a_table_that_goes_on_and_lets_the_keyboard_move_it(ines: Visitor, project) -> None:
    ines.goto(reverse("accounts:members", args=[project.slug]))
    ines.page.set_viewport_size({"width": 390, "height": 844})
    table = ines.page.get_by_role("region", name="Table of members")
    assert table.evaluate("element => element.scrollWidth > element.clientWidth")
    assert table.evaluate(SHADED) == "local,local,scroll,scroll"
    table.focus()
    ines.press("ArrowRight", "ArrowRight")
    ines.page.wait_for_function("element => element.scrollLeft > 0", arg=table.element_handle())
