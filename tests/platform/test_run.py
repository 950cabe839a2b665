"""tests/run, the script: where PostgreSQL is missing it leaves that pass out, but not where nothing may be skipped."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def suite(**environment: str) -> subprocess.CompletedProcess[str]:
    """The script over a choice that collects one test, with a PostgreSQL that does not answer."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EVALHUB_", "PYTEST_"))}
    missing = "postgresql://127.0.0.1:1/none"
    return subprocess.run(
        ["bash", "tests/run", "tests/platform/test_supervisor.py", "-q", "-k", "waits_longer"],
        cwd=ROOT, env={**kept, "PATH": path, "EVALHUB_TEST_POSTGRES": missing, **environment},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_it_fails_in_a_sentence_where_nothing_may_be_skipped_and_postgresql_is_missing() -> None:
    ended = suite(EVALHUB_NO_SKIP="1")
    assert ended.returncode == 1
    assert "no PostgreSQL answers at postgresql://127.0.0.1:1/none" in ended.stderr
    assert "The tests on PostgreSQL cannot run" in ended.stderr
    assert "passed" not in ended.stdout


def test_it_runs_on_sqlite_alone_where_postgresql_is_missing() -> None:
    ended = suite()
    assert ended.returncode == 0, ended.stderr
    assert "1 passed" in ended.stdout
