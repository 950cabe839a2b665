"""The rating page in a real Chromium: keys, weight, drafts, undo, a lost connection, axe. Nothing is mocked."""

import gzip
import os
import time
from collections.abc import Iterator

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Browser, Page, Request, Route, expect, sync_playwright

from evalhub.accounts.models import User
from evalhub.studies import actions
from evalhub.studies.design import ArmDesign
from evalhub.studies.models import Assignment, Flag, Rating, RatingScore, Study
from tests.accounts.test_login import PASSWORD
from tests.browser.visitor import DESK, PHONE, Visitor
from tests.conftest import logged_in
from tests.parts import chromium
from tests.studies.conftest import Maker
from tests.studies.ground import finished_run, frozen_version
from tests.studies.test_pages import at

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PATIENCE = 15_000


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


def begin(visitor: Visitor, study: Study) -> Page:
    visitor.goto(f"/p/{study.project.slug}/rate/")
    visitor.page.get_by_role("button", name=f"Begin of {study.name}").click()
    visitor.page.wait_for_selector("#rating")
    return visitor.page


def token_on(page: Page) -> str:
    return str(page.locator("#main").get_attribute("data-token"))


def stored(count: int) -> None:
    """Wait until so many ratings are there."""
    for _ in range(100):
        if Rating.objects.count() == count:
            return
        time.sleep(0.1)
    raise AssertionError(f"{Rating.objects.count()} ratings, not {count}")


def test_eight_digits_and_enter_store_an_item_and_show_the_next(come_in, study: Study, expert: User) -> None:
    noor = come_in(expert)
    page = begin(noor, study)
    first = token_on(page)
    height = page.locator(".rubric").bounding_box()["height"]
    noor.press(*"89790758")
    expect(page.locator("[data-count]").first).to_have_text("8 of 8 scored")
    assert page.locator(".rubric").bounding_box()["height"] == height  # nothing moves under the hand
    noor.press("Enter")
    expect(page.locator("#undo")).to_be_visible()
    assert token_on(page) != first
    values = RatingScore.objects.order_by("criterion__position", "position").values_list("value", flat=True)
    assert list(values) == [8, 9, 7, 9, 10, 7, 5, 8]
    assert Rating.objects.get().active_seconds is not None
    assert page.locator("#rating :checked:not([name=shown])").count() == 0


def test_it_is_light_to_load_and_lighter_to_go_on(come_in, study: Study, expert: User) -> None:
    noor = come_in(expert)
    page = begin(noor, study)
    context = page.context.browser.new_context(viewport=DESK)  # an empty cache
    context.add_cookies(page.context.cookies())
    cold, requests = context.new_page(), []

    def note(request: Request) -> None:  # Playwright marks what it is given; a built-in method cannot be marked
        requests.append(request)

    cold.on("requestfinished", note)
    cold.goto(page.url)
    cold.wait_for_load_state("networkidle")
    assert len(requests) <= 12, [r.url for r in requests]
    assert sum(map(compressed, requests)) <= 150_000
    before = len(requests)
    for key in "89798758":
        cold.keyboard.press(key)
    cold.keyboard.press("Enter")
    expect(cold.locator("#undo")).to_be_visible()
    cold.wait_for_load_state("networkidle")
    assert sum(map(compressed, requests[before:])) <= 20_000
    context.close()


def compressed(request: Request) -> int:
    """Bytes of an answer as a server with compression sends it: fonts are compressed already."""
    body = request.response().body() if request.response() else b""
    return len(body if request.url.endswith("woff2") else gzip.compress(body, 6)) + 300  # about its headers


def test_missing_scores_are_named_beside_the_button(come_in, study: Study, expert: User) -> None:
    noor = come_in(expert)
    page = begin(noor, study)
    noor.press(*"89798", "Enter")
    expect(page.locator("#say")).to_contain_text("3 scores are missing: Quality B, Style A and Style B")
    assert page.locator(".score[data-missing]").count() == 3
    page.wait_for_timeout(900)  # the draft is saved meanwhile, and does not hide the sentence
    expect(page.locator("#say")).to_contain_text("3 scores are missing")
    noor.look("rating page with missing scores")
    noor.press(*"758", "Enter")
    stored(1)


def type_keys(page: Page, *keys: str) -> None:
    """At once, whatever is on the screen."""
    for key in keys:
        page.keyboard.press(key)


