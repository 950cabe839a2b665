"""What a rater may see, and on which side: the only module that turns letters on the screen into arms.

A BlindItem has no field in which a model, an arm, a run, a length of time or a stable id could sit.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from evalhub.datasets.reading import storable
from evalhub.studies.models import Assignment, Criterion, Rating, Study

LETTERS = "ABCD"
TIE, UNACCEPTABLE = "tie", "unacceptable"
LONGEST_TEXT = 20_000


@dataclass(frozen=True)
class BlindAnswer:
    letter: str
    text: str


@dataclass(frozen=True)
class BlindCriterion:
    """A criterion as raters read it; `anchors` from the lowest point of the scale to the highest."""

    key: str
    name: str
    question: str
    anchors: tuple[tuple[int, str], ...]

    @property
    def low(self) -> str:
        return self.anchors[0][1] if self.anchors else ""

    @property
    def high(self) -> str:
        return self.anchors[-1][1] if len(self.anchors) > 1 else ""

    @property
    def high_first(self) -> tuple[tuple[int, str], ...]:
        return self.anchors[::-1]


@dataclass(frozen=True)
class Draft:
    """What a rater has entered so far. `scores`: "criterion-LETTER" → point; `number` orders drafts in time."""

    scores: Mapping[str, int] = field(default_factory=dict)
    preference: str = ""  # a letter, "tie" or "unacceptable"
    comment: str = ""
    corrections: Mapping[str, str] = field(default_factory=dict)  # letter → the answer as it should read
    seconds: float = 0.0
    number: int = 0


@dataclass(frozen=True)
class Progress:
    """Of one rater in one study. `left`: items that may still come; `seconds_left`: None before a first rating."""

    done: int
    left: int
    seconds_left: float | None = None
    skipped: int = 0

    @property
    def behind(self) -> int:
        """Items that the rater has dealt with."""
        return self.done + self.skipped

    @property
    def place(self) -> int:
        """Of the item in hand, or the next one, among `total`."""
        return self.behind + 1

    @property
    def total(self) -> int:
        """A skip keeps it as it was."""
        return self.behind + self.left


@dataclass(frozen=True)
class BlindItem:
    """One task with its answers under neutral letters; `token` is opaque and belongs to this rater's slot only.

    `revision` is 0 before the first submit, then the number of the rating shown. `previous` and `next`
    are tokens of the rater's own history; `next` is "" for the item now in hand.
    """

    token: str
    number: int
    instruction: str
    input: str
    reference: str | None
    kind: str
    answers: tuple[BlindAnswer, ...]
    criteria: tuple[BlindCriterion, ...]
    scale_min: int
    scale_max: int
    ask_preference: bool
    draft: Draft
    progress: Progress
    revision: int = 0
    previous: str | None = None
    next: str | None = None
    guidelines_version: int = 1

    @property
    def points(self) -> range:
        return range(self.scale_min, self.scale_max + 1)

    @property
    def has_ruler(self) -> bool:
        """Whether every point of the scale has a key of its own: 0–9, or 1–10 with 0 for ten."""
        return self.scale_min >= 0 and (self.scale_max <= 9 or (self.scale_min >= 1 and self.scale_max == 10))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def blind_item(
    assignment: Assignment,
    *,
    progress: Progress,
    rating: Rating | None = None,
    previous: str | None = None,
    next: str | None = None,
) -> BlindItem:
    """The assignment as its rater sees it; with `rating`, the values as stored instead of the draft."""
    item, study = assignment.item, assignment.item.study
    texts = {a.arm_id: a.text for a in item.answers.all()}
    letters = letters_of(assignment)
    return BlindItem(
        token=str(assignment.token),
        number=progress.place,
        instruction=item.instruction,
        input=item.input,
        reference=item.reference if study.show_reference else None,
        kind=item.category,
        answers=tuple(BlindAnswer(letter, texts.get(arm, "")) for letter, arm in letters.items()),
        criteria=tuple(blind_criterion(c) for c in study.criteria.all()),
        scale_min=study.scale_min,
        scale_max=study.scale_max,
        ask_preference=study.ask_preference,
        draft=draft_of(rating, letters) if rating else draft_from(assignment.draft, study, letters),
        progress=progress,
        revision=rating.number if rating else 0,
        previous=previous,
        next=next,
        guidelines_version=study.guidelines_version,
    )


def blind_criterion(criterion: Criterion) -> BlindCriterion:
    anchors = tuple(sorted((int(point), str(text)) for point, text in criterion.anchors.items()))
    return BlindCriterion(criterion.key, criterion.name, criterion.question, anchors)


def preview_item(study: Study) -> BlindItem | None:
    """The first item as a rater would meet it, for the admin who designs the study; nothing is stored."""
    item = study.items.prefetch_related("answers").first()
    if item is None:
        return None
    arms = list(study.arms.values_list("pk", flat=True))
    left = study.items.count()
    return blind_item(Assignment(item=item, slot=0, order=arms), progress=Progress(0, left))


def letters_of(assignment: Assignment) -> dict[str, int]:
    """Letter on the screen → arm id, from left to right."""
    return dict(zip(LETTERS, assignment.order, strict=False))


def cell(criterion: str, letter: str) -> str:
    """The name of one score on the wire and in the form."""
    return f"{criterion}-{letter}"


def cells(study: Study, letters: Mapping[str, int]) -> dict[str, tuple[Criterion, int]]:
    """Name on the wire → criterion and arm id, row by row as on the page."""
    return {cell(c.key, letter): (c, arm) for c in study.criteria.all() for letter, arm in letters.items()}


def draft_from(stored: Mapping[str, Any], study: Study, letters: Mapping[str, int]) -> Draft:
    """What of a draft makes sense: known cells with points of the scale, texts of bearable length."""
    known = cells(study, letters)
    scores = _mapping(stored.get("scores"))
    corrections = _mapping(stored.get("corrections"))
    preference = str(stored.get("preference") or "")
    return Draft(
        scores={k: int(v) for k, v in scores.items() if k in known and on_scale(v, study)},
        preference=preference if preference in (*letters, TIE, UNACCEPTABLE) else "",
        comment=kept_text(stored.get("comment")),
        corrections={k: kept_text(v) for k, v in corrections.items() if k in letters and str(v).strip()},
        seconds=seconds_from(stored.get("seconds")),
        number=number_from(stored.get("number")),
    )


def draft_of(rating: Rating, letters: Mapping[str, int]) -> Draft:
    """A stored rating in the letters that its rater saw."""
    letter_of = {arm: letter for letter, arm in letters.items()}
    scores = rating.scores.select_related("criterion").order_by("criterion__position", "position")
    return Draft(
        scores={cell(s.criterion.key, letter_of[s.arm_id]): int(s.value) for s in scores},
        preference=letter_of.get(_number(rating.preference), rating.preference),
        comment=rating.comment,
        corrections={letter_of[c.item_answer.arm_id]: c.text for c in rating.corrections.select_related("item_answer")},
        seconds=rating.active_seconds or 0.0,
    )


def kept_text(text: object) -> str:
    """What a rater wrote, as far as a database can hold it."""
    return storable(str(text or "")[:LONGEST_TEXT])


def stored_preference(preference: str, letters: Mapping[str, int]) -> str:
    """A letter becomes the arm's id as text; tie and unacceptable stay."""
    return str(letters[preference]) if preference in letters else preference


def on_scale(value: object, study: Study) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and study.scale_min <= value <= study.scale_max


def seconds_from(value: object) -> float:
    """Active seconds as a page reports them: a number from 0 to one day, else 0."""
    return min(float(value), 86_400.0) if isinstance(value, int | float) and 0 <= value < float("inf") else 0.0


def number_from(value: object) -> int:
    """A draft's sequence number: 0 to 2^53, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 2**53 else 0


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(text: str) -> int:
    return int(text) if text.isdigit() else -1
