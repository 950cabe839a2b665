"""What a rater does: take an item, keep a draft, submit, edit, undo, skip, flag.

Each verb is one transaction of conditional writes, so that double clicks, two tabs, a lapsed lease and a
killed process lose nothing and store nothing twice. The rating itself is the record; no audit event is added.
"""

import math
import statistics
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any, Literal

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from evalhub.accounts.models import User
from evalhub.errors import Refused
from evalhub.studies import allocation
from evalhub.studies.blinding import (
    TIE,
    UNACCEPTABLE,
    BlindItem,
    Draft,
    Progress,
    blind_item,
    cells,
    draft_from,
    draft_of,
    kept_text,
    letters_of,
    on_scale,
    seconds_from,
    stored_preference,
)
from evalhub.studies.models import Assignment, Correction, Flag, ItemAnswer, Rater, Rating, RatingScore, Study

State = Assignment.State
ATTEMPTS = 8
UNDO_SECONDS = 10
UNDO_GRACE = 5  # for the way there
SKIP_REASONS = {
    "not-my-domain": "Not my domain",
    "broken-input": "The input is broken",
    "cannot-tell": "I cannot tell",
    "other": "Something else",
}
RECENT = 20  # ratings that the time left is estimated from


class NotARater(Exception):
    """The person does not take part in this study; pages answer 404, since they need not know that it exists."""


@dataclass(frozen=True)
class Waiting:
    """Why there is no item now. `reserved`: items with other raters; `minutes`: until the first of them is back."""

    reason: Literal["done", "reserved", "paused", "closed", "draft"]
    progress: Progress
    reserved: int = 0
    minutes: int | None = None

    @property
    def sentence(self) -> str:
        done = "1 item" if self.progress.done == 1 else f"{self.progress.done} items"
        skipped = f"; {self.progress.skipped} skipped" if self.progress.skipped else ""
        items = "1 item is" if self.reserved == 1 else f"{self.reserved} items are"
        minutes = "1 minute" if self.minutes == 1 else f"{self.minutes} minutes"
        return {
            "done": f"You have rated everything that this study has for you: {done}{skipped}.",
            "reserved": f"{items} with other raters, back in about {minutes}.",
            "paused": "The study is paused; what you have entered is kept.",
            "closed": "The study is closed; thank you for the ratings you gave.",
            "draft": "The study has not opened yet.",
        }[self.reason]

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"sentence": self.sentence}


@dataclass(frozen=True)
class Stored:
    """What a submit left in the database, in the rater's own letters; `revision` 1 is the blind value."""

    token: str
    revision: int
    scores: Mapping[str, int]
    preference: str
    comment: str
    corrections: Mapping[str, str] = field(default_factory=dict)
    submitted_at: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


# --- looking --------------------------------------------------------------------------------------


def rater_of(study: Study, user: User) -> Rater:
    """The rater that `user` is in this study. Raises NotARater."""
    rater = study.raters.filter(user=user).select_related("study").first()
    if rater is None:
        raise NotARater
    return rater


def item_in_hand(study: Study, *, user: User) -> BlindItem | None:
    """The item that the rater holds, with its draft; None when they hold none or the study is not open."""
    rater = rater_of(study, user)
    held = allocation.held_by(rater) if study.state == Study.State.OPEN else None
    return _show(held, rater) if held else None


def item_of_history(study: Study, *, user: User, token: uuid.UUID) -> BlindItem | None:
    """An item that the rater submitted, with the values as they stand now."""
    rater = rater_of(study, user)
    mine = allocation.with_texts(rater.assignments.filter(token=token, state=State.SUBMITTED)).first()
    if mine is None:
        return None
    return _show(mine, rater, rating=mine.ratings.get(is_current=True))


def waiting(study: Study, *, user: User) -> Waiting | None:
    """Why the rater gets no item now; None when there is one to take."""
    rater = rater_of(study, user)
    progress = progress_of(rater)
    if study.state != Study.State.OPEN:
        return Waiting(study.state, progress)  # type: ignore[arg-type]  # the other three states, by name
    back = allocation.returns_at(study, rater)
    if not progress.left:
        return Waiting("done", progress)
    now = timezone.now()
    if len(back) < progress.left or any(until < now for until in back):
        return None
    return Waiting("reserved", progress, len(back), max(1, math.ceil((back[0] - now).total_seconds() / 60)))


