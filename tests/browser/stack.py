"""evalhub as a user has it, seen from outside: a web server, real workers, a data folder and a database of its own.

The database is of the suite's kind: SQLite, or a database made beside the suite's on the same PostgreSQL. Nothing here
touches the test process's own Django; everything goes through HTTP and commands.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import requests

from tests.browser.processes import free_port, running, wait_for

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"
PROJECT = "content-copy"
PATIENCE, START_PATIENCE = 60, 240
PEOPLE = {"ines": "admin", "noor": "expert", "olu": "expert", "mara": "pm"}

MAKE_PEOPLE = """
import json
from evalhub.accounts.actions import add_member, create_project, create_token, create_user
from evalhub.accounts.models import Role
people, password, slug = json.loads({people!r}), {password!r}, {slug!r}
users = {{name: create_user(username=name, email=name + "@example.org", password=password, display_name=name.title())
         for name in people}}
admin = users[next(name for name, role in people.items() if role == "admin")]
project = create_project(name="Content copy", by=admin, slug=slug)
for name, role in people.items():
    if users[name] != admin:
        add_member(project, user=users[name], role=Role(role), by=admin)
print("TOKENS " + json.dumps({{name: create_token(user, name="tests")[1] for name, user in users.items()}}))
"""


@dataclass(frozen=True)
class Stack:
    """A running evalhub."""

    url: str
    var: Path
    environment: Mapping[str, str]
    tokens: Mapping[str, str]

    def manage(self, *arguments: str, expected: int = 0) -> str:
        """What a management command printed on standard output; the exit status must be `expected`."""
        done = manage(self.environment, *arguments)
        assert done.returncode == expected, f"manage.py {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def api(self, username: str) -> "Api":
        """The API as `username` uses it, with a token."""
        return Api(f"{self.url}/api/v1", self.tokens[username])


class Api:
    """JSON in, JSON out; a status that was not expected is an error that shows the answer."""

    def __init__(self, root: str, token: str) -> None:
        self.root = root
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, *, expected: int = 200, **params: Any) -> Any:
        return self._read(self.session.get(self.root + path, params=params, timeout=PATIENCE), expected)

    def post(self, path: str, body: Any = None, *, expected: int = 200, files: Any = None) -> Any:
        how: dict[str, Any] = {"data": body, "files": files} if files else {"json": body or {}}
        return self._read(self.session.post(self.root + path, timeout=PATIENCE, **how), expected)

    def _read(self, answer: requests.Response, expected: int) -> Any:
        assert answer.status_code == expected, (
            f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text}"
        )
        return answer.json() if answer.content else None


@contextmanager
def running_stack(var: Path, *, people: Mapping[str, str] = PEOPLE) -> Iterator[Stack]:
    """`manage.py up` over an empty database with one project and its people, until the block ends."""
    with ExitStack() as parts:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "evalhub.settings",
            "EVALHUB_VAR": str(var),
            "EVALHUB_DATABASE_URL": parts.enter_context(database(var)),
            "EVALHUB_BROKER_URL": "filesystem://",
            "EVALHUB_SWEEP_SECONDS": "2",
        }
        done = manage(environment, "migrate", "--verbosity", "0")
        assert done.returncode == 0, done.stderr
        tokens = make_people(environment, people)
        port = free_port()
        url, log = f"http://127.0.0.1:{port}", var / "up.log"
        up = [sys.executable, "manage.py", "up", "--no-demo", "--port", str(port)]
        server = parts.enter_context(running(up, environment=environment, folder=ROOT, log=log))
        wait_for(f"{url}/login/", server, log=log, patience=START_PATIENCE)
        yield Stack(url, var, environment, tokens)


def manage(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)


def make_people(environment: Mapping[str, str], people: Mapping[str, str]) -> dict[str, str]:
    """A project with members, made by the product's own actions; the API key of each."""
    script = MAKE_PEOPLE.format(people=json.dumps(people), password=PASSWORD, slug=PROJECT)
    done = manage(environment, "shell", "--no-imports", "-c", script)
    assert "TOKENS " in done.stdout, done.stderr
    tokens: dict[str, str] = json.loads(done.stdout.rpartition("TOKENS ")[2])
    return tokens


@contextmanager
def database(var: Path) -> Iterator[str]:
    """The URL of an empty database of the suite's kind."""
    suite = os.environ.get("EVALHUB_DATABASE_URL", "")
    if not suite.startswith("postgres"):
        yield f"sqlite:///{var / 'db.sqlite3'}"
        return
    server, name = suite.rpartition("/")[0], f"evalhub_walk_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield f"{server}/{name}"
    finally:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def wait_until(
    holds: Callable[[], object], otherwise: str, *, patience: float = PATIENCE, log: Path | None = None
) -> None:
    """Ask `holds()` again and again; raises with `otherwise` and the log's tail when patience ends."""
    end_of_patience = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end_of_patience:
            tail = log.read_text(encoding="utf-8", errors="replace")[-3000:] if log and log.exists() else ""
            raise AssertionError(f"{otherwise} within {patience:g} s. {tail}")
        time.sleep(0.2)
