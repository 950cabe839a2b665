"""Each process of the test suite has a folder of its own: a shared broker would hand one's messages to another."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TELL = "from tests import settings; print(settings.VAR); print(settings.BROKER_FOLDER); print(settings.MEDIA_ROOT)"


def folders(**environment: str) -> list[str]:
    """Where a process with these variables keeps its data, its messages and its files."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EVALHUB_", "PYTEST_"))}
    command = [sys.executable, "-c", TELL]
    told = subprocess.run(command, cwd=ROOT, env={**kept, **environment}, capture_output=True, text=True, check=True)
    return told.stdout.split()


def test_the_workers_of_one_run_share_no_folder(tmp_path: Path) -> None:
    given = {"EVALHUB_VAR": str(tmp_path)}
    one, two = (folders(**given, PYTEST_XDIST_WORKER=name) for name in ("gw0", "gw1"))
    assert not set(one) & set(two)
    assert folders(EVALHUB_VAR=one[0], PYTEST_XDIST_WORKER="gw0") == one  # a process that a worker starts


@pytest.mark.parametrize("worker", ["", "gw0"])
def test_it_takes_a_new_folder_where_none_is_given(worker: str) -> None:
    assert folders(PYTEST_XDIST_WORKER=worker) != folders(PYTEST_XDIST_WORKER=worker)