def progress_of(rater: Rater) -> Progress:
    mine = rater.assignments.filter(state__in=(State.SUBMITTED, State.SKIPPED)).values_list("state", flat=True)
    states, left = Counter(mine), allocation.items_left(rater.study, rater)
    recent = Rating.objects.filter(assignment__rater=rater, is_current=True, active_seconds__gt=0)
    seconds = list(recent.order_by("-submitted_at").values_list("active_seconds", flat=True)[:RECENT])
    pace = statistics.median(s for s in seconds if s) if seconds else None
    return Progress(states[State.SUBMITTED], left, None if pace is None else pace * left, skipped=states[State.SKIPPED])


def _show(assignment: Assignment, rater: Rater, *, rating: Rating | None = None) -> BlindItem:
    past = list(
        rater.assignments.filter(state=State.SUBMITTED).order_by("finished_at", "pk").values_list("token", flat=True)
    )
    place = past.index(assignment.token) if rating else len(past)
    return blind_item(
        assignment,
        progress=progress_of(rater),
        rating=rating,
        previous=str(past[place - 1]) if place else None,
        next=(str(past[place + 1]) if place + 1 < len(past) else "") if rating else None,
    )


# --- taking ---------------------------------------------------------------------------------------


def claim_next(study: Study, *, user: User) -> BlindItem | Waiting:
    """The rater's own item, or the next one, leased to them; or why there is none. Two calls give one item."""
    rater = rater_of(study, user)
    for _ in range(ATTEMPTS):
        try:
            with transaction.atomic():
                taken = _renewed(rater) or allocation.take_next(study, rater) if _is_open(study) else None
        except IntegrityError:  # another tab of this rater was quicker: its item is given back on the next round
            continue
        if taken is not None:
            return _show(taken, rater)
        reason = waiting(study, user=user)
        if reason is not None:
            return reason
    return Waiting("reserved", progress_of(rater), 1, 1)


def _is_open(study: Study) -> bool:
    study.refresh_from_db(fields=["state"])
    return study.state == Study.State.OPEN


def _renewed(rater: Rater) -> Assignment | None:
    held = rater.assignments.filter(state=State.LEASED)
    return allocation.held_by(rater) if held.update(leased_until=allocation.lease_end(rater.study)) else None


def extend_lease(study: Study, *, user: User, token: uuid.UUID) -> bool:
    """The page's heartbeat. False when the item is no longer in this rater's hands."""
    held = Assignment.objects.filter(token=token, rater=rater_of(study, user), state=State.LEASED)
    return bool(held.update(leased_until=allocation.lease_end(study)))


# --- entering -------------------------------------------------------------------------------------


@transaction.atomic
def save_draft(study: Study, *, user: User, token: uuid.UUID, draft: Mapping[str, Any]) -> Draft:
    """Keep what has been entered, whatever became of the lease; of two drafts the higher `number` stays.

    Returns the draft as it is stored now.
    """
    mine = _mine(study, user, token)
    kept = draft_from(draft, study, letters_of(mine))
    newer = Assignment.objects.filter(pk=mine.pk, draft_number__lt=kept.number).exclude(state=State.SUBMITTED)
    newer.update(draft=asdict(kept), draft_number=kept.number, draft_saved_at=timezone.now())
    Assignment.objects.filter(pk=mine.pk, state=State.LEASED).update(leased_until=allocation.lease_end(study))
    mine.refresh_from_db(fields=["draft"])
    return draft_from(mine.draft, study, letters_of(mine))


def submit_rating(
    study: Study,
    *,
    user: User,
    token: uuid.UUID,
    key: uuid.UUID,
    scores: Mapping[str, Any],
    preference: str = "",
    comment: str = "",
    corrections: Mapping[str, str] | None = None,
    seconds: float | None = None,
    revises: int = 0,
) -> Stored:
    """Store a complete rating, or an edit of one, and say what was stored.

    `key` makes it idempotent: the same key stores nothing new. `revises` is the revision that the page
    showed: 0 for a first submit. An edit is appended; revision 1, the blind value, stays.
    Raises Refused when a score is missing or off the scale, when the item has gone to another rater,
    when the study has closed, or when another tab submitted first. The draft is kept in each case.
    """
    entered = {
        "scores": scores, "preference": preference, "comment": comment, "corrections": corrections or {},
        "seconds": seconds or 0,
    }  # fmt: skip
    try:
        with transaction.atomic():
            return _submit(study, user=user, token=token, key=key, entered=entered, revises=revises)
    except IntegrityError:  # the same submit, stored a moment ago by the other click
        with transaction.atomic():
            return _submit(study, user=user, token=token, key=key, entered=entered, revises=revises)


