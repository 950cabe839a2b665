"""A toy base model for a whole session, and an environment that each run may change for itself."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tests.training import toy


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """The toy is too small for two, and on a busy machine they wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """Runs in this process set variables for their libraries; they end with the test."""
    before = dict(os.environ)
    os.environ["OMP_NUM_THREADS"] = "1"
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def launch() -> Iterator[Callable[[Path], "subprocess.Popen[str]"]]:
    """`python -m training FOLDER`, as a worker starts it; ended with the test whatever happens."""
    started: list[subprocess.Popen[str]] = []

    def begin(folder: Path) -> "subprocess.Popen[str]":
        started.append(toy.start(folder))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()
