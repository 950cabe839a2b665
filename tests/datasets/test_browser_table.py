"""The table of examples in a real Chromium: what htmx swaps, the page's policy lets pass without a word."""

import pytest
from playwright.sync_api import expect

from evalhub.accounts.models import User
from evalhub.datasets.models import Dataset, Example
from tests.datasets.test_browser import browser, come_in, proposals  # noqa: F401  (fixtures)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_filters_are_swapped_without_a_word_in_the_console(
    come_in,  # noqa: F811
    proposals: list[Example],  # noqa: F811
    dataset: Dataset,
    admin: User,
) -> None:
    me = come_in(admin)
    me.page.on("console", lambda message: me.trouble(f"console: {message.type}: {message.text}"))
    me.goto(f"/p/{dataset.project.slug}/data/{dataset.slug}/examples/")
    expect(me.page.locator(".matching")).to_have_text("6 examples.")
    me.page.locator("#state").select_option("approved")
    expect(me.page.get_by_role("heading", name="No example matches")).to_be_visible()
    me.page.locator("#state").select_option("proposed")
    expect(me.page.locator(".matching")).to_have_text("6 of 6 match.")
    me.page.locator("#q").fill("3")
    me.press("Enter")
    expect(me.page.locator(".matching")).to_have_text("1 of 6 matches.")
    me.page.go_back()
    expect(me.page.locator(".matching")).to_have_text("6 of 6 match.")
