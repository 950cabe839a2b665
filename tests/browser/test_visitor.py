"""The checks that every page of the walk goes through, proved on pages that are wrong."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.visitor import DESK, Visitor, axe

pytestmark = pytest.mark.browser

NO_NAMES = "<!doctype html><title>x</title><main><img src='data:,'><input></main>"
STRICT = "<!doctype html><meta http-equiv='Content-Security-Policy' content=\"default-src 'self'\"><title>x</title>"


def opened(browser: Browser, tmp_path: Path, html: str) -> Visitor:
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    visitor = Visitor(browser.new_context(viewport=DESK).new_page(), "", "rex")
    visitor.goto(f"file://{tmp_path}/page.html")
    return visitor


def test_it_finds_what_a_screen_reader_cannot_name(browser: Browser, tmp_path: Path) -> None:
    visitor = opened(browser, tmp_path, NO_NAMES)
    assert {"image-alt", "label"} <= {finding.partition(":")[0] for finding in axe(visitor.page)}
    visitor.page.context.close()


def test_it_checks_a_page_whose_policy_forbids_inline_scripts_and_hears_their_violation(
    browser: Browser, tmp_path: Path
) -> None:
    visitor = opened(browser, tmp_path, STRICT + "<main><script>window.ran = 1</script></main>")
    assert axe(visitor.page)
    assert visitor.page.evaluate("window.ran") is None
    assert any("Content Security Policy" in trouble or "policy violation" in trouble for trouble in visitor.troubles)
    visitor.page.context.close()


def test_it_hears_a_page_that_is_wider_than_its_window(browser: Browser, tmp_path: Path) -> None:
    visitor = opened(browser, tmp_path, "<!doctype html><title>x</title><main><pre>" + "wide " * 900 + "</pre></main>")
    visitor.look("wide")
    assert any("wider than a window of 360" in trouble for trouble in visitor.troubles)
    visitor.page.context.close()
