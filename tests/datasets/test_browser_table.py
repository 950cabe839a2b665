"""The table of examples in a real Chromium: what htmx swaps, the page's policy lets pass without a word."""

import re

import pytest
from playwright.sync_api import expect

from evalhub.accounts.models import User
from evalhub.datasets import actions
from evalhub.datasets.models import Dataset, Example
from evalhub.jobs.models import Job
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


def test_what_is_ticked_goes_to_be_checked_and_readiness_leads_to_its_rows(
    come_in,  # noqa: F811
    proposals: list[Example],  # noqa: F811
    dataset: Dataset,
    admin: User,
) -> None:
    me = come_in(admin)
    me.goto(f"/p/{dataset.project.slug}/data/{dataset.slug}/examples/")
    for tick in me.page.locator("td.tick input").all()[:2]:
        tick.check()
    me.look("table with a check of what is ticked")
    me.page.get_by_role("button", name="Check", exact=True).click()
    expect(me.page).to_have_url(re.compile(r"/jobs/\d+/$"))
    assert Job.objects.get().options["filter"] == f"ids={proposals[0].pk},{proposals[1].pk}"
    dataset.examples.update(state=Example.State.APPROVED)
    actions.check_examples(dataset, by=admin)
    me.goto(f"/p/{dataset.project.slug}/data/{dataset.slug}/")
    me.look("readiness with its links")
    me.page.locator("#ready li", has_text="Without a source document").get_by_role("link", name="Show them").click()
    expect(me.page.locator(".matching")).to_have_text("6 of 6 match.")
