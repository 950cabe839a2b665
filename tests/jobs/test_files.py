"""Where a worker works: folders in EVALHUB_VAR that go with it, also when it is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile

from evalhub.jobs import files, performing, tasks
from evalhub.jobs.files import clear_abandoned, local_file, working_folder
from tests.jobs.conftest import asked, worked_off

WORKS_UNTIL_KILLED = """
import django, pathlib, time
django.setup()
from evalhub.jobs.files import working_folder
with working_folder("job-1") as folder:
    (folder / "ratings.csv").write_text("kept to oneself")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def work(settings: Any, tmp_path: Path) -> Path:
    settings.VAR = tmp_path
    return tmp_path / files.WORK


def old(folder: Path) -> Path:
    os.utime(folder, (time.time() - 3600,) * 2)
    return folder


def test_a_folder_lies_in_the_own_place_and_goes_after_the_work(work):
    with working_folder("job-1") as folder:
        assert (folder.parent, folder.stat().st_mode & 0o777) == (work, 0o700)
        clear_abandoned()
        old(folder)
        clear_abandoned()
        assert folder.is_dir()
    assert list(work.iterdir()) == []


def test_a_copy_of_a_remote_file_lies_there_too(work):
    with local_file(ContentFile(b"a,b"), name="../ratings.csv") as path:
        assert (path.read_bytes(), path.name, path.parent.parent) == (b"a,b", "ratings.csv", work)
    assert list(work.iterdir()) == []


def test_what_a_killed_process_left_is_cleared_by_the_sweep(db, work, settings):
    environment = {**os.environ, "EVALHUB_VAR": str(settings.VAR), "DJANGO_SETTINGS_MODULE": "evalhub.settings"}
    with subprocess.Popen(
        [sys.executable, "-c", WORKS_UNTIL_KILLED], cwd=django_settings.BASE_DIR, env=environment,
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        folder = old(Path(process.stdout.readline().strip()))
        tasks.sweep()
        there = (folder / "ratings.csv").exists()
        process.send_signal(signal.SIGKILL)
    assert there
    assert folder.is_dir()
    tasks.sweep()
    assert not folder.exists()


def test_one_that_is_being_made_is_left_alone(work):
    (work / "job-2-x").mkdir(parents=True)
    clear_abandoned()
    assert (work / "job-2-x").is_dir()
    old(work / "job-2-x")
    clear_abandoned()
    assert not (work / "job-2-x").exists()


@pytest.mark.usefixtures("admin")
def test_a_jobs_files_lie_there_while_it_works(ratings, work, monkeypatch):
    seen: list[set[str]] = []

    def noted(*what: Any) -> None:
        seen.append({path.name.partition("-")[0] for path in work.iterdir()})
        keep(*what)

    keep = performing._keep
    monkeypatch.setattr(performing, "_keep", noted)
    asked(ratings())
    assert worked_off()[0].state == "succeeded"
    assert seen == [{"job", "file"}]
    assert list(work.iterdir()) == []
