"""The small file that the walk and the loop start from: 24 rows about invented towns, split by the file itself."""

import json
from collections.abc import Iterator
from pathlib import Path

TOWNS = ("Ashford", "Brindle", "Corley", "Dunmere", "Elstow", "Farnley", "Garside", "Holme")
NEWS = (
    ("library", "opens on Sundays", "after 200 readers asked for it", "The council pays for two more librarians."),
    ("bridge", "closes for repairs", "because a pillar has moved", "Buses go by the mill until the work is done."),
    ("school", "plants an orchard", "with trees that parents gave", "The first apples are expected in three years."),
)
SPLITS = {5: "validation", 6: "test", 7: "test"}


def rows() -> Iterator[dict[str, str]]:
    """Examples: instruction, input, output, with key, category, source and split."""
    for number, town in enumerate(TOWNS):
        for subject, verb, why, more in NEWS:
            yield {
                "id": f"{subject}-{town.lower()}",
                "instruction": "Write a headline for this notice, at most ten words.",
                "input": f"The {subject} in {town} {verb} {why}. {more} The mayor thanked everyone who helped.",
                "output": f"{town} {subject} {verb}",
                "category": subject,
                "source": f"{town} gazette",
                "split": SPLITS.get(number, "train"),
            }


def rated_rows() -> list[dict[str, str]]:
    """The rows that are answered and rated."""
    return [row for row in rows() if row["split"] == "test"]


def editors_answer(row: dict[str, str]) -> str:
    """What another writer, outside the product, gave for this row."""
    return f"News from {row['source'].split()[0]}: the {row['category']} {row['output'].split(maxsplit=2)[2]}"


def write_examples(folder: Path) -> Path:
    return _write(folder / "notices.jsonl", list(rows()))


def write_answers(folder: Path) -> Path:
    return _write(folder / "editors.jsonl", [{"key": row["id"], "output": editors_answer(row)} for row in rated_rows()])


def _write(path: Path, lines: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path
