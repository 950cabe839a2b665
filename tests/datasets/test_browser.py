"""Curating in a real Chromium, by keyboard only: approve, reject, edit, tag, undo, duplicates, others; axe."""

import os
from collections.abc import Iterator

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect, sync_playwright

from evalhub.accounts.models import Role, User
from evalhub.datasets import actions
from evalhub.datasets.models import CheckRun, Dataset, Example, Flag
from tests.browser.visitor import DESK, PHONE, Visitor
from tests.conftest import logged_in, member
from tests.parts import chromium

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TEXTS = "The weekly ship is a short memo that a team sends its partners."


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's loop lives in the thread of the tests
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield started
        started.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def come_in(browser: Browser, live_server, settings):
    """A window in which `user` is logged in; at the end it must have met no trouble."""
    visitors: list[Visitor] = []

    def enter(user: User, viewport: dict[str, int] = DESK) -> Visitor:
        context = browser.new_context(viewport=viewport)
        cookie = logged_in(user).cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
        visitors.append(Visitor(context.new_page(), live_server.url, user.username))
        return visitors[-1]

    yield enter
    for context in browser.contexts:
        context.close()
    assert not [trouble for visitor in visitors for trouble in visitor.troubles]


@pytest.fixture
def proposals(dataset: Dataset, admin: User) -> list[Example]:
    """Six proposals; the last two are near duplicates of each other."""
    values = [
        {"instruction": "Write a title.", "input": f"Text {n}", "output": f"Title {n}. {TEXTS}"} for n in range(6)
    ]
    origin = {"study": "round-2", "arm": "adapter", "rater": "P-3", "answer": f"Titles 0. {TEXTS}"}
    found = [actions.propose_example(dataset, by=admin, values=each, origin=origin) for each in values]
    run = CheckRun.objects.create(dataset=dataset, created_by=admin, read_at=timezone.now())
    Flag.objects.bulk_create(Flag(run=run, example=twin, kind="near", group=1) for twin in found[4:])
    return found


def begun(visitor: Visitor, dataset: Dataset) -> Visitor:
    """At the first proposal, by keyboard."""
    visitor.goto(f"/p/{dataset.project.slug}/data/{dataset.slug}/review/")
    visitor.press("Enter")
    visitor.page.wait_for_selector("[data-hold]")
    return visitor


def at(visitor: Visitor, example: Example) -> None:
    """Wait until the review has come to `example`."""
    visitor.page.wait_for_url(f"**/review/{example.pk}/**")
    visitor.page.wait_for_load_state()


def states(found: list[Example]) -> str:
    """The examples' states by their first letters."""
    kept = dict(Example.objects.values_list("pk", "state"))
    return "".join(kept[example.pk][0] for example in found)


def test_a_curator_reviews_by_keyboard_alone(come_in, dataset: Dataset, proposals: list[Example], admin: User) -> None:
    ines = begun(come_in(admin), dataset)
    at(ines, proposals[0])
    ines.press("a")
    at(ines, proposals[1])
    ines.press("r")
    ines.page.keyboard.type("too plain, a real reason")
    ines.press("Enter")
    at(ines, proposals[2])
    assert states(proposals) == "arpppp"
    assert proposals[1].changes.get().change.reason == "too plain, a real reason"

    ines.press("e")
    expect(ines.page.locator("#editing [name=output]")).to_be_focused()
    ines.press("Control+End")
    ines.page.keyboard.type(" Better.")
    ines.press("Control+Enter")
    expect(ines.page.locator("ins")).to_have_text("Better.")
    ines.press("t")
    ines.page.keyboard.type("checked")
    ines.press("Enter")
    expect(ines.page.locator(".head .chip", has_text="checked")).to_be_visible()
    proposals[2].refresh_from_db()
    assert (proposals[2].revision_number, proposals[2].tags) == (3, ["checked"])
    assert proposals[2].output.endswith("Better.")

    ines.press("j")
    at(ines, proposals[3])
    ines.press("ArrowLeft")
    at(ines, proposals[2])
    ines.press("ArrowRight")
    at(ines, proposals[3])
    ines.press("a")
    at(ines, proposals[4])
    ines.press("u")
    at(ines, proposals[3])
    assert states(proposals) == "arpppp"


def test_of_two_duplicates_one_key_keeps_one(come_in, dataset: Dataset, proposals: list[Example], admin: User) -> None:
    ines = begun(come_in(admin), dataset)
    for _ in range(4):
        was = ines.page.url
        ines.press("j")
        ines.page.wait_for_function("was => location.href !== was", arg=was)
        ines.page.wait_for_load_state()
    at(ines, proposals[4])
    expect(ines.page.get_by_role("heading", name="2 alike")).to_be_visible()
    ines.look("review of near duplicates")
    ines.press("1")
    expect(ines.page.locator(".alike .badge", has_text="Rejected")).to_have_count(1)
    assert states(proposals) == "pppppr"
    assert proposals[5].changes.get().change.reason == f"Duplicate of {proposals[4]}"