class Held:
    """Requests that a route keeps back until they are let go."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def hold(self, route: Route) -> None:
        self.routes.append(route)

    def wait(self, page: Page) -> None:
        """Until there is one, for ten seconds at most."""
        for _ in range(500):
            if self.routes:
                return
            page.wait_for_timeout(20)
        raise AssertionError("Nothing was asked for.")

    def let_go(self) -> None:
        for route in self.routes:
            route.continue_()


def test_keys_pressed_before_the_script_has_come_are_not_lost(come_in, study: Study, expert: User) -> None:
    address, noor = begin(come_in(expert), study).url, come_in(expert)
    page, held = noor.page, Held()
    page.route("**/rate*.js", held.hold)
    page.goto(address, wait_until="commit")
    page.wait_for_selector("#rating")
    noor.until_painted()
    held.wait(page)
    assert page.locator("#keyhint").is_hidden()  # the script is not there yet
    type_keys(page, *"897")
    held.let_go()
    expect(page.locator("[data-count]").first).to_have_text("3 of 8 scored")


def test_keys_pressed_before_anything_is_shown_score_nothing(come_in, study: Study, expert: User) -> None:
    """While the stylesheets are on their way nothing can be read, and whoever types on has not read it either."""
    address = begin(come_in(expert), study).url
    page, held = come_in(expert).page, Held()
    page.route(lambda url: url.endswith("/studies.css"), held.hold)
    page.goto(address, wait_until="commit")
    held.wait(page)
    while page.evaluate("typeof earlyKeys") == "undefined":
        page.wait_for_timeout(20)
    type_keys(page, *"1234")
    held.let_go()
    expect(page.locator("#say")).to_contain_text("Keys typed before this item was shown are not counted")
    page.wait_for_timeout(500)
    type_keys(page, *"897")
    expect(page.locator("[data-count]").first).to_have_text("3 of 8 scored")
    assert page.locator(".score :checked").evaluate_all("found => found.map((one) => one.value)") == ["8", "9", "7"]


def test_arrows_move_by_one_cell_and_one_row(come_in, study: Study, expert: User) -> None:
    noor = come_in(expert)
    page = begin(noor, study)
    cells = [f"{criterion} {answer}" for criterion in ("Accuracy", "Relevance", "Quality", "Style") for answer in "AB"]

    def active() -> str:
        return str(page.locator(".score[data-active]").get_attribute("data-name"))

    moves = {"ArrowRight": 1, "ArrowDown": 3, "ArrowLeft": 2, "ArrowUp": 0}
    for key, place in moves.items():
        noor.press(key)
        assert active() == cells[place]


def test_keys_pressed_while_an_item_is_on_its_way_score_nothing(come_in, study: Study, expert: User) -> None:
    noor = come_in(expert)
    page = begin(noor, study)
    first = token_on(page)

    def slow(route: Route) -> None:
        time.sleep(1)
        route.continue_()

    page.route("**/submit/", slow)
    noor.press(*"89798758", "Enter", *"111")
    page.wait_for_selector(f"#main:not([data-token='{first}'])")
    expect(page.locator("[data-count]").first).to_have_text("0 of 8 scored")
    assert sorted(RatingScore.objects.values_list("value", flat=True)) == [5, 7, 7, 8, 8, 8, 9, 9]
    assert page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('rating:'))") == []


def test_who_types_on_without_a_pause_scores_nothing_that_was_not_seen(come_in, study: Study, expert: User) -> None:
    """Else some keys would be lost on the way, and the others would belong to other cells than was meant."""
    noor = come_in(expert)
    page = begin(noor, study)
    first = token_on(page)
    held = Held()
    page.route("**/submit/", held.hold)
    noor.press("Shift")  # from now on the page knows that it is shown
    page.clock.install()
    page.clock.pause_at(page.evaluate("Date.now() + 1000"))  # no time passes between keys, however busy the machine
    type_keys(page, *"89798758", "Enter", *"333")
    held.wait(page)
    held.let_go()
    page.wait_for_selector(f"#main:not([data-token='{first}'])")
    type_keys(page, *"333")
    expect(page.locator("#say")).to_contain_text("Keys typed before this item was shown are not counted")
    page.clock.run_for(500)
    type_keys(page, *"897")
    expect(page.locator("[data-count]").first).to_have_text("3 of 8 scored")


def test_a_draft_is_there_after_a_reload_and_in_another_window(come_in, study: Study, expert: User) -> None:
    noor = come_in(expert)
    page = begin(noor, study)
    noor.press(*"897", "c")
    page.keyboard.type("half way")
    expect(page.locator("[data-saved]")).to_contain_text("draft saved")
    page.reload()
    expect(page.locator("[data-count]").first).to_have_text("3 of 8 scored")
    expect(page.locator("[name=comment]")).to_have_value("half way")
    other = come_in(expert)
    other.goto(page.url.removeprefix(other.root))
    expect(other.page.locator("[name=comment]")).to_have_value("half way")
    assert token_on(other.page) == token_on(page)


def test_undo_within_ten_seconds_and_the_history(come_in, study: Study, expert: User) -> None:
    noor = come_in(expert)
    page = begin(noor, study)
    first = token_on(page)
    noor.press(*"89798758", "Enter")
    expect(page.locator("#undo")).to_be_visible()
    noor.press("u")
    page.wait_for_selector(f"#main[data-token='{first}']")
    assert not Rating.objects.exists()
    expect(page.locator("[data-count]").first).to_have_text("8 of 8 scored")
    noor.press("Enter")
    stored(1)
    page.wait_for_selector(f"#main:not([data-token='{first}'])")
    noor.press("[")
    page.wait_for_selector(f"#main[data-token='{first}'][data-revision='1']")
    noor.look("a rating of one's own")
    noor.press("1", "Enter")
    stored(2)
    assert Rating.objects.get(is_current=True).number == 2
    page.wait_for_selector("#main[data-revision='0']")


def test_skip_flag_guidelines_keys_and_differences(come_in, study: Study, expert: User) -> None:
    noor = come_in(expert)
    page = begin(noor, study)
    first = token_on(page)
    noor.press("g")
    noor.look("rating page with guidelines")
    noor.press("Escape", "d")
    assert page.locator("mark.only").count() > 0
    assert page.locator("ins, del").count() == 0  # one neutral colour: neither side is the good one
    noor.press("?")
    noor.look("the keys")
    noor.press("Escape", "f")
    page.keyboard.type("The input is cut off")  # the field has the focus: letters are letters
    noor.look("the flag dialog")
    page.get_by_role("button", name="Store the flag").click()
    page.wait_for_selector("dialog#flag:not([open])", state="attached")
    assert Flag.objects.get().text == "The input is cut off"
    noor.press("s")
    page.get_by_label("I cannot tell").check()
    noor.look("the skip dialog")
    page.get_by_role("button", name="Skip the item").click()
    page.wait_for_selector(f"#main:not([data-token='{first}'])")
    assert Assignment.objects.get(token=first).skip_reason == "cannot-tell"


def test_a_lost_connection_loses_nothing_and_doubles_nothing(come_in, study: Study, expert: User) -> None:
    noor = come_in(expert)
    page = begin(noor, study)
    first = token_on(page)
    page.context.set_offline(True)
    noor.press(*"89798758", "Enter")
    expect(page.locator("#offline")).to_be_visible()
    noor.press("Enter", "Enter")
    assert not Rating.objects.exists()
    page.context.set_offline(False)
    page.wait_for_selector(f"#main:not([data-token='{first}'])", timeout=PATIENCE)
    expect(page.locator("#offline")).to_be_hidden()
    stored(1)
    noor.troubles[:] = [t for t in noor.troubles if "ERR_INTERNET_DISCONNECTED" not in t]


def test_a_submit_that_never_arrived_is_replayed_after_a_crash_of_the_window(
    come_in, study: Study, expert: User
) -> None:
    noor = come_in(expert)
    page = begin(noor, study)
    page.context.set_offline(True)
    noor.press(*"89798758")
    page.wait_for_timeout(700)
    address = page.url
    page.close()
    noor.page = page = noor.page.context.new_page()
    page.context.set_offline(False)
    page.goto(address)
    expect(page.locator("[data-count]").first).to_have_text("8 of 8 scored")
    noor.press("Enter")
    stored(1)
    noor.troubles[:] = [t for t in noor.troubles if "ERR_INTERNET_DISCONNECTED" not in t]


def end_sessions() -> None:
    """As an administrator, a clean-up or a change of the password does, while somebody rates."""
    Session.objects.all().delete()


def log_in_elsewhere(page: Page) -> None:
    """Log in in the tab that the banner's link opens, and come back."""
    with page.context.expect_page() as opened:
        page.locator("#lost a").click()
    other = opened.value
    other.get_by_label("E-mail or user name").fill("noor")
    other.get_by_label("Password").fill(PASSWORD)
    other.get_by_role("button", name="Log in").click()
    expect(other.get_by_role("button", name="Log out")).to_be_visible()
    other.close()
    page.bring_to_front()


