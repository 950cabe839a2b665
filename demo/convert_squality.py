"""SQuALITY's human evaluation → our long table of ratings.

    python demo/convert_squality.py all-responses.jsonl demo/squality_ratings.csv

`all-responses.jsonl` is data/human-eval of https://github.com/nyu-mll/SQuALITY (see squality.CREDIT.md).
An answer's text stands once, at its first value; marked spans stand once per answer and rater.
"""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

COLUMNS = ("item", "arm", "rater", "criterion", "value", "instruction", "answer", "marks")
ARMS = ("bart", "bart-dpr", "human")
CRITERIA = {"correctness": "correctness-rating", "coverage": "selection-rating", "overall": "overall-rating"}


def rows(path: Path) -> Iterator[list[str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        story = json.loads(line)
        for question, systems in story["questions"].items():
            item = f"{story['passage-id']}-{question}"
            task = f"Summarise story {story['passage-id']} (Project Gutenberg) in answer to question {question}."
            for arm in ARMS:
                yield from of_answer(item, arm, systems[arm], task if arm == ARMS[0] else "")


def of_answer(item: str, arm: str, answer: dict[str, Any], task: str) -> Iterator[list[str]]:
    text = answer["response"]
    for review in answer["reviews"]:
        marks = [[a["selection"], " ".join(a["annotation"]).strip()] for a in review["annotations"]]
        told = json.dumps(marks, ensure_ascii=False) if marks else ""
        for criterion, column in CRITERIA.items():
            yield [item, arm, review["worker_id"], criterion, str(review[column]), task, text, told]
            task = text = told = ""


def plain(cell: str) -> str:
    """A cell that a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{cell}" if cell[:1] in tuple("=+-@\t\r'") else cell


def main(source: str, target: str) -> None:
    with Path(target).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([plain(cell) for cell in row] for row in rows(Path(source)))


if __name__ == "__main__":
    main(*sys.argv[1:])
