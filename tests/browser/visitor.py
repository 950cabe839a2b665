"""One person in a real browser: goes from page to page, and on each page is told what is wrong with it.

`look()` runs axe (WCAG 2.2 AA and best practices, light and dark) over the page as it stands. axe is handed to the
page by the DevTools protocol, so the page's Content-Security-Policy stays as strict as it is in use. Console errors,
uncaught exceptions, violations of the policy and answers of status 500 are collected all along.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Response, expect

from tests.browser.stack import PASSWORD, ROOT

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN_AXE = "axe.run(document, {runOnly: {type: 'tag', values: %s}, resultTypes: ['violations']})" % TAGS  # noqa: UP031
WATCH_POLICY = (
    "document.addEventListener('securitypolicyviolation', event => console.error("
    "`policy violation: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`))"
)
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
WIDTHS = (360, 2560, 1440)  # the last one stays
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
PATIENCE_MS = 30_000
MOST_TABS = 40
expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Visitor:
    """A logged-in person with a browser window."""

    page: Page
    root: str
    name: str
    troubles: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.add_init_script(WATCH_POLICY)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.trouble(f"uncaught: {error}"))
        self.page.on("response", self._answered)

    def goto(self, path: str) -> None:
        self.page.goto(self.root + path)

    def log_in(self) -> None:
        """From the log-in page to where this person's work starts, with the keyboard."""
        self.goto("/login/")
        self.tab_to(self.page.get_by_label("E-mail or user name"))
        self.page.keyboard.type(self.name)
        self.press("Tab")
        self.page.keyboard.type(PASSWORD)
        self.press("Enter")
        expect(self.page.get_by_role("button", name="Log out")).to_be_visible()

    def press(self, *keys: str) -> None:
        """As a person does: not before something is on the screen."""
        self.until_painted()
        for key in keys:
            self.page.keyboard.press(key)

    def until_painted(self) -> None:
        for _ in range(500):
            if self.page.evaluate("performance.getEntriesByName('first-contentful-paint').length"):
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"{self.page.url} shows nothing.")

    def tab_to(self, goal: Locator) -> None:
        """Press Tab until `goal` has the focus."""
        for _ in range(MOST_TABS):
            if goal.evaluate("element => element === document.activeElement"):
                return
            self.press("Tab")
        raise AssertionError(f"{goal} cannot be reached by Tab")

    def look(self, name: str) -> None:
        """Check the page as it stands: axe in both themes, and that nothing sticks out of a narrow or a wide window."""
        self.page.wait_for_load_state()
        self.seen.append(name)
        for theme in ("light", "dark"):
            self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
            for finding in axe(self.page):
                self.trouble(f"{name} ({theme}): {finding}")
        self.page.emulate_media(color_scheme="light")
        window = self.page.viewport_size
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            wide = self.page.evaluate(OVERFLOW)
            if wide > 0:
                self.trouble(f"{name}: the page is {wide} px wider than a window of {width}")
        if window:
            self.page.set_viewport_size(window)

    def trouble(self, text: str) -> None:
        self.troubles.append(f"{self.name} at {self.page.url.removeprefix(self.root)}: {text}")

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.trouble(f"console {message.type}: {message.text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self.trouble(f"status {response.status} for {response.request.method} {response.url}")


def axe(page: Page) -> list[str]:
    """The findings of axe, one line per rule and element."""
    session = page.context.new_cdp_session(page)
    try:
        run(session, axe_source() + "\n0")
        found = run(session, RUN_AXE)["violations"]
    finally:
        session.detach()
    return [f"{rule['id']}: {rule['help']} – {node['html'][:160]}" for rule in found for node in rule["nodes"]]


def run(session: Any, expression: str) -> Any:
    """The value of a JavaScript expression in the page."""
    wanted = {"expression": expression, "awaitPromise": True, "returnByValue": True}
    answer = session.send("Runtime.evaluate", wanted)
    assert "exceptionDetails" not in answer, answer["exceptionDetails"]
    return answer["result"].get("value")


@cache
def axe_source() -> str:
    return AXE.read_text(encoding="utf-8")


def visit(browser: Browser, root: str, name: str, *, viewport: Any = None) -> Visitor:
    """`name` with a window of their own: cookies and cache are nobody else's."""
    context = browser.new_context(viewport=viewport or DESK, accept_downloads=True)
    return Visitor(context.new_page(), root, name)
