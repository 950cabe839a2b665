"""A study made of ratings that were given elsewhere: closed from the start, its raters under pseudonyms."""

import json
import tempfile
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.text import slugify

from evalhub.accounts.models import AuditEvent, Project, User
from evalhub.datasets.reading import storable
from evalhub.errors import Refused
from evalhub.progress import Heard, told
from evalhub.studies.design import check_scale
from evalhub.studies.importing import Problem, RatingRow, Unreadable, read_ratings
from evalhub.studies.models import (
    Arm,
    Assignment,
    Correction,
    Criterion,
    Item,
    ItemAnswer,
    Rater,
    Rating,
    RatingScore,
    Study,
)
from evalhub.studies.naming import check_name, free_slug
from evalhub.studies.texts import unfit

LARGEST_FILE = 64 * 2**20  # bytes
NAMED = 3  # problems told in the sentence; all of them travel on the exception
MOST_ARMS = 12
Sheet = tuple[str, str]  # item, rater
BATCH = 2000


class ImportRefused(Refused):
    """Nothing was stored; `problems` names every bad row."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message, field="file")
        self.problems = tuple(problems)


def import_ratings(
    project: Project,
    *,
    name: str,
    path: Path,
    file_name: str,
    by: User,
    scale: tuple[int, int] = (1, 10),
    description: str = "",
    credit: str = "",
    baseline: str = "",
    mapping: Mapping[str, str] | None = None,
    primary_criterion: str = "overall",
    margin: float = 0.5,
    progress: Heard | None = None,
) -> Study:
    """A closed study from a long table (CSV or JSONL): item, arm, rater, criterion, value, and what else is known.

    All rows or none. Raises Refused when the name is taken, so a second import of the same file stores nothing;
    raises ImportRefused with every problem by line when a row cannot be used.
    """
    check_name(project, name)
    check_scale(scale)
    rows = _good_rows(path, file_name, scale, mapping)
    arms = _distinct(r.arm for r in rows)
    if baseline and baseline not in arms:
        raise Refused(f"There is no arm “{baseline}” in the file; it has {', '.join(arms)}.", field="baseline")
    with transaction.atomic():
        study = _make_study(project, name.strip(), rows, by, scale)
        study.description, study.credit, study.margin = description, credit, margin
        study.primary_criterion, study.facts = primary_criterion, {"file": storable(file_name)[:255]}
        study.save()
        _keep(study, rows, baseline or arms[0], progress)
        AuditEvent.objects.create(
            project=project, actor=by, verb="import ratings", target=f"study {study.slug}",
            details={"file": study.facts["file"], "values": len(rows)},
        )  # fmt: skip
    return study


def import_upload(project: Project, *, upload: "UploadedFile[Any]", by: User, **values: Any) -> Study:
    """import_ratings of a file sent by a browser or over the API, which passes through a file of our own."""
    check_size(upload.size or 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ratings"
        with path.open("wb") as file:
            file.writelines(upload.chunks())
        return import_ratings(project, path=path, file_name=upload.name or "The file", by=by, **values)


def _good_rows(
    path: Path, file_name: str, scale: tuple[int, int], mapping: Mapping[str, str] | None
) -> list[RatingRow]:
    try:
        check_size(Path(path).stat().st_size)
        rows, problems = read_ratings(Path(path).read_bytes(), file_name, scale=scale, mapping=mapping)
    except Unreadable as error:
        raise ImportRefused(str(error)) from error
    except OSError as error:
        raise ImportRefused(f"{file_name} cannot be read: {error.strerror}.") from error
    if problems:
        raise ImportRefused(_sentence(problems, len(rows)), problems)
    arms = _distinct(r.arm for r in rows)
    if len(arms) > MOST_ARMS:
        raise ImportRefused(f"The file has {len(arms)} different arms; at most {MOST_ARMS} can be compared.")
    return rows


def check_size(size: int) -> None:
    """Raise ImportRefused for a file of so many bytes that it is not read at all."""
    if size > LARGEST_FILE:
        raise ImportRefused(f"A file of ratings has at most {LARGEST_FILE // 2**20} MiB; nothing was read.")


def _sentence(problems: Sequence[Problem], good: int) -> str:
    lines = len({p.line for p in problems})
    named = "; ".join(str(p) for p in problems[:NAMED])
    more = f"; and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
    return f"{lines} of {good + lines} rows cannot be used, and nothing was stored: {named}{more}."


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


# --- keeping --------------------------------------------------------------------------------------


def _make_study(project: Project, name: str, rows: Sequence[RatingRow], by: User, scale: tuple[int, int]) -> Study:
    raters: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        raters[row.item].add(row.rater)
    now = timezone.now()
    return Study.objects.create(
        project=project, name=name, slug=free_slug(project, name),
        state=Study.State.CLOSED, origin=Study.Origin.IMPORTED, scale_min=scale[0], scale_max=scale[1],
        overlap=max(len(r) for r in raters.values()), created_by=by, opened_at=now, closed_at=now,
    )  # fmt: skip


def _keep(study: Study, rows: Sequence[RatingRow], baseline: str, heard: Heard | None) -> None:
    arms = _make_arms(study, rows, baseline)
    criteria = _make_criteria(study, rows)
    items = _make_items(study, rows)
    answers = _make_answers(rows, items, arms)
    raters = _make_raters(study, rows)
    sheets: dict[Sheet, list[RatingRow]] = defaultdict(list)
    for row in rows:
        sheets[row.item, row.rater].append(row)
    assignments = _make_assignments(sheets, items, raters, arms)
    _make_ratings(sheets, assignments, arms, criteria, answers, heard=heard)


def _make_arms(study: Study, rows: Sequence[RatingRow], baseline: str) -> dict[str, Arm]:
    names = [baseline, *(n for n in _distinct(r.arm for r in rows) if n != baseline)]
    made = Arm.objects.bulk_create(
        Arm(study=study, name=n, position=p, is_baseline=p == 1) for p, n in enumerate(names, 1)
    )
    return dict(zip(names, made, strict=True))


def _make_criteria(study: Study, rows: Sequence[RatingRow]) -> dict[str, Criterion]:
    """The column "overall" stays a criterion of its own, under the key that reports do not use for their mean."""
    names = _distinct(r.criterion for r in rows)
    keys: list[str] = []
    for number, name in enumerate(names, 1):
        stem = slugify(name)[:36] or f"criterion-{number}"
        stem = "overall-rating" if stem == "overall" else stem
        keys.append(stem if stem not in keys else f"{stem}-{number}")
    if study.primary_criterion != "overall" and study.primary_criterion not in keys:
        raise Refused(f"“{study.primary_criterion}” is not a criterion of the file.", field="primary_criterion")
    made = Criterion.objects.bulk_create(
        Criterion(study=study, key=key, name=name, position=p)
        for p, (key, name) in enumerate(zip(keys, names, strict=True))
    )
    return dict(zip(names, made, strict=True))


def _make_items(study: Study, rows: Sequence[RatingRow]) -> dict[str, Item]:
    known: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        for field in ("instruction", "input", "category"):
            if field in row.texts:
                known[row.item].setdefault(field, row.texts[field])
    names = _distinct(r.item for r in rows)
    made = Item.objects.bulk_create(
        (Item(study=study, key=n, position=p, **known[n]) for p, n in enumerate(names, 1)), batch_size=BATCH
    )
    return dict(zip(names, made, strict=True))


def _make_answers(
    rows: Sequence[RatingRow], items: Mapping[str, Item], arms: Mapping[str, Arm]
) -> dict[tuple[str, str], ItemAnswer]:
    texts: dict[tuple[str, str], str] = {}
    for row in rows:
        if row.texts.get("answer") or (row.item, row.arm) not in texts:
            texts[row.item, row.arm] = texts.get((row.item, row.arm)) or row.texts.get("answer", "")
    made = ItemAnswer.objects.bulk_create(
        (ItemAnswer(item=items[i], arm=arms[a], text=text) for (i, a), text in texts.items()), batch_size=BATCH
    )
    return dict(zip(texts, made, strict=True))


def _make_raters(study: Study, rows: Sequence[RatingRow]) -> dict[str, Rater]:
    names = _distinct(r.rater for r in rows)
    made = Rater.objects.bulk_create(Rater(study=study, pseudonym=name) for name in names)
    return dict(zip(names, made, strict=True))


def _make_assignments(
    sheets: Mapping[Sheet, Sequence[RatingRow]],
    items: Mapping[str, Item],
    raters: Mapping[str, Rater],
    arms: Mapping[str, Arm],
) -> dict[Sheet, Assignment]:
    slots: dict[str, int] = defaultdict(int)
    rows = []
    for (item, rater), values in sheets.items():
        slots[item] += 1
        rows.append(
            Assignment(
                item=items[item], slot=slots[item], rater=raters[rater], state=Assignment.State.SUBMITTED,
                order=_order(values, arms), finished_at=_time(values),
            )
        )  # fmt: skip
    return dict(zip(sheets, Assignment.objects.bulk_create(rows, batch_size=BATCH), strict=True))


def _order(values: Sequence[RatingRow], arms: Mapping[str, Arm]) -> list[int]:
    """Arm ids from left to right where the file says the positions, else empty: unknown."""
    places = {row.position: arms[row.arm].pk for row in values if row.position is not None}
    return [places[p] for p in sorted(places)]


def _time(values: Sequence[RatingRow]) -> datetime:
    stamp = next((row.texts["time"] for row in values if "time" in row.texts), "")
    try:
        moment = parse_datetime(stamp)
    except ValueError:
        moment = None
    if moment is None:
        return timezone.now()
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _make_ratings(
    sheets: Mapping[Sheet, Sequence[RatingRow]],
    assignments: Mapping[Sheet, Assignment],
    arms: Mapping[str, Arm],
    criteria: Mapping[str, Criterion],
    answers: Mapping[tuple[str, str], ItemAnswer],
    *,
    heard: Heard | None,
) -> None:
    ratings: list[Rating] = []
    scores: list[RatingScore] = []
    marks: list[Correction] = []
    for sheet, values in told(sheets.items(), len(sheets), heard):
        last = max(row.round for row in values)
        for number in sorted({row.round for row in values}):
            given = [row for row in values if row.round == number]
            rating = _rating(assignments[sheet], given, arms, number=number, is_current=number == last)
            ratings.append(rating)
            scores += [
                RatingScore(rating=rating, arm=arms[r.arm], criterion=criteria[r.criterion], value=r.value,
                            position=r.position)
                for r in given
            ]  # fmt: skip
            marks += [m for row in given for m in _marks(rating, row, answers)]
    Rating.objects.bulk_create(ratings, batch_size=BATCH)
    RatingScore.objects.bulk_create(scores, batch_size=BATCH)
    Correction.objects.bulk_create(marks, batch_size=BATCH)


def _rating(
    assignment: Assignment, given: Sequence[RatingRow], arms: Mapping[str, Arm], *, number: int, is_current: bool
) -> Rating:
    preference = next((r.texts["preference"] for r in given if "preference" in r.texts), "")
    return Rating(
        assignment=assignment, number=number, is_current=is_current, submit_key=uuid.uuid4(),
        comment="\n".join(_distinct(r.texts["comment"] for r in given if "comment" in r.texts)),
        preference=str(arms[preference].pk) if preference in arms else preference[:20],
        active_seconds=next((r.seconds for r in given if r.seconds is not None), None),
        submitted_at=_time(given),
    )  # fmt: skip


def _marks(rating: Rating, row: RatingRow, answers: Mapping[tuple[str, str], ItemAnswer]) -> list[Correction]:
    """Spans marked on an answer: a JSON list of [selection, note]. A cell that is none is refused by its line."""
    if "marks" not in row.texts:
        return []
    try:
        pairs = [(str(selection), str(note)) for selection, note in json.loads(row.texts["marks"])]
    except (ValueError, TypeError, RecursionError) as error:
        raise ImportRefused(f"Line {row.line}: marks must be a JSON list of [selection, note] pairs.") from error
    if reason := next((found for text in sum(pairs, ()) if (found := unfit(text, "marks"))), ""):
        raise ImportRefused(f"Line {row.line}: {reason}.")
    answer = answers[row.item, row.arm]
    return [Correction(rating=rating, item_answer=answer, selection=s, note=n) for s, n in pairs]
