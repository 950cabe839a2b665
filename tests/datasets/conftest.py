"""Files and datasets that the tests of this room share."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.cache import cache

from evalhub.accounts.models import Project, User
from evalhub.datasets import actions, tasks
from evalhub.datasets.models import Dataset, Example, ImportBatch

DEMO = Path(__file__).parents[2] / "demo" / "content_copy.jsonl"


@pytest.fixture(autouse=True)
def own_files(settings, tmp_path_factory):
    """Uploads of each test in a folder of its own, and no kept reports."""
    settings.MEDIA_ROOT = tmp_path_factory.mktemp("files")
    cache.clear()


@pytest.fixture
def dataset(project: Project, admin: User) -> Dataset:
    return actions.create_dataset(project, name="Content copy", by=admin, credit="CC0")


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """file(rows…) writes dictionaries, or lines as they are, as JSONL."""

    def write(*rows: dict | str, name: str = "rows.jsonl") -> Path:
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path = tmp_path / name
        path.write_text("\n".join(lines))
        return path

    return write


def row(number: int, **other: object) -> dict:
    return {
        "id": f"r{number}",
        "instruction": "Write a headline.",
        "input": f"Text {number}",
        "output": f"Headline {number}",
        **other,
    }


@pytest.fixture
def example(dataset: Dataset, admin: User) -> Example:
    return actions.approve(
        actions.propose_example(
            dataset, by=admin, values={"instruction": "Ask", "input": "Text", "output": "Answer"}, origin={}
        ),
        by=admin,
    )


def worked_off() -> list[ImportBatch]:
    """What a worker makes of the imports that wait, in line."""
    waiting = list(ImportBatch.objects.filter(state="queued").order_by("pk"))
    for batch in waiting:
        tasks.work(batch.pk)
        batch.refresh_from_db()
    return waiting
