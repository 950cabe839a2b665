"""A real study as arrays: 100 items × 3 systems × 4 raters (3 of them on each item), from the demo's long table."""

import csv
import json
from functools import cache
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
CSV = ROOT / "demo" / "squality_ratings.csv"
SYSTEMS = ("bart", "bart-dpr", "human")
COLUMNS = {"correctness": "correctness_rating", "coverage": "coverage_rating", "overall": "overall_rating"}


@cache
def expected() -> dict:
    return json.loads((ROOT / "tests" / "data" / "squality_expected.json").read_text())


@cache
def scores(criterion: str) -> np.ndarray:
    """(items, systems, raters), NaN where a rater did not rate."""
    with CSV.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["criterion"] == criterion]
    items, raters = (list(dict.fromkeys(row[name] for row in rows)) for name in ("item", "rater"))
    table = np.full((len(items), len(SYSTEMS), len(raters)), np.nan)
    for row in rows:
        table[items.index(row["item"]), SYSTEMS.index(row["arm"]), raters.index(row["rater"])] = float(row["value"])
    return table


def units(criterion: str) -> tuple[np.ndarray, np.ndarray]:
    """Ratings (answers, raters) and the item of each answer."""
    table = scores(criterion)
    return table.reshape(-1, table.shape[2]), np.repeat(np.arange(len(table)), table.shape[1])
