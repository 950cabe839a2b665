"""A real Chromium, a running evalhub, and people with a window each."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.stack import Stack, running_stack
from tests.browser.visitor import Visitor, visit
from tests.parts import chromium


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Web server, workers, database and data folder of their own."""
    with running_stack(tmp_path_factory.mktemp("evalhub")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield started
        started.close()


@pytest.fixture
def person(browser: Browser, stack: Stack) -> Iterator[Callable[[str], Visitor]]:
    """Gives a logged-in person; at the end none of them may have met a trouble."""
    visitors: list[Visitor] = []

    def come_in(name: str) -> Visitor:
        visitors.append(visit(browser, stack.url, name))
        visitors[-1].log_in()
        return visitors[-1]

    yield come_in
    troubles = [trouble for visitor in visitors for trouble in visitor.troubles]
    for visitor in visitors:
        visitor.page.context.close()
    assert not troubles, "\n".join(troubles)
