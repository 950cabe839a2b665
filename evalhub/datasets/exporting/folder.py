"""Rows as a dataset folder in the layout of the Hugging Face hub: data/SPLIT.parquet, and README.md that names them.

https://huggingface.co/docs/hub/datasets-manual-configuration
"""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from evalhub.datasets.exporting.columnar import ParquetRows, columns_of, groups
from evalhub.datasets.exporting.extracts import Extract, sides_of
from evalhub.datasets.models import Split
from evalhub.datasets.shapes import shaped

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
         (10_000_000, "1M<n<10M"))  # fmt: skip


def write(extract: Extract, shape: str, path: Path) -> None:
    """The folder, which must not be there yet."""
    (path / "data").mkdir(parents=True)
    counts = _write_sides(extract, shape, path / "data")
    (path / "README.md").write_text(readme(extract, counts), encoding="utf-8")


def _write_sides(extract: Extract, shape: str, folder: Path) -> dict[str, int]:
    """{side: how many rows}; a file for each side that has any."""
    files: dict[str, ParquetRows] = {}
    columns = columns_of(extract, shape)
    with ExitStack() as stack:
        for group in groups(extract.rows()):
            for side, rows in sides_of(group).items():
                if side not in files:
                    files[side] = stack.enter_context(ParquetRows(folder / f"{side}.parquet", columns))
                files[side].add([shaped(row, shape) for row in rows])
    return {side: files[side].count for side in Split.values if side in files}


def readme(extract: Extract, counts: Mapping[str, int]) -> str:
    """The card: YAML for the hub, then Markdown for people."""
    head = yaml.safe_dump(_metadata(extract, counts), allow_unicode=True, sort_keys=False)
    return f"---\n{head}---\n\n{extract.about()}"


def _metadata(extract: Extract, counts: Mapping[str, int]) -> dict[str, Any]:
    files = [{"split": side, "path": f"data/{side}.parquet"} for side in counts]
    return {
        "pretty_name": extract.title,
        "task_categories": ["text-generation"],
        "size_categories": [size(extract.count)],
        "configs": [{"config_name": "default", "default": True, "data_files": files}],
    }


def size(count: int) -> str:
    """As the hub sorts datasets by size."""
    return next((name for limit, name in SIZES if count < limit), "n>10M")
