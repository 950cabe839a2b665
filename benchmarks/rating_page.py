"""What our rating page and Label Studio's labelling page cost on the wire, cold and when moving to the next item."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks import ours
from benchmarks.peers import label_studio
from benchmarks.results import Measure, Outcome
from benchmarks.tasks import CRITERIA
from benchmarks.wire import Meter, Traffic, browser, cold

REPEATS = 3
METHOD = (
    "One page with two texts side by side × four ratings, the same texts in both products, on loopback; a logged-in "
    "user, an empty cache, Chromium at 1440 × 900. Bytes are headers and bodies as Chromium received them, or as gzip "
    "would have sent them where that is less (the peer's own server does not compress its scripts). “Next” is "
    "everything from submitting one item to having the next one, with a warm cache; ours is submitted with eight "
    f"scores, the peer's empty. Median of {REPEATS} runs."
)


@dataclass
class Loads:
    """Repeats of one product."""

    cold: list[Traffic] = field(default_factory=list)
    following: list[Traffic] = field(default_factory=list)
    foreign: set[str] = field(default_factory=set)

    def add(self, first: Traffic, following: Traffic) -> None:
        self.cold.append(first)
        self.following.append(following)
        self.foreign.update(first.foreign, following.foreign)


def run() -> Outcome:
    """Measure ours and the peer in one browser."""
    failures: list[str] = []
    with browser() as started:
        peer = attempt("Label Studio", lambda: measure_peer(started), failures)
        ours = attempt("evalhub", lambda: measure_ours(started), failures)
    return Outcome(
        name="rating_page",
        title="The rating page on the wire",
        method=METHOD,
        peer=label_studio.NAME,
        measures=measures(ours, peer),
        facts={"evalhub": details(ours), label_studio.NAME: details(peer)},
        failures=failures,
    )


def attempt(name: str, measure: Callable[[], Loads], failures: list[str]) -> Loads:
    """What `measure` found; what it could not is told, not hidden."""
    try:
        return measure()
    except Exception as error:
        print(f"{name}: {error}", file=sys.stderr)
        failures.append(f"{name}: {type(error).__name__}: {error}")
        return Loads()


def measures(ours: Loads, peer: Loads) -> list[Measure]:
    if not ours.cold:
        return []
    pick: Sequence[tuple[str, str, Callable[[Loads], list[float]], float | None]] = (
        ("Cold load", "requests", lambda loads: [traffic.count for traffic in loads.cold], 12),
        ("Cold load", "kB", lambda loads: [traffic.kilobytes for traffic in loads.cold], 150),
        ("Next item", "requests", lambda loads: [traffic.count for traffic in loads.following], None),
        ("Next item", "kB", lambda loads: [traffic.kilobytes for traffic in loads.following], 20),
    )
    return [Measure(name, unit, values(ours), values(peer), limit) for name, unit, values, limit in pick]


def details(loads: Loads) -> dict[str, Any]:
    if not loads.cold:
        return {}
    return {
        "cold_kb_as_sent_by_its_own_server": loads.cold[-1].kilobytes_sent,
        "largest_cold_kb": loads.cold[-1].largest(),
        "largest_next_kb": loads.following[-1].largest(),
        "foreign_addresses_tried": sorted(loads.foreign),
    }


def measure_ours(started: Browser) -> Loads:
    """Log in, take an item, open it cold, rate it by key, submit, wait for the next item; several times."""
    loads = Loads()
    with ours.started() as url:
        cookies = our_cookies(started, url)
        for _ in range(REPEATS):
            with page_of(started, cookies) as page:
                meter = Meter(page)
                page.goto(url + ours.RATE)
                main = page.locator("#main[data-token]")
                main.wait_for()
                first = meter.read()
                page.keyboard.type("8" * len(CRITERIA) * 2, delay=30)
                meter.read()  # drafts, saved while rating
                token = main.get_attribute("data-token")
                page.keyboard.press("Enter")
                page.wait_for_function("was => document.querySelector('#main').dataset.token !== was", arg=token)
                loads.add(first, meter.read())
    return loads


def our_cookies(started: Browser, url: str) -> Any:
    """The cookies of a rater who has just logged in and holds an item."""
    with page_of(started) as page:
        page.goto(f"{url}/login/?next={ours.DESK}")
        page.fill("input[name=username]", ours.USER)
        page.fill("input[name=password]", ours.PASSWORD)
        page.press("input[name=password]", "Enter")
        page.get_by_role("button", name="Begin").click()
        page.locator("#main[data-token]").wait_for()
        return page.context.storage_state()


def measure_peer(started: Browser) -> Loads:
    """Log in, open the labelling page cold, submit, wait for the next task; several times."""
    loads = Loads()
    with label_studio.started() as peer:
        cookies = peer_cookies(started, peer)
        for _ in range(REPEATS):
            with page_of(started, cookies) as page:
                meter = Meter(page)
                page.goto(peer.labelling_page)
                submit = page.get_by_test_id("bottombar-submit-button")
                submit.wait_for(timeout=60_000)
                first = meter.read()
                shown = page.locator("body").inner_text()
                submit.click()
                page.wait_for_function("before => document.body.innerText !== before", arg=shown, timeout=30_000)
                submit.wait_for(timeout=60_000)
                loads.add(first, meter.read())
    return loads


def peer_cookies(started: Browser, peer: label_studio.Peer) -> Any:
    """The cookies of a person who has just logged in."""
    with page_of(started) as page:
        page.goto(peer.login_page)
        page.fill("input[name=email]", label_studio.USER)
        page.fill("input[name=password]", label_studio.PASSWORD)
        page.press("input[name=password]", "Enter")
        page.wait_for_url(lambda url: "/login" not in url)
        return page.context.storage_state()


@contextmanager
def page_of(started: Browser, cookies: Any = None) -> Iterator[Page]:
    """A page with an empty cache."""
    context = cold(started, state=cookies)
    try:
        yield context.new_page()
    finally:
        context.close()
