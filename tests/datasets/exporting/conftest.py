"""A version with everything that an export could lose or change, and the way there and back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalhub.accounts.models import Project, User
from evalhub.datasets import actions
from evalhub.datasets.entries import FROZEN
from evalhub.datasets.models import Dataset, ImportBatch, Version

HISTORY = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "=Nobody\n"}]
ROWS: list[dict[str, Any]] = [
    {"instruction": "Sum up.", "input": "=1+1", "output": "-2", "id": "a1", "split": "train", "category": "sums"},
    {"instruction": "Say hello.", "output": "'=quoted already", "system": "Be brief.\n\nBe kind.", "split": "train"},
    {"instruction": "Go on.", "input": " spaced \n\nand lined\n", "output": "+49 30 123", "history": HISTORY,
     "split": "validation", "source": "https://example.org/a,b", "language": "en", "tags": ["a,b", "c;d"]},
    {"instruction": "לתרגם", "input": "مرحبا، \u200fعالم\u200f", "output": "@你好，“世界”", "split": "test",
     "language": "ar", "difficulty": 3, "nested": {"a": [1, None, "=x"]}},
    {"instruction": "Ask\n\n", "input": "\n\nodd joints\n\n", "output": "\tTab first", "split": "train",
     "metadata": "not an object"},
    {"instruction": "Line separators", "output": "a\u2028b\u0085c d", "split": "test", "category": "=sums"},
    {"instruction": "Nothing else", "output": "#N/A", "split": "train", "context": ""},
]  # fmt: skip


@pytest.fixture
def version(dataset: Dataset, admin: User, file: Callable[..., Path]) -> Version:
    path = file(*ROWS)
    batch = actions.import_file(dataset, path=path, file_name=path.name, by=admin)
    assert batch.imported == len(ROWS), batch.problems
    return actions.freeze_version(dataset, by=admin, leak_reason="as given")


@pytest.fixture
def older(version: Version) -> Version:
    """The same, as it was frozen before language, tags and metadata were frozen with the texts."""
    settings = {name: value for name, value in version.settings.items() if name not in ("details_hash", "checks")}
    facts = {"counts": version.counts, "data_hash": version.data_hash, "frozen_by": version.frozen_by}
    made = Version.objects.create(dataset=version.dataset, number=2, settings=settings, **facts)
    for entry in version.entries.all():
        values = {name: entry.values[name] for name in FROZEN}
        made.entries.create(
            example_id=entry.example_id, split=entry.split, position=entry.position, values=values,
            revision_number=entry.revision_number,
        )  # fmt: skip
    return made


@pytest.fixture
def imported(project: Project, admin: User) -> Callable[..., Dataset]:
    """imported(path…) brings files into an empty dataset, and nothing of them is set aside."""

    def bring(*paths: Path) -> Dataset:
        made = actions.create_dataset(project, name=f"Copy {Dataset.objects.count()}", by=admin)
        for path in paths:
            batch: ImportBatch = actions.import_file(made, path=path, file_name=path.name, by=admin)
            assert not batch.set_aside, batch.problems
        return made

    return bring


@pytest.fixture
def hash_of(admin: User) -> Callable[[Dataset], str]:
    """hash_of(dataset) freezes it with the sides that its rows ask for."""
    return lambda dataset: actions.freeze_version(dataset, by=admin, leak_reason="as given").data_hash