def _submit(
    study: Study, *, user: User, token: uuid.UUID, key: uuid.UUID, entered: Mapping[str, Any], revises: int
) -> Stored:
    _hold(study)  # the other click waits here
    mine = _mine(study, user, token, to_change=True)
    before = Rating.objects.filter(submit_key=key, assignment=mine).first()
    if before is not None:
        return _stored(mine, before)
    _check_complete(study, mine, entered)
    _check_accepting(study)
    current = mine.ratings.filter(is_current=True).first()
    if current is None:
        _take_to_submitted(mine)
    elif current.number != revises:
        raise Refused("This item was already submitted in another window; open it from your history to change it.")
    else:
        Rating.objects.filter(pk=current.pk).update(is_current=False)
    return _stored(mine, _store(study, mine, key, entered, number=current.number + 1 if current else 1))


def _take_to_submitted(mine: Assignment) -> None:
    """A leased row, lapsed or not, becomes submitted; a handed-on one only if its slot is still free."""
    held = Assignment.objects.filter(pk=mine.pk, state=State.LEASED)
    if held.update(state=State.SUBMITTED, leased_until=None, finished_at=timezone.now()):
        return
    if mine.state == State.LAPSED and allocation.take_own_back(mine, state=State.SUBMITTED):
        Assignment.objects.filter(pk=mine.pk).update(leased_until=None, finished_at=timezone.now())
        return
    if mine.state == State.SKIPPED:
        raise Refused("You skipped this item; it has gone to another rater.")
    raise Refused("Your hold on this item ended and another rater has it now; your scores are kept as a draft.")


def _store(study: Study, mine: Assignment, key: uuid.UUID, entered: Mapping[str, Any], *, number: int) -> Rating:
    letters = letters_of(mine)
    rating = Rating.objects.create(
        assignment=mine, number=number, submit_key=key, comment=kept_text(entered["comment"]).strip(),
        preference=stored_preference(str(entered["preference"]), letters),
        guidelines_version=study.guidelines_version, active_seconds=seconds_from(entered["seconds"]) or None,
    )  # fmt: skip
    RatingScore.objects.bulk_create(
        RatingScore(rating=rating, arm_id=arm, criterion=criterion, value=entered["scores"][name],
                    position=mine.order.index(arm) + 1)
        for name, (criterion, arm) in cells(study, letters).items()
    )  # fmt: skip
    _store_corrections(rating, mine, draft_from(entered, study, letters).corrections)
    return rating


def _store_corrections(rating: Rating, mine: Assignment, texts: Mapping[str, str]) -> None:
    letters = letters_of(mine)
    answers = {a.arm_id: a for a in ItemAnswer.objects.filter(item=mine.item_id)}
    Correction.objects.bulk_create(
        Correction(rating=rating, item_answer=answers[letters[letter]], text=text.strip())
        for letter, text in texts.items()
        if text.strip() and text.strip() != answers[letters[letter]].text.strip()
    )


def _hold(study: Study) -> None:
    """What raters do waits for the closing of a study and it for them, so nothing changes once the report is final.

    Whoever holds a study and an assignment takes the study first: no two of them can wait for each other.
    """
    Study.objects.select_for_update().filter(pk=study.pk).first()
    study.refresh_from_db(fields=["state", "closed_at"])


def _check_accepting(study: Study) -> None:
    if study.state == Study.State.CLOSED:
        raise Refused("The study has closed; your scores are kept as a draft, but they no longer count.")


def _check_complete(study: Study, mine: Assignment, entered: Mapping[str, Any]) -> None:
    letters = letters_of(mine)
    known = cells(study, letters)
    unknown = sorted(set(entered["scores"]) - set(known))
    if unknown:
        raise Refused(f"“{unknown[0]}” is not a score of this item.", field=unknown[0])
    for name, value in entered["scores"].items():
        if not on_scale(value, study):
            raise Refused(
                f"{_cell_name(name, known)} must be a whole number from {study.scale_min} to {study.scale_max}.",
                field=name,
            )
    missing = [name for name in known if name not in entered["scores"]]
    if missing:
        raise Refused(missing_sentence([_cell_name(name, known) for name in missing]), field=missing[0])
    if study.ask_preference and entered["preference"] not in (*letters, TIE, UNACCEPTABLE):
        raise Refused("Choose which answer is better overall, or that they tie.", field="preference")


def _cell_name(name: str, known: Mapping[str, tuple[Any, int]]) -> str:
    return f"{known[name][0].name} {name.rsplit('-', 1)[1]}"


