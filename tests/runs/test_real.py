"""The real programs behind the real actions: a small base learns, answers and is scored, and is repeated by hand."""

import shutil
import subprocess
import sys

import pytest
from django.conf import settings as django_settings

from evalhub.runs import actions, reading
from evalhub.runs.folders import folder_of
from evalhub.runs.models import Score
from runkit.folder import read_json

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _real_programs(settings, _own_folders):
    settings.RUN_PROGRAMS = {name: [sys.executable, "-m", name] for name in ("training", "inference")}


def test_it_walks_from_a_base_model_to_scores(project, version, admin, tmp_path):
    base = actions.register_model(project, name="Demo base", reference=django_settings.DEMO_BASE_MODEL, by=admin)
    small = {"epochs": 1.0, "batch_size": 2, "max_length": 64, "evaluations": 1}
    trained = actions.perform(actions.request_training(
        project, base=base, version=version, by=admin, preset="demo", settings=small, send=False
    ))  # fmt: skip
    assert (trained.state, trained.message) == ("succeeded", "")
    adapter = trained.training.adapter
    assert adapter.template_hash == trained.result["template"]["hash"]
    assert reading.loss_of(trained).validation
    assert reading.samples_of(trained)[0].reference == "Headline 4"

    made = actions.perform(actions.request_generation(
        project, model=adapter, version=version, by=admin, sampling={"max_tokens": 8, "temperature": 0.0}, send=False
    ))  # fmt: skip
    assert (made.state, made.message) == ("succeeded", "")
    assert made.generation.answers.count() == 3
    assert made.generation.answers.exclude(latency_seconds=None).exists()

    scored = actions.perform(
        actions.request_scoring(made.generation, by=admin, metrics=("rouge1", "rougeL"), send=False)
    )
    assert (scored.state, scored.message) == ("succeeded", "")
    assert Score.objects.count() == 6

    copy = tmp_path / "by hand"
    shutil.copytree(folder_of(scored), copy)
    (copy / "result.json").unlink()
    subprocess.run([sys.executable, "-m", "inference", str(copy)], cwd=django_settings.BASE_DIR, check=True)
    assert read_json(copy / "result.json")["metrics"] == scored.result["metrics"]


def test_it_says_what_is_wrong_with_a_base_that_is_not_there(project, version, base, admin):
    run = actions.perform(actions.request_training(project, base=base, version=version, by=admin, send=False))
    assert run.state == "failed"
    assert "acme/small" in run.message
    assert "Traceback" not in run.message
