"""Real Celery workers over files and over Redis, and what happens when they, their jobs or the broker die."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone

from evalhub.celery import app
from evalhub.runs import actions, tasks
from evalhub.runs.folders import folder_of
from evalhub.runs.models import Model, Run
from evalhub.supervisor import GRACE_SECONDS
from runkit.folder import read_jsonl
from tests.parts import redis_server
from tests.runs.conftest import programs

ROOT = Path(__file__).resolve().parents[2]
SOON = 9.0  # seconds; five where nothing else runs, and the stubborn program would take twenty
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def database_url():
    """Where the test's own database is, for another process."""
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{found['NAME']}"
    owner = found["USER"] + (f":{found['PASSWORD']}" if found["PASSWORD"] else "")
    return f"postgresql://{owner}@{found['HOST']}:{found['PORT'] or 5432}/{found['NAME']}"


def use_broker(url):
    app.conf.broker_url = url
    app.conf.broker_transport_options = (
        django_settings.CELERY_BROKER_TRANSPORT_OPTIONS if url.startswith("filesystem") else {}
    )
    app._pool = app.amqp._producer_pool = None


@pytest.fixture(params=["files", pytest.param("redis", marks=pytest.mark.redis)])
def broker(request):
    """The broker's address; empty before and after."""
    if request.param == "files":
        yield "filesystem://"
        empty_files()
        return
    import redis

    url, before = redis_server(), app.conf.broker_url
    server = redis.Redis.from_url(url)
    server.delete("cpu", "gpu")
    use_broker(url)
    yield url
    use_broker(before)
    server.delete("cpu", "gpu")


def empty_files():
    for path in (django_settings.BROKER_FOLDER / "queue").iterdir():
        path.unlink(missing_ok=True)


def lose_everything(broker):
    """The broker forgets every message."""
    if broker.startswith("filesystem"):
        shutil.rmtree(django_settings.BROKER_FOLDER / "queue")
        (django_settings.BROKER_FOLDER / "queue").mkdir()
    else:
        import redis

        redis.Redis.from_url(broker).delete("cpu", "gpu")


@pytest.fixture
def start(settings, tmp_path):
    """Start workers of both queues with a heartbeat of seconds; all of them end with the test."""
    started = []

    def one(broker="filesystem://", mode="quick"):
        number = len(started)
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.runs.worker_settings",
            "EVALHUB_VAR": str(django_settings.VAR),
            "EVALHUB_DATABASE_URL": database_url(),
            "EVALHUB_BROKER_URL": broker,
            "EVALHUB_RUNS_FOLDER": str(settings.RUNS_FOLDER),
            "EVALHUB_SWEEP_SECONDS": "1",
            "EVALHUB_HEARTBEAT_SECONDS": "4",
            "TEST_PROGRAMS": json.dumps(programs(mode)),
            "TEST_MEDIA": str(settings.MEDIA_ROOT),
        }
        command = [
            sys.executable, "-m", "celery", "-A", "evalhub", "worker", "--queues", "cpu,gpu", "--pool", "solo",
            "--without-gossip", "--without-mingle", "--beat", "--schedule", str(tmp_path / f"beat-{number}"),
            "--hostname", f"w{number}@{tmp_path.name}",
        ]  # fmt: skip
        with (tmp_path / f"worker-{number}.log").open("wb") as log:
            worker = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        started.append(worker)
        return worker

    yield one
    for worker in started:
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def until(holds, seconds=60):
    """Wait until `holds()`; fails after so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := holds():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"It did not happen within {seconds} s.")


def state(run):
    run.refresh_from_db()
    return run.state


def ended(run, seconds=60):
    return until(lambda: state(run) in Run.FINAL and run.state, seconds)


@pytest.fixture
def ask(project, base, version, admin):
    return lambda **more: actions.request_training(project, base=base, version=version, by=admin, **more)


def test_it_does_what_the_queue_tells_it_and_only_once(broker, start, ask, project, version, admin):
    run = ask()
    tasks.knock(run.pk)  # the message comes twice
    start(broker)
    assert ended(run) == "succeeded"
    made = actions.request_generation(project, model=run.training.adapter, version=version, by=admin)
    assert ended(made) == "succeeded"
    scored = actions.request_scoring(made.generation, by=admin, metrics=["rouge1"])
    assert ended(scored) == "succeeded"
    assert made.generation.answers.count() == 3
    assert Run.objects.filter(attempt=1).count() == 3


def test_it_takes_up_a_run_whose_message_the_broker_lost(broker, start, ask):
    run = ask()
    lose_everything(broker)
    Run.objects.update(sent_at=timezone.now() - timezone.timedelta(seconds=30))
    start(broker)
    assert ended(run) == "succeeded"


def test_it_goes_on_after_its_worker_was_killed_and_nothing_runs_twice(start, ask):
    run = ask()
    worker = start(mode="slow")
    until(lambda: state(run) == "running" and run.done >= 3)
    os.kill(worker.pid, signal.SIGKILL)
    start(mode="slow")
    assert ended(run) == "succeeded"
    assert run.attempt >= 2
    events = list(read_jsonl(folder_of(run) / "events.jsonl"))
    assert any(event["kind"] == "resumed" for event in events)
    steps = [event["step"] for event in events if event["kind"] == "metric" and "loss" in event]
    assert steps == sorted(set(steps))  # no step was done by two
    assert Model.objects.filter(kind="adapter").count() == 1


@pytest.mark.parametrize("mode", ["slow", "stubborn"])
def test_a_worker_that_is_stopped_gives_its_run_back_without_a_loss(start, ask, mode):
    run = ask()
    worker = start(mode=mode)
    until(lambda: state(run) == "running" and run.done >= 3)
    worker.terminate()
    worker.wait(GRACE_SECONDS)
    assert (state(run), run.losses) == ("queued", 0)
    start(mode="quick")
    assert ended(run) == "succeeded"
    assert (run.attempt, run.losses) == (2, 0)
    events = list(read_jsonl(folder_of(run) / "events.jsonl"))
    assert [event["done"] >= 3 for event in events if event["kind"] == "resumed"] == [True]


@pytest.mark.parametrize("mode", ["slow", "stubborn"])
def test_it_stops_soon_after_being_asked(start, ask, admin, mode):
    run = ask()
    start(mode=mode)
    until(lambda: state(run) == "running" and run.done >= 1)
    actions.cancel(run, by=admin)
    began = time.monotonic()
    assert ended(run, 15) == "cancelled"
    assert time.monotonic() - began < SOON
    assert not (folder_of(run) / "result.json").exists()


def test_it_survives_the_kill_of_its_job(start, ask):
    run = ask()
    start(mode="killed-once")
    assert ended(run) == "succeeded"
    assert run.attempt == 2
