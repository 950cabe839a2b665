"""A million examples on PostgreSQL: the table's page of 100, filtered and sorted, and the review queue's next example.

Measured over HTTP through the real pages, behind gunicorn, by one person who is logged in. `EVALHUB_BENCH_EXAMPLES`
chooses another number of examples.
"""

import os
import random
import re
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from statistics import quantiles
from typing import Any

import psycopg
import requests

from benchmarks import ours
from benchmarks.results import Measure, Outcome
from tests.browser.processes import free_port, running, wait_for
from tests.parts import postgres

EXAMPLES = int(os.environ.get("EVALHUB_BENCH_EXAMPLES", "1000000"))
PAGES, REVIEWED = 200, 100
CATEGORIES = ("titles", "meta", "deck", "summary", "faq", "alt text", "glossary", "rewrite")
LANGUAGES, LANGUAGE_SHARES = ("en", "de", "fr", "ar"), (95, 3, 1.5, 0.5)
STATES, STATE_SHARES = ("approved", "proposed", "rejected"), (96, 2.5, 1.5)
SEED, VOCABULARY = 7, 20_000
DATASET = "/p/bench/data/million/"
PEER_MS = 289  # Label Studio 1.23, 100 of 52,000 tasks, on the same kind of machine
METHOD = (
    f"{EXAMPLES:,} examples in one dataset on PostgreSQL (instruction 20 words, input 60, output 40 to 120, words by "
    f"Zipf's law from {VOCABULARY:,}), of which 5% are flagged by a check; {PAGES} different pages of 100 rows, "
    "filtered by words, state, category, source, language, split, tag, flag, length, date and some together, in every "
    f"order, at the beginning and deep inside; then {REVIEWED} proposals approved one after the other, from the key "
    "to the next example's page. Over HTTP on loopback, gunicorn with two processes, a logged-in curator, warm cache. "
    "The peer's figure is its list of 100 of 52,000 tasks, unfiltered."
)
SET_UP = """
from datetime import timedelta
from django.utils import timezone
from evalhub.accounts.actions import create_project, create_user
from evalhub.datasets.actions import create_dataset
admin = create_user(username="admin", email={email!r}, password={password!r})
project = create_project(name="Bench", by=admin, slug="bench")
create_dataset(project, name="Million", by=admin)
"""
COLUMNS = ("dataset_id", "key", "instruction", "input", "output", "system", "history", "category", "source", "language",
           "tags", "metadata", "wanted_split", "state", "origin", "fingerprint", "searchable", "revision_number",
           "created_at", "updated_at", "batch_id")  # fmt: skip


def run() -> Outcome:
    with filled() as environment, served(environment) as (session, url):
        table = [timed(session, url + address) for address in addresses()]
        following = reviewed(session, url)
    fifth = quantiles(table, n=20)
    return Outcome(
        name="curation",
        title=f"Curation at {EXAMPLES:,} examples",
        method=METHOD,
        peer="Label Studio",
        measures=[
            Measure("Table page, p50", "ms", [round(fifth[9], 1)], [PEER_MS], limit=50),
            Measure("Table page, p95", "ms", [round(fifth[18], 1)], limit=150),
            Measure("Next example, p50", "ms", [round(quantiles(following, n=20)[9], 1)]),
            Measure("Next example, p95", "ms", [round(quantiles(following, n=20)[18], 1)], limit=50),
        ],
        facts={"slowest pages": slowest(table)},
    )


def slowest(times: list[float]) -> list[tuple[str, float]]:
    """(address, ms) of the ten slowest pages."""
    pairs = sorted(zip(addresses(), times, strict=True), key=lambda pair: -pair[1])
    return [(address.removeprefix(DATASET), round(ms, 1)) for address, ms in pairs[:10]]


# --- the data -----------------------------------------------------------------------------------
@contextmanager
def filled() -> Iterator[Mapping[str, str]]:
    """The environment of an evalhub whose database holds the examples; EVALHUB_BENCH_DATABASE keeps and reuses one."""
    server = postgres().rpartition("/")[0]
    kept = os.environ.get("EVALHUB_BENCH_DATABASE", "")
    name = kept or f"evalhub_bench_{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory(prefix="evalhub-bench-") as var:
        environment = {**os.environ, "EVALHUB_VAR": var, "EVALHUB_DATABASE_URL": f"{server}/{name}"}
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if not there:
                connection.execute(f'CREATE DATABASE "{name}"')
        try:
            if not there:
                fill(environment)
            yield environment
        finally:
            if not kept:
                with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
                    connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def fill(environment: Mapping[str, str]) -> None:
    ours.manage(environment, "migrate", "--verbosity", "0")
    script = SET_UP.format(email=ours.ADMIN, password=ours.PASSWORD)
    ours.manage(environment, "shell", "--no-imports", "-c", script)
    with psycopg.connect(environment["EVALHUB_DATABASE_URL"], autocommit=True) as connection:
        index = connection.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'example_words'").fetchone()
        assert index
        connection.execute("DROP INDEX example_words")
        began = time.monotonic()
        load(connection)
        print(f"{EXAMPLES:,} examples loaded in {time.monotonic() - began:.0f} s", file=sys.stderr)
        connection.execute("SET maintenance_work_mem = '512MB'")
        connection.execute(index[0])
        flag(connection)
        connection.execute("VACUUM ANALYZE")
        print(f"… and indexed, {time.monotonic() - began:.0f} s in all", file=sys.stderr)


