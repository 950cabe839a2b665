"""The small file that the walk and the loop start from: 24 rows about invented towns, split by the file itself."""

import json
from collections.abc import Iterator
from pathlib import Path

TOWNS = {  # and what only the notices of this town say, so that no two towns' notices nearly repeat each other
    "Ashford": "Snow kept the square empty, yet forty people came with lamps, soup and a brass band from the harbour.",
    "Brindle": "A vote last March went nine to four; the losing side will inspect every invoice before summer ends.",
    "Corley": "Nobody remembers such a crowd since the circus lost two elephants between station and cattle market.",
    "Dunmere": "Fishermen offered nets, rope and advice, while their cooperative lends its warehouse until Whitsun.",
    "Elstow": "An engineer from abroad drew the plans twice, because her first set was carried off by flood water.",
    "Farnley": "Volunteers meet at dawn on Thursdays; gloves are provided, dogs welcome, and coffee costs nothing.",
    "Garside": "Grandmother, mother and daughter cut the ribbon with scissors forged when the railway arrived.",
    "Holme": "Letters for and against fill this page; whoever sends a poem should keep it below twelve lines, please.",
}
NEWS = (
    ("library", "opens on Sundays", "after 200 readers asked for it"),
    ("bridge", "closes for repairs", "because a pillar has moved"),
    ("school", "plants an orchard", "with trees that parents gave"),
)
SPLITS = {5: "validation", 6: "test", 7: "test"}


def rows() -> Iterator[dict[str, str]]:
    """Examples: instruction, input, output, with key, category, source and split."""
    for number, (town, only_here) in enumerate(TOWNS.items()):
        for subject, verb, why in NEWS:
            yield {
                "id": f"{subject}-{town.lower()}",
                "instruction": "Write a headline for this notice, at most ten words.",
                "input": f"The {subject} in {town} {verb} {why}. {only_here}",
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