@pytest.mark.parametrize("viewport", [DESK, PHONE])
def test_the_one_to_keep_is_chosen_without_scrolling(
    come_in, dataset: Dataset, proposals: list[Example], admin: User, viewport: dict[str, int]
) -> None:
    for twin in proposals[4:]:
        actions.edit_example(twin, by=admin, values={"input": f"{twin.pk} {TEXTS * 60}", "output": TEXTS * 30})
    CheckRun.objects.update(read_at=timezone.now())  # as if it had read them so
    ines = come_in(admin, viewport)
    ines.goto(f"/p/{dataset.project.slug}/data/{dataset.slug}/review/{proposals[4].pk}/?state=proposed")
    choice = ines.page.get_by_role("button", name="Keep this one")
    for button in choice.all() if viewport is DESK else [choice.first]:
        expect(button).to_be_in_viewport()
    ines.look(f"review of long duplicates, {viewport['width']}")
    choice.first.click()
    expect(choice).to_have_count(0)  # nothing is left to choose between
    assert states(proposals) == "pppppr"


@pytest.mark.parametrize("width", [360, 640, 900, 1024, 1440])
def test_the_page_stands_still_while_a_reason_is_given(
    come_in, dataset: Dataset, proposals: list[Example], admin: User, width: int
) -> None:
    actions.edit_example(proposals[0], by=admin, values={"input": TEXTS * 60, "output": TEXTS * 60})
    ines = come_in(admin, {"width": width, "height": 700})
    ines.goto(f"/p/{dataset.project.slug}/data/{dataset.slug}/review/{proposals[0].pk}/?state=proposed")
    ines.page.evaluate("scrollTo(0, 300)")
    ines.press("r")
    expect(ines.page.locator("#why")).to_be_focused()
    ines.page.keyboard.type("dull")
    assert ines.page.evaluate("scrollY") == 300


def test_a_key_that_can_do_nothing_says_why(come_in, dataset: Dataset, proposals: list[Example], project) -> None:
    uma = member(project, "uma", Role.ADMIN)
    home, said = f"/p/{project.slug}/data/{dataset.slug}/review", "#said"
    actions.approve(proposals[0], by=dataset.created_by)
    actions.reject(proposals[1], by=dataset.created_by)
    visitor = come_in(uma)
    for example, key, words in (
        (0, "a", "approved already"), (0, "x", "approved already"), (0, "u", "no fresh change of yours"),
        (0, "2", "no such choice"), (1, "r", "rejected already"), (2, "x", "Press a to approve"),
    ):  # fmt: skip
        visitor.goto(f"{home}/{proposals[example].pk}/?all")
        visitor.press(key)
        expect(visitor.page.locator(said)).to_contain_text(words)
        expect(visitor.page.locator(said)).to_be_in_viewport()
    visitor.look("a key that says why")
    assert states(proposals) == "arpppp"


def test_two_curators_never_get_the_same_example(
    come_in, project, dataset: Dataset, proposals: list[Example], admin: User
) -> None:
    uma = member(project, "uma", Role.ADMIN)
    first, second = begun(come_in(admin), dataset), begun(come_in(uma), dataset)
    at(first, proposals[0])
    at(second, proposals[1])
    second.goto(f"/p/{project.slug}/data/{dataset.slug}/review/{proposals[0].pk}/?state=proposed")
    expect(second.page.locator("#held")).to_contain_text("ines is looking at this one")
    first.press("a")
    at(first, proposals[2])  # the second has, or had, the one between
    second.press("a")
    expect(second.page.get_by_text("Somebody else decided about this example")).to_be_visible()
    assert states(proposals)[0] == "a"


def test_a_held_key_decides_about_one_example(come_in, dataset: Dataset, proposals: list[Example], admin: User) -> None:
    ines = begun(come_in(admin), dataset)
    ines.page.keyboard.down("a")
    for _ in range(8):
        ines.page.keyboard.down("a")  # what a keyboard sends while a key is held
    ines.page.keyboard.up("a")
    at(ines, proposals[1])
    assert states(proposals) == "appppp"


def test_the_pages_are_sound_in_both_themes(come_in, dataset: Dataset, proposals: list[Example], admin: User) -> None:
    ines = come_in(admin)
    home = f"/p/{dataset.project.slug}/data/{dataset.slug}"
    actions.decide_many(dataset, pks=[proposals[0].pk, proposals[1].pk], approving=False, by=admin, reason="dull")
    actions.comment(proposals[2], by=admin, text="Is this so?")
    proposal = proposals[2].pk
    for path in (
        "/examples/", "/examples/?q=memo&flag=near&min=2&sort=-length", "/changes/", "/review/",
        f"/review/{proposal}/?state=proposed", f"/review/{proposal}/?state=proposed&edit", f"/examples/{proposal}/",
        "/examples/change/?verb=reject&reason=dull&query=state%3Dproposed",
    ):  # fmt: skip
        ines.goto(home + path)
        ines.look(path)