def missing_sentence(names: list[str]) -> str:
    """ "3 scores are missing: Quality B, Style A and Style B." """
    if len(names) == 1:
        return f"1 score is missing: {names[0]}."
    return f"{len(names)} scores are missing: {', '.join(names[:-1])} and {names[-1]}."


def _stored(mine: Assignment, rating: Rating) -> Stored:
    draft = draft_of(rating, letters_of(mine))
    return Stored(
        str(mine.token), rating.number, draft.scores, draft.preference, draft.comment, draft.corrections,
        rating.submitted_at.isoformat(),
    )  # fmt: skip


# --- taking back, passing on ----------------------------------------------------------------------


def undo(study: Study, *, user: User, token: uuid.UUID) -> BlindItem:
    """Take the last submit of this item back, within ten seconds: its values become the draft again.

    An item taken meanwhile is put down with its draft, and comes back next.
    Raises Refused when the time has passed or the study is not open.
    """
    try:
        with transaction.atomic():
            return _undo(study, user=user, token=token)
    except IntegrityError:  # another tab of this rater took an item a moment ago; now it is put down too
        with transaction.atomic():
            return _undo(study, user=user, token=token)


def _undo(study: Study, *, user: User, token: uuid.UUID) -> BlindItem:
    _hold(study)
    if study.state != Study.State.OPEN:
        raise Refused("The study is not open any more, so the rating stands.")
    rater, mine = rater_of(study, user), _mine(study, user, token, to_change=True)
    rating = mine.ratings.filter(is_current=True).first()
    if rating is None or rating.submitted_at < timezone.now() - timedelta(seconds=UNDO_SECONDS + UNDO_GRACE):
        raise Refused(f"A submit can be undone for {UNDO_SECONDS} seconds; open the item from your history to edit it.")
    values = asdict(draft_of(rating, letters_of(mine))) | {"number": mine.draft_number}
    rating.delete()
    if rating.number > 1:
        mine.ratings.filter(number=rating.number - 1).update(is_current=True)
        return _show(mine, rater, rating=mine.ratings.get(is_current=True))
    for other in rater.assignments.filter(state=State.LEASED):
        allocation.hand_back(other, state=State.LAPSED)
    Assignment.objects.filter(pk=mine.pk).update(
        state=State.LEASED, finished_at=None, leased_until=allocation.lease_end(study), draft=values
    )
    return _show(allocation.with_texts(Assignment.objects.filter(pk=mine.pk)).get(), rater)


@transaction.atomic
def skip(study: Study, *, user: User, token: uuid.UUID, reason: str, text: str = "") -> None:
    """Pass the item on to another rater, with the reason. A second click does nothing more.

    Raises Refused without a reason, once the item is submitted, and once the study has closed.
    """
    if reason not in SKIP_REASONS:
        raise Refused("Choose a reason for skipping.", field="reason")
    if reason == "other" and not text.strip():
        raise Refused("Say in a few words why you skip this item.", field="text")
    _hold(study)  # the closing of the study waits here, or comes first
    mine = _mine(study, user, token, to_change=True)
    if study.state == Study.State.CLOSED:
        raise Refused("The study has closed, so nothing is passed on any more; what you entered is kept as a draft.")
    if mine.state == State.SUBMITTED:
        raise Refused("This item is already submitted; edit it from your history instead.")
    allocation.hand_back(
        mine, state=State.SKIPPED, skip_reason=reason, skip_text=kept_text(text.strip()), finished_at=timezone.now()
    )


@transaction.atomic
def flag(study: Study, *, user: User, token: uuid.UUID, text: str) -> None:
    """Tell the study's lead that something about the item needs a look. The same words twice are stored once.

    Raises Refused without words, and once the study has closed.
    """
    words = kept_text(text.strip())
    if not words:
        raise Refused("Say in a few words what needs a look.", field="text")
    _hold(study)
    mine = _mine(study, user, token)
    if study.state == Study.State.CLOSED:
        raise Refused("The study has closed, so the flag was not stored; write to the study's lead instead.")
    Flag.objects.get_or_create(assignment=mine, text=words, resolved_at=None)


def _mine(study: Study, user: User, token: uuid.UUID, *, to_change: bool = False) -> Assignment:
    """The rater's own row. Raises Refused. `to_change` keeps others from changing it until the transaction ends."""
    rows = Assignment.objects.filter(Q(item__study=study), token=token, rater=rater_of(study, user))
    if to_change:
        rows = rows.select_for_update(of=("self",))
    mine = allocation.with_texts(rows).first()
    if mine is None:
        raise Refused("This item is not in your hands; continue with your next one.")
    return mine