def vocabulary() -> list[str]:
    rng = random.Random(SEED)
    syllables = [consonant + vowel for consonant in "bcdfghjklmnprstvw" for vowel in "aeiou"]
    return ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(VOCABULARY)]


def load(connection: psycopg.Connection[Any]) -> None:
    rng, words = random.Random(SEED), vocabulary()
    weights = list(accumulate(1 / (place + 1) for place in range(VOCABULARY)))
    start = datetime(2026, 1, 1, tzinfo=UTC)

    def text(count: int) -> str:
        return " ".join(rng.choices(words, cum_weights=weights, k=count))

    copy = f"COPY datasets_example ({', '.join(COLUMNS)}) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(copy) as rows:
        for number in range(EXAMPLES):
            at = start + timedelta(seconds=number * 20)
            rows.write_row((
                1, f"row-{number}", text(20), text(60), text(rng.randint(40, 120)), "", "[]", rng.choice(CATEGORIES),
                f"document-{number // 20}", rng.choices(LANGUAGES, LANGUAGE_SHARES)[0],
                '["checked"]' if number % 500 == 0 else "[]", "{}", "test" if number % 20 == 0 else "",
                rng.choices(STATES, STATE_SHARES)[0], "{}", f"{number:064d}", True, 1, at, at, None,
            ))  # fmt: skip


def flag(connection: psycopg.Connection[Any]) -> None:
    """5% of the examples in pairs of near duplicates."""
    connection.execute(
        "INSERT INTO datasets_checkrun (dataset_id, query, settings, report, examples, read_at, seconds, "
        "created_by_id, created_at) VALUES (1, '', '{}', '{}', %s, now(), 0, 1, now())", (EXAMPLES,)
    )  # fmt: skip
    connection.execute(
        "INSERT INTO datasets_flag (run_id, example_id, kind, reason, \"group\") SELECT 1, id, 'near', '', id / 40 "
        "FROM datasets_example WHERE id % 40 < 2"
    )


# --- the pages ----------------------------------------------------------------------------------
@contextmanager
def served(environment: Mapping[str, str]) -> Iterator[tuple[requests.Session, str]]:
    """A logged-in session and the address of a server over these data."""
    ours.manage(environment, "collectstatic", "--noinput", "--verbosity", "0")
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "evalhub.wsgi", "--workers", "2", "--bind", f"127.0.0.1:{port}"]
    log = Path(environment["EVALHUB_VAR"]) / "gunicorn.log"
    with running(command, log=log, environment=environment, folder=ours.ROOT) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/login/", process, log=log)
        session = requests.Session()
        session.get(f"{url}/login/")
        session.post(f"{url}/login/", {"username": ours.ADMIN, "password": ours.PASSWORD,
                                       "csrfmiddlewaretoken": session.cookies["csrftoken"]})  # fmt: skip
        for address in addresses()[:20]:
            timed(session, url + address)
        yield session, url


def addresses() -> list[str]:
    """The same pages in every run: each filter alone and in pairs, each order, some deep inside."""
    rng, words = random.Random(SEED), vocabulary()
    return [f"{DATASET}examples/?{'&'.join(wanted(rng, words, number))}" for number in range(PAGES)]


def wanted(rng: random.Random, words: list[str], number: int) -> list[str]:
    filters = [
        f"q={words[int(VOCABULARY ** rng.random()) - 1]}", f"state={rng.choice(STATES)}",
        f"category={rng.choice(CATEGORIES).replace(' ', '+')}", f"source=document-{rng.randrange(EXAMPLES // 20)}",
        f"language={rng.choice(LANGUAGES)}", "split=test", "tag=checked", "flag=near",
        f"min={rng.randrange(200, 500)}&max={rng.randrange(500, 900)}", f"since=2026-0{rng.randint(1, 8)}-01",
    ]  # fmt: skip
    order = rng.choice(("id", "-id", "length", "-length", "category", "source", "-changed", "changed"))
    chosen = rng.sample(filters, number % 3)
    deep = [f"after={rng.randrange(EXAMPLES)}"] if order.endswith("id") and number % 2 else []
    return [*chosen, f"sort={order}", *deep]


def timed(session: requests.Session, address: str) -> float:
    """Milliseconds until the page is there."""
    began = time.perf_counter()
    response = session.get(address)
    elapsed = time.perf_counter() - began
    assert response.status_code == 200, f"{address}: {response.status_code}"
    return elapsed * 1000


def reviewed(session: requests.Session, url: str) -> list[float]:
    """Milliseconds from a decision to the next example's page, again and again."""
    page = session.post(f"{url}{DATASET}review/", {"query": "state=proposed", **token(session)})
    times = []
    for _ in range(REVIEWED):
        state = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        action = re.search(r'<form[^>]* id="decide"[^>]*action="([^"]+)"', page.text)
        assert action, page.url
        began = time.perf_counter()
        page = session.post(url + action[1], {**state, "decision": "approve"})
        times.append((time.perf_counter() - began) * 1000)
        assert page.status_code == 200
    return times


def token(session: requests.Session) -> dict[str, str]:
    return {"csrfmiddlewaretoken": session.cookies["csrftoken"]}
