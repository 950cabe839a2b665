"""Where a study stands: counts for the admin's page, the list and the expert's desk. Reads only."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Q, QuerySet

from evalhub.accounts.models import Project, User
from evalhub.studies.blinding import Draft, Progress, draft_of, letters_of
from evalhub.studies.models import Assignment, Flag, Item, Rater, Rating, Study
from evalhub.studies.naming import is_blind, told_texts
from evalhub.studies.rating import Waiting, progress_of, waiting

State = Assignment.State


@dataclass(frozen=True)
class StudyProgress:
    """Ratings of a study: done of wanted, in hand, skipped; seconds an item takes; seconds of work left."""

    done: int
    wanted: int
    in_hand: int
    skipped: int
    flags: int
    seconds_per_item: float | None

    @property
    def seconds_left(self) -> float | None:
        return None if self.seconds_per_item is None else self.seconds_per_item * (self.wanted - self.done)


@dataclass(frozen=True)
class StudyRow:
    """A line of the list of studies."""

    study: Study
    description: str
    items: int
    arms: int
    raters: int
    done: int
    wanted: int


@dataclass(frozen=True)
class RaterProgress:
    rater: Rater
    done: int
    in_hand: int
    skipped: int
    flags: int
    last: datetime | None
    seconds_per_item: float | None


@dataclass(frozen=True)
class DeskCard:
    """One study on an expert's desk; `waiting` says why there is nothing to take, `held` that an item is in hand."""

    study: Study
    progress: Progress
    waiting: Waiting | None
    held: bool
    arms: int
    criteria: int
    seconds_per_item: float | None

    @property
    def can_rate(self) -> bool:
        return self.study.state == Study.State.OPEN and (self.held or self.waiting is None)


@dataclass(frozen=True)
class PastRating:
    """A line of "Your last ratings": one's own scores by letter, criteria in the study's order."""

    study: Study
    token: str
    title: str
    scores: tuple[tuple[str, str], ...]  # letter, "8 8 7 8"
    at: datetime
    editable: bool


def study_rows(project: Project, *, designs: bool) -> list[StudyRow]:
    """Every study of the project with its counts, the newest first, for those who design studies or do not."""
    slots = Assignment.objects.filter(item__study__project=project).values_list("item__study", "state")
    counts = {(study, state): n for study, state, n in slots.annotate(n=Count("pk")).order_by()}
    studies = project.studies.annotate(
        n_items=Count("items", distinct=True),
        n_arms=Count("arms", distinct=True),
        n_raters=Count("raters", distinct=True),
    )
    return [
        StudyRow(
            study, told_texts(study, blind=is_blind(study, designs=designs))["description"],
            study.n_items, study.n_arms, study.n_raters, done := counts.get((study.pk, State.SUBMITTED), 0),
            done if study.origin == Study.Origin.IMPORTED else study.n_items * study.overlap,
        )
        for study in studies
    ]  # fmt: skip


def wanted(study: Study, items: int) -> int:
    """Ratings that make the study complete; of imported ones, those that came."""
    if study.origin == Study.Origin.IMPORTED:
        return Assignment.objects.filter(item__study=study).count()
    return items * study.overlap


def study_progress(study: Study) -> StudyProgress:
    states = dict(
        Assignment.objects.filter(item__study=study).values_list("state").annotate(n=Count("pk")).order_by("state")
    )
    return StudyProgress(
        done=states.get(State.SUBMITTED, 0),
        wanted=wanted(study, study.items.count()),
        in_hand=states.get(State.LEASED, 0),
        skipped=states.get(State.SKIPPED, 0),
        flags=open_flags(study).count(),
        seconds_per_item=_median(_seconds(study).values_list("active_seconds", flat=True)),
    )


