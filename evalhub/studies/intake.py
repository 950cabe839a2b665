"""A study made of ratings that were given elsewhere: closed from the start, its raters under pseudonyms.

All rows are made before the transaction, which only writes them: on SQLite nobody else can write meanwhile.
"""

import json
import tempfile
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
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


@dataclass(frozen=True)
class Intake:
    """A study and its rows, compared and made, none of them stored."""

    study: Study
    by: User
    arms: dict[str, Arm]
    criteria: dict[str, Criterion]
    items: dict[str, Item]
    answers: dict[tuple[str, str], ItemAnswer]
    raters: dict[str, Rater]
    assignments: dict[Sheet, Assignment]
    orders: dict[Sheet, list[Arm]]
    ratings: list[Rating]
    preferences: dict[uuid.UUID, Arm]
    scores: list[RatingScore]
    marks: list[Correction]


def import_ratings(project: Project, *, by: User, **asked: Any) -> Study:
    """prepared_ratings, stored at once."""
    return store_ratings(prepared_ratings(project, by=by, **asked))


def prepared_ratings(
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
) -> Intake:
    """A closed study of a long table (CSV or JSONL): item, arm, rater, criterion, value, and what else is known.

    All rows or none. Raises Refused when the name is taken, so a second import of the same file stores nothing;
    raises ImportRefused with every problem by line when a row cannot be used.
    """
    check_name(project, name)
    check_scale(scale)
    rows = _good_rows(path, file_name, scale, mapping, half(progress, 0))
    arms = _distinct(r.arm for r in rows)
    if baseline and baseline not in arms:
        raise Refused(f"There is no arm “{baseline}” in the file; it has {', '.join(arms)}.", field="baseline")
    study = _study(project, name.strip(), rows, by, scale)
    study.description, study.credit, study.margin = description, credit, margin
    study.primary_criterion, study.facts = primary_criterion, {"file": storable(file_name)[:255]}
    return _made(study, rows, baseline or arms[0], by, half(progress, 1))


def store_ratings(intake: Intake) -> Study:
    """Write what was prepared, in one transaction. Raises Refused where the study's name was taken meanwhile."""
    study = intake.study
    with transaction.atomic():
        check_name(study.project, study.name)
        study.slug = free_slug(study.project, study.name)
        study.save(force_insert=True)
        _store(intake)
        AuditEvent.objects.create(
            project=study.project, actor=intake.by, verb="import ratings", target=f"study {study.slug}",
            details={"file": study.facts["file"], "values": len(intake.scores)},
        )  # fmt: skip
    return study


def half(heard: Heard | None, number: int) -> Heard | None:
    """Told of one of two halves of the work, `heard` learns of the whole: first reading, then making rows."""
    return heard and (lambda done, total: heard(number * total + done, 2 * total))