def kept_in(page: Page) -> str | None:
    return page.evaluate("localStorage.getItem(`rating:${document.querySelector('#main').dataset.token}`)")


def test_a_phone_says_that_the_session_ended_wherever_one_is_on_the_page(come_in, study: Study, expert: User) -> None:
    noor = come_in(expert, PHONE)
    page = begin(noor, study)
    end_sessions()
    page.locator(".score label:visible").first.click()
    expect(page.locator("#lost")).to_be_visible()
    page.locator(".comment input").scroll_into_view_if_needed()
    assert in_sight(page, "#lost")
    assert in_sight(page, ".switch .seg")
    assert noor.troubles
    noor.troubles.clear()  # the answer 401, which the banner tells


def test_a_lost_session_loses_no_draft_and_no_submit(come_in, study: Study, expert: User) -> None:
    noor = come_in(expert)
    page = begin(noor, study)
    first = token_on(page)
    noor.press("8")
    expect(page.locator("[data-saved]")).to_contain_text("draft saved")
    assert kept_in(page) is None
    end_sessions()
    noor.press("9")
    expect(page.locator("#lost")).to_be_visible()
    noor.look("rating page, logged out")
    assert '"accuracy-B":9' in str(kept_in(page))
    page.reload()  # even the window may go: the log-in page leads back
    page.go_back()
    page.goto(f"{noor.root}/login/?next={at('rate', study)}")
    page.get_by_label("E-mail or user name").fill("noor")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_selector(f"#main[data-token='{first}']")
    expect(page.locator("[data-count]").first).to_have_text("2 of 8 scored")
    expect(page.locator("[data-saved]")).to_contain_text("draft saved")
    noor.press(*"798758")
    expect(page.locator("[data-saved]")).to_contain_text("draft saved")
    end_sessions()
    noor.press("Enter")
    expect(page.locator("#say")).to_contain_text("Not stored: log in again")
    assert not Rating.objects.exists()
    assert '"key"' in str(kept_in(page))
    assert token_on(page) == first
    log_in_elsewhere(page)  # which changes the form token as well
    page.wait_for_selector(f"#main:not([data-token='{first}'])", timeout=PATIENCE)
    expect(page.locator("#lost")).to_be_hidden()
    stored(1)
    values = RatingScore.objects.order_by("criterion__position", "position").values_list("value", flat=True)
    assert list(values) == [8, 9, 7, 9, 8, 7, 5, 8]
    assert page.evaluate(f"localStorage.getItem('rating:{first}')") is None
    expected = ("status of 401", "status of 403")  # what the page was told, and heeded
    noor.troubles[:] = [t for t in noor.troubles if not any(e in t for e in expected)]


