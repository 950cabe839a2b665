"""Five people whom every test knows: an admin, two experts, a PM, and an outsider who must see nothing.

And which parts the machine has: a test marked with a part (browser, postgres, redis, vllm) is skipped by name where
the part is missing. EVALHUB_NO_SKIP=1, as in CI, makes every skip a failure.
"""

import os
from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.core.servers.basehttp import ThreadedWSGIServer
from django.db import connection
from django.test import Client
from django.test.testcases import LiveServerThread
from hypothesis import settings as hypothesis
from pytest_django.live_server_helper import LiveServer

from evalhub.accounts.models import Membership, Project, Role, User
from tests.parts import PARTS, missing

hypothesis.register_profile("evalhub", deadline=None)  # a busy machine is not a wrong answer
hypothesis.load_profile("evalhub")
NO_SKIP = os.environ.get("EVALHUB_NO_SKIP") == "1"
DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "django_db_setup"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database-only", action="store_true", help="run only the tests that touch the database")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--database-only"):
        touching = [item for item in items if touches_database(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(touching)])
        items[:] = touching
    if connection.vendor != "postgresql":
        foreign = [item for item in items if item.get_closest_marker("rows_locked")]
        config.hook.pytest_deselected(items=foreign)
        items[:] = [item for item in items if not item.get_closest_marker("rows_locked")]
    slow = Counter(item.path for item in items if {"slow", "vllm", "browser"} & set(item.keywords))
    items.sort(key=lambda item: -slow[item.path])  # what takes long begins first, so that no worker waits at the end
    for item in items:
        for part in PARTS:
            if item.get_closest_marker(part) and (reason := missing(part)):
                item.add_marker(pytest.mark.skip(reason=reason))


def touches_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return item.get_closest_marker("django_db") is not None or bool(fixtures & DATABASE_FIXTURES)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _without_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _without_skip((yield))


def _without_skip(report: Any) -> Any:
    """In CI a skip is a failure: a part that should be there is missing."""
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"A skip counts as a failure here. {reason}"
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(f"Database of this run: {connection.vendor}.")
    for part in PARTS:
        if reason := missing(part):
            terminalreporter.write_line(f"Not tested here ({part}): {reason}.")


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    """Counted log-in failures of one test are none of the next one's business."""
    cache.clear()


class FinishingServer(ThreadedWSGIServer):
    """Its end waits for the requests under way: a draft sent while a page closes must not meet the emptied database."""

    daemon_threads = False


@pytest.fixture
def live_server(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveServer]:
    """One server per test, gone before the database is emptied for the next (pytest-django's own lives on)."""
    monkeypatch.setattr(LiveServerThread, "server_class", FinishingServer)
    server = LiveServer("localhost")
    yield server
    server.stop()


def person(username: str) -> User:
    return User.objects.create_user(username, f"{username}@example.org", "correct horse battery", display_name=username)


@pytest.fixture
def project(db: None) -> Project:
    return Project.objects.create(slug="content-copy", name="Content copy")


def member(project: Project, username: str, role: Role) -> User:
    user = person(username)
    Membership.objects.create(project=project, user=user, role=role)
    return user


@pytest.fixture
def admin(project: Project) -> User:
    return member(project, "ines", Role.ADMIN)


@pytest.fixture
def expert(project: Project) -> User:
    return member(project, "noor", Role.EXPERT)


@pytest.fixture
def second_expert(project: Project) -> User:
    return member(project, "olu", Role.EXPERT)


@pytest.fixture
def pm(project: Project) -> User:
    return member(project, "mara", Role.PM)


@pytest.fixture
def outsider(db: None) -> User:
    """An admin of another project."""
    return member(Project.objects.create(slug="elsewhere", name="Elsewhere"), "rex", Role.ADMIN)


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