def raters_progress(study: Study) -> list[RaterProgress]:
    raters = study.raters.select_related("user").annotate(
        n_done=Count("assignments", filter=Q(assignments__state=State.SUBMITTED)),
        n_held=Count("assignments", filter=Q(assignments__state=State.LEASED)),
        n_skipped=Count("assignments", filter=Q(assignments__state=State.SKIPPED)),
        last=Max("assignments__finished_at"),
    )
    flags = dict(
        Flag.objects.filter(assignment__item__study=study).values_list("assignment__rater").annotate(n=Count("pk"))
    )
    paces: dict[int, list[float]] = {}
    for rater, seconds in _seconds(study).values_list("assignment__rater", "active_seconds"):
        paces.setdefault(rater, []).append(seconds or 0.0)
    return [
        RaterProgress(r, r.n_done, r.n_held, r.n_skipped, flags.get(r.pk, 0), r.last, _median(paces.get(r.pk, [])))
        for r in raters
    ]


def items_progress(study: Study) -> QuerySet[Item]:
    """Items with `n_done`, `n_held`, `n_skipped`, `n_flags`."""
    return study.items.order_by("position").annotate(
        n_done=Count("assignments", filter=Q(assignments__state=State.SUBMITTED), distinct=True),
        n_held=Count("assignments", filter=Q(assignments__state=State.LEASED), distinct=True),
        n_skipped=Count("assignments", filter=Q(assignments__state=State.SKIPPED), distinct=True),
        n_flags=Count("assignments__flags", distinct=True),
    )


def open_flags(study: Study) -> QuerySet[Flag]:
    """Flags that nobody has resolved, the newest first."""
    flags = Flag.objects.filter(assignment__item__study=study, resolved_at=None)
    return flags.select_related("assignment__item", "assignment__rater").order_by("-id")


def desk(project: Project, user: User) -> list[DeskCard]:
    """The studies that wait for this expert: those with something to rate first, closed ones last."""
    mine = Rater.objects.filter(user=user, study__project=project).exclude(study__state=Study.State.DRAFT)
    counted = mine.select_related("study").annotate(
        n_arms=Count("study__arms", distinct=True), n_criteria=Count("study__criteria", distinct=True)
    )
    cards = [_card(rater, user) for rater in counted]
    return sorted(cards, key=lambda c: (not c.can_rate, c.study.state == Study.State.CLOSED, -c.study.pk))


def _card(rater: Rater, user: User) -> DeskCard:
    progress = progress_of(rater)
    held = rater.assignments.filter(state=State.LEASED).exists()
    counts: tuple[int, int] = (rater.n_arms, rater.n_criteria)  # type: ignore[attr-defined]  # annotated by desk
    pace = progress.seconds_left / progress.left if progress.seconds_left and progress.left else None
    return DeskCard(rater.study, progress, waiting(rater.study, user=user), held, *counts, pace)


def last_ratings(project: Project, user: User, *, limit: int = 8) -> list[PastRating]:
    """What this expert rated last, newest first."""
    mine = Rating.objects.filter(
        assignment__rater__user=user, assignment__item__study__project=project, is_current=True
    ).select_related("assignment__item__study")
    return [_past(rating) for rating in mine.order_by("-submitted_at")[:limit]]


def _past(rating: Rating) -> PastRating:
    assignment = rating.assignment
    study, letters = assignment.item.study, letters_of(assignment)
    draft = draft_of(rating, letters)
    return PastRating(
        study, str(assignment.token), title_of(assignment.item),
        tuple((letter, _scores(draft, letter)) for letter in letters), rating.submitted_at,
        study.state != Study.State.CLOSED,
    )  # fmt: skip


def _scores(draft: Draft, letter: str) -> str:
    return " ".join(str(value) for cell, value in draft.scores.items() if cell.endswith(f"-{letter}"))


def title_of(item: Item) -> str:
    """How an item is called in a list: the first line of its input, or of its instruction."""
    text = item.input.strip() or item.instruction.strip()
    first = text.split("\n", 1)[0]
    return first if len(first) <= 90 else f"{first[:89].rstrip()}…"


def _seconds(study: Study) -> QuerySet[Rating]:
    return Rating.objects.filter(assignment__item__study=study, is_current=True, active_seconds__gt=0)


def _median(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return statistics.median(known) if known else None