def test_three_answers_and_the_preference_by_keyboard(come_in, make_study: Maker, admin: User, expert: User) -> None:
    study = actions.open_study(make_study(n_arms=3, ask_preference=True), by=admin)
    noor = come_in(expert)
    page = begin(noor, study)
    noor.press(*"898798758123", "Enter")
    expect(page.locator("#say")).to_contain_text("Choose which answer is better")
    noor.press("4", "9", "Enter")  # the fourth choice; there is no ninth, and no score changes
    stored(1)
    assert Rating.objects.get().preference == "tie"
    assert [int(s.value) for s in RatingScore.objects.order_by("criterion__position", "position")][-1] == 3
    noor.look("rating page with three answers")


def test_the_digit_after_the_last_score_is_the_overall_choice(
    come_in, make_study: Maker, admin: User, expert: User
) -> None:
    study = actions.open_study(make_study(ask_preference=True), by=admin)
    noor = come_in(expert)
    begin(noor, study)
    noor.press(*"897987581", "Enter")
    stored(1)
    scores = RatingScore.objects.order_by("criterion__position", "position")
    assert Rating.objects.get().preference == str(scores.filter(position=1)[0].arm_id)
    assert [int(score.value) for score in scores][-1] == 8


def test_what_is_still_missing_is_said_before_one_submits(
    come_in, make_study: Maker, admin: User, expert: User
) -> None:
    study = actions.open_study(make_study(ask_preference=True), by=admin)
    noor = come_in(expert)
    page = begin(noor, study)
    said = page.locator("[data-count]").first
    noor.press(*"8979875")
    expect(said).to_have_text("7 of 8 scored")
    noor.press("8")
    expect(said).to_have_text("8 of 8 scored · overall choice missing")
    noor.press("Enter")
    expect(page.locator("#say")).to_contain_text("Choose which answer is better")
    expect(page.locator(".prefer[data-missing]")).to_have_count(1)
    page.get_by_text("A is better").click()
    expect(said).to_have_text("8 of 8 scored")
    expect(page.locator(".prefer[data-missing]")).to_have_count(0)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_that_sticks_to_the_window_covers_what_one_enters_last(
    come_in, make_study: Maker, admin: User, expert: User, size: dict[str, int]
) -> None:
    long = dict.fromkeys(range(6), "A long answer that takes more than a line of its own. " * 8)
    version = frozen_version(make_study().project, admin, name="Long")
    arms = [ArmDesign(name, finished_run(version, admin, model=name, texts=long)) for name in ("One", "Two")]
    study = actions.create_study(
        version.dataset.project, name="Long", by=admin, arms=arms, raters=[expert], overlap=1, ask_preference=True
    )
    actions.open_study(study, by=admin)
    noor = come_in(expert, size)
    page = begin(noor, study)
    for _ in range(2):
        noor.press(*"89798758", "Enter")
        expect(page.locator("#say")).to_contain_text("Choose which answer is better")
        for part in (".prefer", ".comment input"):
            page.locator(part).scroll_into_view_if_needed()
            assert in_sight(page, part), part
        noor.press("1", "Enter")
        expect(page.locator("#undo")).to_be_visible()
        page.locator(".comment input").focus()
        assert in_sight(page, ".comment input")  # with the undo on the page
        page.locator(".comment input").blur()
    noor.look("rating page with an undo")


