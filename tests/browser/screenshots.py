"""Takes the screenshots of docs/screenshots from a running demo: `python -m tests.browser.screenshots [URL]`.

The demo project must have made itself (see `make run`). Pages are only looked at, but an expert takes an item in hand.
"""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.visitor import DESK, PHONE
from tests.parts import chromium

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
HOME = "/p/content-copy"
MOST_BYTES = 250_000
ADMIN, EXPERT, PM, PASSWORD = "admin.demo", "expert.demo", "pm.demo", "evalhub demo"  # as the start prints them
REPORT = f"{HOME}/reports/squality-three-summarisers/"
STUDY = f"{HOME}/studies/web-copy-round-2/"
RATE = f"{HOME}/rate/web-copy-round-1/"
Theme = Literal["light", "dark"]


def main(root: str) -> None:
    """Every picture, in the order of the loop."""
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        with window(browser, root) as page:
            page.goto(f"{root}/login/")
            keep(page, "login")
        as_curator(browser, root)
        as_admin(browser, root)
        as_expert(browser, root)
        as_pm(browser, root)
        browser.close()


def as_admin(browser: Browser, root: str) -> None:
    with window(browser, root, ADMIN) as page:
        for name, path in {"models": "/models/", "runs": "/runs/"}.items():
            page.goto(root + HOME + path)
            keep(page, name)
        page.goto(f"{root}{HOME}/runs/?kind=training")
        page.locator("tbody a").first.click()
        keep(page, "run")
        page.goto(root + STUDY)
        keep(page, "study")


def as_curator(browser: Browser, root: str) -> None:
    with window(browser, root, ADMIN) as page:
        page.goto(f"{root}{HOME}/data/content-copy/")
        keep(page, "data")
        page.get_by_role("link", name="Figures and thresholds").click()
        keep(page, "checks")
        page.goto(f"{root}{HOME}/data/content-copy/examples/?flag=format")
        keep(page, "examples")
        page.get_by_role("button", name="Review these").click()
        keep(page, "review")


def as_expert(browser: Browser, root: str) -> None:
    with window(browser, root, EXPERT) as page:
        page.goto(f"{root}{HOME}/rate/")
        keep(page, "desk")
        page.goto(root + RATE)
        take_item(page)
        page.keyboard.type("89788")
        keep(page, "rating")
        page.emulate_media(color_scheme="dark")
        keep(page, "rating-dark")
    with window(browser, root, EXPERT, phone=True) as page:
        page.goto(root + RATE)
        keep(page, "rating-phone")


def take_item(page: Page) -> None:
    """Press the page's own button where no item is in hand yet."""
    if not page.locator("#main[data-token]").count():
        page.locator("main button").first.click()
        page.locator("#main[data-token]").wait_for()


def as_pm(browser: Browser, root: str) -> None:
    with window(browser, root, PM) as page:
        page.goto(root + HOME + "/")
        keep(page, "home")
        page.goto(root + REPORT)
        keep(page, "report")
        page.emulate_media(color_scheme="dark")
        keep(page, "report-dark")


@contextmanager
def window(browser: Browser, root: str, username: str = "", *, phone: bool = False) -> Iterator[Page]:
    """A page of `username`, logged in if a name is given."""
    context = browser.new_context(viewport=PHONE if phone else DESK, color_scheme="light", reduced_motion="reduce")  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(60_000)
    if username:
        page.goto(f"{root}/login/")
        page.fill("input[name=username]", username)
        page.fill("input[name=password]", PASSWORD)
        page.press("input[name=password]", "Enter")
        page.get_by_role("button", name="Log out").wait_for()
    yield page
    context.close()


def keep(page: Page, name: str) -> None:
    """Save what the window shows, figures drawn, as a PNG small enough for a repository."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(600)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    path = FOLDER / f"{name}.png"
    picture.save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        picture.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")  # noqa: T201 (a command that tells what it did)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000")
