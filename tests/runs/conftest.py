"""A frozen version, a base model, and the small program that stands in for the heavy ones."""

import sys
from pathlib import Path

import pytest

from evalhub.datasets.models import Dataset, Example, Version, VersionExample
from evalhub.runs import actions

PROGRAM = Path(__file__).with_name("program.py")
SPLITS = ("train", "train", "train", "train", "validation", "test", "test", "test")


def programs(mode):
    command = [sys.executable, str(PROGRAM), mode]
    return {"training": command, "inference": command, "vllm": command}


@pytest.fixture(autouse=True)
def _own_folders(settings, tmp_path):
    settings.RUNS_FOLDER = tmp_path / "runs"
    settings.MEDIA_ROOT = tmp_path / "files"
    settings.RUN_PROGRAMS = programs("quick")
    settings.MODEL_ROOTS = [*settings.MODEL_ROOTS, tmp_path]


@pytest.fixture
def mode(settings):
    """Choose how the program behaves."""

    def choose(name):
        settings.RUN_PROGRAMS = programs(name)

    return choose


def freeze(dataset, user, splits=SPLITS, number=1, **more):
    version = Version.objects.create(dataset=dataset, number=number, frozen_by=user, data_hash="d" * 64, **more)
    for position, split in enumerate(splits):
        values = {
            "key": f"row-{position}", "instruction": f"Write headline {position}.", "input": f"Text {position}.",
            "output": f"Headline {position}", "system": "", "history": [], "category": "", "source": "",
        }  # fmt: skip
        example, _ = Example.objects.get_or_create(
            dataset=dataset, fingerprint=f"{position}",
            defaults={name: values[name] for name in ("key", "instruction", "input", "output")},
        )  # fmt: skip
        VersionExample.objects.create(
            version=version, example=example, split=split, position=position, revision_number=1, values=values
        )
    return version


@pytest.fixture
def dataset(project, admin):
    return Dataset.objects.create(project=project, name="Website copy", slug="website-copy", created_by=admin)


@pytest.fixture
def version(dataset, admin):
    return freeze(dataset, admin)


@pytest.fixture
def base(project, admin):
    return actions.register_model(project, name="Small base", reference="acme/small", by=admin)


@pytest.fixture
def trained(project, base, version, admin):
    """A succeeded training run with its adapter."""
    run = actions.request_training(project, base=base, version=version, by=admin, name="First adapter", send=False)
    return actions.perform(run)


@pytest.fixture
def generated(project, base, version, admin):
    """A succeeded generation run of the base model."""
    run = actions.request_generation(project, model=base, version=version, by=admin, send=False)
    return actions.perform(run)