TOUCHED = """element => {
    const box = element.getBoundingClientRect();
    const seen = [box.top + 4, box.bottom - 4].map((y) => document.elementFromPoint(box.left + 4, y));
    return seen.every((part) => part !== null && (element.contains(part) || part.contains(element)));
}"""


def in_sight(page: Page, part: str) -> bool:
    """Whether a finger on the part's top and bottom edge would touch it, and nothing that lies over it."""
    return bool(page.locator(part).evaluate(TOUCHED))


def test_a_scale_to_a_hundred_is_typed(come_in, make_study: Maker, admin: User, expert: User) -> None:
    study = actions.open_study(make_study(scale=(0, 100)), by=admin)
    noor = come_in(expert)
    page = begin(noor, study)
    noor.look("rating page with number fields")
    for value in (45, 100, 0, 7, 88, 99, 12):
        page.keyboard.type(str(value))
        noor.press("Enter")
    page.keyboard.type("130")
    noor.press("Enter")
    expect(page.locator("#say")).to_contain_text("Style B must be a whole number from 0 to 100")
    page.locator(".score[data-active] input").fill("33")
    noor.press("Enter")
    stored(1)
    values = RatingScore.objects.order_by("criterion__position", "position").values_list("value", flat=True)
    assert list(values) == [45, 100, 0, 7, 88, 99, 12, 33]


def test_it_pleases_on_a_phone(come_in, study: Study, expert: User) -> None:
    noor = come_in(expert, PHONE)
    page = begin(noor, study)
    noor.look("rating page on a phone")
    expect(page.locator(".answer:visible")).to_have_count(1)
    page.locator(".switch label", has_text="Answer B").click()
    assert page.locator(".answer:visible").get_attribute("data-of") == "B"
    box = page.locator(".score:visible").first.bounding_box()
    assert box["height"] >= 44


def test_the_other_pages_of_the_room_please_axe(
    come_in, make_study: Maker, study: Study, admin: User, expert: User, pm: User
) -> None:
    draft = make_study(name="A draft")
    ines, noor, mara = come_in(admin), come_in(expert), come_in(pm)
    root = f"/p/{study.project.slug}"
    noor.goto(f"{root}/rate/")
    noor.look("desk")
    noor.goto(at("rate", study))
    noor.look("nothing in hand")
    noor.goto(at("guidelines", study))
    noor.look("guidelines")
    for path in ("/studies/", "/studies/new/", "/studies/import/"):
        ines.goto(root + path)
        ines.look(path)
    ines.goto(at("preview", draft))
    ines.look("preview")
    ines.goto(at("detail", study))
    ines.look("a study")
    mara.goto(at("detail", study))
    mara.look("a study, read by a PM")
    ines.goto(at("detail", draft))
    ines.page.get_by_role("link", name="Open the study").click()
    ines.look("the question before opening")
    ines.page.get_by_role("button", name="Open the study").click()
    expect(ines.page.get_by_text("is open; 2 raters can begin")).to_be_visible()