def import_upload(project: Project, *, upload: "UploadedFile[Any]", by: User, **values: Any) -> Study:
    """import_ratings of a file sent by a browser or over the API, which passes through a file of our own."""
    check_size(upload.size or 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ratings"
        with path.open("wb") as file:
            file.writelines(upload.chunks())
        return import_ratings(project, path=path, file_name=upload.name or "The file", by=by, **values)


def _good_rows(
    path: Path, file_name: str, scale: tuple[int, int], mapping: Mapping[str, str] | None, heard: Heard | None
) -> list[RatingRow]:
    try:
        check_size(Path(path).stat().st_size)
        rows, problems = read_ratings(Path(path).read_bytes(), file_name, scale=scale, mapping=mapping, heard=heard)
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


# --- making ---------------------------------------------------------------------------------------


def _study(project: Project, name: str, rows: Sequence[RatingRow], by: User, scale: tuple[int, int]) -> Study:
    raters: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        raters[row.item].add(row.rater)
    now = timezone.now()
    return Study(
        project=project, name=name, state=Study.State.CLOSED, origin=Study.Origin.IMPORTED, scale_min=scale[0],
        scale_max=scale[1], overlap=max(len(r) for r in raters.values()), created_by=by, opened_at=now, closed_at=now,
    )  # fmt: skip


def _made(study: Study, rows: Sequence[RatingRow], baseline: str, by: User, heard: Heard | None) -> Intake:
    arms, items = _arms(study, rows, baseline), _items(study, rows)
    sheets: dict[Sheet, list[RatingRow]] = defaultdict(list)
    for row in rows:
        sheets[row.item, row.rater].append(row)
    raters = {name: Rater(study=study, pseudonym=name) for name in _distinct(r.rater for r in rows)}
    intake = Intake(
        study, by, arms, _criteria(study, rows), items, _answers(rows, items, arms), raters,
        _assignments(sheets, items, raters), {sheet: _order(values, arms) for sheet, values in sheets.items()},
        [], {}, [], [],
    )  # fmt: skip
    for sheet, values in counted(sheets.items(), [len(v) for v in sheets.values()], heard):
        _add_ratings(intake, sheet, values)
    return intake


def counted(
    sheets: Iterable[tuple[Sheet, list[RatingRow]]], sizes: Sequence[int], heard: Heard | None
) -> Iterator[tuple[Sheet, list[RatingRow]]]:
    """The same sheets; `heard` learns how many rows they held, now and then."""
    done, total = list(accumulate(sizes)), sum(sizes)
    by_row = heard and (lambda sheet, _: heard(done[sheet - 1], total))
    yield from told(sheets, len(sizes), by_row)


def _arms(study: Study, rows: Sequence[RatingRow], baseline: str) -> dict[str, Arm]:
    names = [baseline, *(n for n in _distinct(r.arm for r in rows) if n != baseline)]
    return {n: Arm(study=study, name=n, position=p, is_baseline=p == 1) for p, n in enumerate(names, 1)}


def _criteria(study: Study, rows: Sequence[RatingRow]) -> dict[str, Criterion]:
    """The column "overall" stays a criterion of its own, under the key that reports do not use for their mean."""
    names = _distinct(r.criterion for r in rows)
    keys: list[str] = []
    for number, name in enumerate(names, 1):
        stem = slugify(name)[:36] or f"criterion-{number}"
        stem = "overall-rating" if stem == "overall" else stem
        keys.append(stem if stem not in keys else f"{stem}-{number}")
    if study.primary_criterion != "overall" and study.primary_criterion not in keys:
        raise Refused(f"“{study.primary_criterion}” is not a criterion of the file.", field="primary_criterion")
    return {
        name: Criterion(study=study, key=key, name=name, position=p)
        for p, (key, name) in enumerate(zip(keys, names, strict=True))
    }


def _items(study: Study, rows: Sequence[RatingRow]) -> dict[str, Item]:
    known: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        for field in ("instruction", "input", "category"):
            if field in row.texts:
                known[row.item].setdefault(field, row.texts[field])
    names = _distinct(r.item for r in rows)
    return {n: Item(study=study, key=n, position=p, **known[n]) for p, n in enumerate(names, 1)}


def _answers(
    rows: Sequence[RatingRow], items: Mapping[str, Item], arms: Mapping[str, Arm]
) -> dict[tuple[str, str], ItemAnswer]:
    texts: dict[tuple[str, str], str] = {}
    for row in rows:
        if row.texts.get("answer") or (row.item, row.arm) not in texts:
            texts[row.item, row.arm] = texts.get((row.item, row.arm)) or row.texts.get("answer", "")
    return {(i, a): ItemAnswer(item=items[i], arm=arms[a], text=text) for (i, a), text in texts.items()}


def _assignments(
    sheets: Mapping[Sheet, Sequence[RatingRow]], items: Mapping[str, Item], raters: Mapping[str, Rater]
) -> dict[Sheet, Assignment]:
    slots: dict[str, int] = defaultdict(int)
    made = {}
    for (item, rater), values in sheets.items():
        slots[item] += 1
        made[item, rater] = Assignment(
            item=items[item], slot=slots[item], rater=raters[rater], state=Assignment.State.SUBMITTED,
            finished_at=_time(values),
        )  # fmt: skip
    return made


def _order(values: Sequence[RatingRow], arms: Mapping[str, Arm]) -> list[Arm]:
    """Arms from left to right where the file says the positions, else empty: unknown."""
    places = {row.position: arms[row.arm] for row in values if row.position is not None}
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


def _add_ratings(intake: Intake, sheet: Sheet, values: Sequence[RatingRow]) -> None:
    """What a rater gave to an item: a rating for each round, its values, the spans marked."""
    last = max(row.round for row in values)
    for number in sorted({row.round for row in values}):
        given = [row for row in values if row.round == number]
        rating = _rating(intake, sheet, given, number=number, is_current=number == last)
        intake.ratings.append(rating)
        intake.scores.extend(
            RatingScore(rating=rating, arm=intake.arms[r.arm], criterion=intake.criteria[r.criterion], value=r.value,
                        position=r.position)
            for r in given
        )  # fmt: skip
        intake.marks.extend(m for row in given for m in _marks(rating, row, intake.answers))


def _rating(intake: Intake, sheet: Sheet, given: Sequence[RatingRow], *, number: int, is_current: bool) -> Rating:
    preference = next((r.texts["preference"] for r in given if "preference" in r.texts), "")
    rating = Rating(
        assignment=intake.assignments[sheet], number=number, is_current=is_current, submit_key=uuid.uuid4(),
        comment="\n".join(_distinct(r.texts["comment"] for r in given if "comment" in r.texts)),
        preference=preference[:20], submitted_at=_time(given),
        active_seconds=next((r.seconds for r in given if r.seconds is not None), None),
    )  # fmt: skip
    if preference in intake.arms:
        intake.preferences[rating.submit_key] = intake.arms[preference]
    return rating


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


# --- storing --------------------------------------------------------------------------------------


def _store(intake: Intake) -> None:
    """Row after row in bulk, first what others point to; what names an arm by its id is filled in between."""
    Arm.objects.bulk_create(intake.arms.values())
    Criterion.objects.bulk_create(intake.criteria.values())
    Item.objects.bulk_create(intake.items.values(), batch_size=BATCH)
    ItemAnswer.objects.bulk_create(intake.answers.values(), batch_size=BATCH)
    Rater.objects.bulk_create(intake.raters.values())
    for sheet, order in intake.orders.items():
        intake.assignments[sheet].order = [arm.pk for arm in order]
    Assignment.objects.bulk_create(intake.assignments.values(), batch_size=BATCH)
    for rating in intake.ratings:
        if arm := intake.preferences.get(rating.submit_key):
            rating.preference = str(arm.pk)
    Rating.objects.bulk_create(intake.ratings, batch_size=BATCH)
    RatingScore.objects.bulk_create(intake.scores, batch_size=BATCH)
    Correction.objects.bulk_create(intake.marks, batch_size=BATCH)
