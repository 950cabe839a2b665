"""The long table of a study: one row per value, as CSV or JSONL, that import_ratings reads back to the same values."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import Case, When

from evalhub.studies.importing import FORMULA_STARTS
from evalhub.studies.models import Correction, ItemAnswer, RatingScore, Study
from evalhub.studies.naming import arm_names

COLUMNS = (
    "study", "item", "category", "arm", "rater", "criterion", "value", "position", "round", "guidelines_version",
    "seconds", "time", "state", "preference", "comment", "marks", "answer", "instruction", "input",
)  # fmt: skip
Row = dict[str, Any]


def long_rows(study: Study, *, texts: bool = True) -> Iterator[Row]:
    """One row per value, every revision of it: `round` 1 is the blind value, `state` says which one counts.

    Arms go by neutral names, in neutral order, until they are revealed.
    Texts stand once: an answer at its first value, a task and a comment likewise, so that files stay small.
    """
    said: set[tuple[str, ...]] = set()
    answers = {(a.item_id, a.arm_id): a.text for a in ItemAnswer.objects.filter(item__study=study)} if texts else {}
    arms = arm_names(study)
    preferences = {str(pk): name for pk, name in arms.items()}
    marks = _marks(study)
    for score in _scores(study, arms).iterator(chunk_size=2000):
        row = _numbers(study, score, arms) | dict.fromkeys(("preference", "comment", "marks"), "")
        rating, item = score.rating, score.rating.assignment.item
        if _first(said, "rating", str(rating.pk)):
            row |= {"comment": rating.comment, "preference": preferences.get(rating.preference, rating.preference)}
        if _first(said, "marks", f"{rating.pk}:{score.arm_id}"):
            row["marks"] = marks.get((rating.pk, score.arm_id), "")
        if texts:
            row["answer"] = (
                answers.get((item.pk, score.arm_id), "") if _first(said, item.key, str(score.arm_id)) else ""
            )
            task = _first(said, "task", item.key)
            row |= {"instruction": item.instruction if task else "", "input": item.input if task else ""}
        yield row


def as_csv(study: Study, *, texts: bool = True) -> Iterator[str]:
    """The long table as CSV lines, its head first; cells that a spreadsheet would take for a formula are made plain."""
    columns = COLUMNS if texts else COLUMNS[:-3]
    yield _csv_line(columns)
    for row in long_rows(study, texts=texts):
        yield _csv_line([plain_cell(row[name]) for name in columns])


def as_jsonl(study: Study, *, texts: bool = True) -> Iterator[str]:
    for row in long_rows(study, texts=texts):
        yield json.dumps(row, ensure_ascii=False) + "\n"


def plain_cell(value: Any) -> Any:
    """Text that begins like a formula gets an apostrophe before it; importing takes it away again."""
    return f"'{value}" if isinstance(value, str) and value[:1] and value[0] in FORMULA_STARTS else value


def _scores(study: Study, arms: Mapping[int, str]) -> Any:
    order = ("rating__assignment__item__position", "rating__assignment__slot", "rating__number", "criterion__position")
    return (
        RatingScore.objects.filter(rating__assignment__item__study=study)
        .select_related("rating__assignment__item", "rating__assignment__rater", "criterion")
        .order_by(*order, Case(*(When(arm=pk, then=place) for place, pk in enumerate(arms)), default=0))
    )


def _numbers(study: Study, score: RatingScore, arms: Mapping[int, str]) -> Row:
    rating, assignment = score.rating, score.rating.assignment
    return {
        "study": study.name,
        "item": assignment.item.key,
        "category": assignment.item.category,
        "arm": arms[score.arm_id],
        "rater": assignment.rater.pseudonym if assignment.rater else "",
        "criterion": score.criterion.name,
        "value": int(score.value) if score.value.is_integer() else score.value,
        "position": score.position,
        "round": rating.number,
        "guidelines_version": rating.guidelines_version,
        "seconds": rating.active_seconds,
        "time": rating.submitted_at.isoformat(),
        "state": "current" if rating.is_current else "superseded",
    }


def _marks(study: Study) -> Mapping[tuple[int, int], str]:
    """(rating, arm) → JSON list of [selection, note]; a corrected answer is a mark on the whole: ["", text]."""
    pairs: dict[tuple[int, int], list[list[str]]] = {}
    marks = Correction.objects.filter(rating__assignment__item__study=study).select_related("item_answer")
    for mark in marks.order_by("pk"):
        pairs.setdefault((mark.rating_id, mark.item_answer.arm_id), []).append([mark.selection, mark.note or mark.text])
    return {key: json.dumps(value, ensure_ascii=False) for key, value in pairs.items()}


def _first(said: set[tuple[str, ...]], *key: str) -> bool:
    if key in said:
        return False
    said.add(key)
    return True


def _csv_line(cells: Any) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
