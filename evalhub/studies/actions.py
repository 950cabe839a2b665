"""The life of a study: made, opened, paused, closed, revealed; and what goes back to curation.

What raters do to their items is in rating.py, ratings made elsewhere come in by intake.py; both are offered here too.
"""

import math
import random
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from evalhub.accounts.models import AuditEvent, Project, User
from evalhub.accounts.permissions import Right, may
from evalhub.datasets.reading import storable
from evalhub.errors import Refused
from evalhub.progress import Heard
from evalhub.studies.corrections import propose_corrections
from evalhub.studies.design import (
    DEFAULT_SCALE,
    HEAVIEST,
    ArmDesign,
    CriterionDesign,
    Scale,
    check_scale,
    default_criteria,
)
from evalhub.studies.identity import IdentityWarning, identity_warnings
from evalhub.studies.intake import import_ratings, prepared_ratings, store_ratings
from evalhub.studies.models import Arm, Assignment, Criterion, Flag, Item, ItemAnswer, Rater, Study
from evalhub.studies.naming import check_name, free_slug
from evalhub.studies.rating import (
    claim_next,
    extend_lease,
    flag,
    save_draft,
    skip,
    submit_rating,
    undo,
)
from evalhub.studies.sampling import Choice, choose, entry_key
from evalhub.studies.texts import LONGEST, unfit

__all__ = [
    "add_rater",
    "claim_next",
    "close_study",
    "create_study",
    "discard_study",
    "extend_lease",
    "flag",
    "import_ratings",
    "let_raters_in",
    "looked_through",
    "open_study",
    "pause_study",
    "prepared_ratings",
    "propose_corrections",
    "resolve_flag",
    "resume_study",
    "reveal",
    "save_draft",
    "skip",
    "store_ratings",
    "submit_rating",
    "undo",
]

MOST_RATINGS = 50  # of one item
MOST_ARMS = 4  # the rating page shows two to four answers side by side


# --- making ---------------------------------------------------------------------------------------


@transaction.atomic
def create_study(
    project: Project,
    *,
    name: str,
    by: User,
    arms: Sequence[ArmDesign],
    criteria: Sequence[CriterionDesign] | None = None,
    raters: Sequence[User] = (),
    overlap: int = 2,
    items: int | None = None,
    margin: float = 0.5,
    primary_criterion: str = "overall",
    guidelines: str = "",
    ask_preference: bool = False,
    seed: int = 7,
    description: str = "",
    credit: str = "",
    scale: Scale = DEFAULT_SCALE,
    show_reference: bool = False,
) -> Study:
    """A draft of a study over what all `arms` answered; texts are copied, so later edits change nothing.

    `items`: how many, as a seeded sample stratified by category; None takes all. `margin`: points of the scale.
    Raises Refused with one sentence when the design cannot work.
    """
    asked = list(default_criteria(scale) if criteria is None else criteria)
    check_design(
        project, name, arms=arms, criteria=asked, raters=raters, overlap=overlap, margin=margin,
        primary=primary_criterion, scale=scale,
    )  # fmt: skip
    for what, text in (("guidelines", guidelines), ("description", description), ("credit", credit)):
        if reason := unfit(text, f"The study's {what}"):
            raise Refused(f"{reason}.", field=what)
    choice = choose(arms, items=items, seed=seed)
    _check_categories(choice)
    study = Study.objects.create(
        project=project, name=name.strip(), slug=free_slug(project, name), description=description, credit=credit,
        scale_min=scale[0], scale_max=scale[1], overlap=overlap, ask_preference=ask_preference,
        show_reference=show_reference, guidelines=guidelines, primary_criterion=primary_criterion, margin=margin,
        seed=seed, created_by=by, facts=_facts(arms, choice, items),
    )  # fmt: skip
    make_criteria(study, asked)
    _make_items(study, _make_arms(study, arms), choice)
    _make_raters(study, raters)
    _log(study, "create study", by, arms=[a.name for a in arms], items=len(choice.entries))
    return study


def make_criteria(study: Study, criteria: Sequence[CriterionDesign]) -> list[Criterion]:
    return Criterion.objects.bulk_create(
        Criterion(
            study=study, key=c.key, name=c.name, question=c.question, weight=c.weight, position=position,
            anchors={str(point): text for point, text in sorted(c.anchors.items())},
        )
        for position, c in enumerate(criteria)
    )  # fmt: skip


def check_design(
    project: Project,
    name: str,
    *,
    arms: Sequence[ArmDesign],
    criteria: Sequence[CriterionDesign],
    raters: Sequence[User],
    overlap: int,
    margin: float,
    primary: str,
    scale: Scale = DEFAULT_SCALE,
) -> None:
    """Raise Refused for what no study can be made of; nothing is read but names and roles."""
    check_name(project, name)
    _check_arms(project, arms)
    for user in raters:
        _check_may_rate(project, user)
    keys = [c.key for c in criteria]
    if not keys:
        raise Refused("A study needs at least one criterion.", field="criteria")
    if len(set(keys)) < len(keys) or any(slugify(key) != key or key == "overall" for key in keys):
        raise Refused(
            "Each criterion needs a key of its own: lower-case letters, digits and hyphens.", field="criteria"
        )
    if primary not in ("overall", *keys):
        raise Refused(f"“{primary}” is not a criterion of this study.", field="primary_criterion")
    if overlap < 1:
        raise Refused("At least one rating per item is needed.", field="overlap")
    if overlap > MOST_RATINGS:
        raise Refused(f"At most {MOST_RATINGS} ratings per item can be asked for.", field="overlap")
    if margin < 0:
        raise Refused("The margin cannot be negative.", field="margin")
    if not math.isfinite(margin):
        raise Refused("The margin must be a number.", field="margin")
    check_scale(scale)
    for criterion in criteria:
        _check_words(criterion)


def _check_words(criterion: CriterionDesign) -> None:
    what = f"The criterion “{storable(criterion.name[:40])}”"
    found = [
        unfit(criterion.key, f"The key of {what[0].lower()}{what[1:]}", most=LONGEST["key"]),
        unfit(criterion.name, what, most=LONGEST["criterion"]),
        unfit(criterion.question, f"The question of {what[0].lower()}{what[1:]}", most=LONGEST["question"]),
        *(unfit(text, f"An anchor of {what[0].lower()}{what[1:]}") for text in criterion.anchors.values()),
    ]
    for reason in filter(None, found):
        raise Refused(f"{reason}.", field="criteria")
    if not 0 < criterion.weight < HEAVIEST:
        raise Refused(f"The weight of {criterion.name} must be a number above 0, below {HEAVIEST}.", field="criteria")


def _check_categories(choice: Choice) -> None:
    for entry in choice.entries:
        category = str(entry.values.get("category", ""))
        if reason := unfit(category, f"The category of the item {entry_key(entry)[:80]}", most=LONGEST["category"]):
            raise Refused(f"{reason}.", field="items")


def _check_arms(project: Project, arms: Sequence[ArmDesign]) -> None:
    if not 1 <= len(arms) <= MOST_ARMS:
        raise Refused(f"A study compares 2 to {MOST_ARMS} arms; {len(arms)} were given.", field="arms")
    if len({arm.name.strip() for arm in arms}) < len(arms) or not all(arm.name.strip() for arm in arms):
        raise Refused("Each arm needs a name of its own.", field="arms")
    for arm in arms:
        name = arm.name.strip()
        if reason := unfit(name, f"The name of the arm “{storable(name[:40])}”", most=LONGEST["arm"]):
            raise Refused(f"{reason}.", field="arms")
    if len({arm.generation.pk for arm in arms}) < len(arms):
        raise Refused("Two arms use the same run; there would be nothing to compare.", field="arms")
    if sum(arm.baseline for arm in arms) > 1:
        raise Refused("Only one arm can be the baseline.", field="arms")
    if any(arm.generation.run.project_id != project.pk for arm in arms):
        raise Refused("An arm's run belongs to another project.", field="arms")


def _facts(arms: Sequence[ArmDesign], choice: Choice, items: int | None) -> dict[str, object]:
    generation = arms[0].generation
    return {
        "version": str(generation.version),
        "split": generation.split,
        "sampled": items is not None,
        "left_out": {name: list(keys) for name, keys in choice.left_out.items()},
    }


def _make_arms(study: Study, designs: Sequence[ArmDesign]) -> dict[str, Arm]:
    """The baseline comes first: the one marked, or else the first given."""
    baseline = next((d for d in designs if d.baseline), designs[0])
    ordered = [baseline, *(d for d in designs if d is not baseline)]
    made = Arm.objects.bulk_create(
        Arm(study=study, name=d.name.strip(), position=n, is_baseline=n == 1, generation=d.generation)
        for n, d in enumerate(ordered, 1)
    )
    return {design.name: arm for design, arm in zip(ordered, made, strict=True)}


def _make_items(study: Study, arms: dict[str, Arm], choice: Choice) -> None:
    keys = _distinct([entry_key(entry) for entry in choice.entries])
    made = Item.objects.bulk_create(
        Item(
            study=study, key=key, position=position, entry=entry,
            instruction=entry.values.get("instruction", ""), input=entry.values.get("input", ""),
            reference=entry.values.get("output", ""), category=entry.values.get("category", ""),
        )
        for position, (entry, key) in enumerate(zip(choice.entries, keys, strict=True), 1)
    )  # fmt: skip
    ItemAnswer.objects.bulk_create(
        ItemAnswer(item=item, arm=arm, text=choice.answers[name][item.entry_id].text,
                   answer=choice.answers[name][item.entry_id])
        for item in made if item.entry_id
        for name, arm in arms.items()
    )  # fmt: skip


def _distinct(keys: Sequence[str]) -> list[str]:
    """The keys, with a number added to those that came before."""
    seen: dict[str, int] = {}
    distinct = []
    for key in (k[:190] for k in keys):
        seen[key] = seen.get(key, 0) + 1
        distinct.append(key if seen[key] == 1 else f"{key} ({seen[key]})")
    return distinct


def _make_raters(study: Study, users: Sequence[User]) -> None:
    people = list(dict.fromkeys(users))
    random.Random(study.seed).shuffle(people)  # noqa: S311  (a pseudonym's number must not follow the list of names)
    Rater.objects.bulk_create(
        Rater(study=study, user=user, pseudonym=f"Rater {number}") for number, user in enumerate(people, 1)
    )


def _check_may_rate(project: Project, user: User) -> None:
    if not may(user, project, Right.RATE):
        raise Refused(f"{user} is not an expert of this project; invite them first.", field="raters")


@transaction.atomic
def add_rater(study: Study, *, user: User, by: User) -> Rater:
    """One more expert, at any time before the study closes."""
    if study.state == Study.State.CLOSED:
        raise Refused("This study is closed; nobody can rate in it any more.")
    _check_may_rate(study.project, user)
    if study.raters.filter(user=user).exists():
        raise Refused(f"{user} is already a rater of this study.", field="raters")
    rater = Rater.objects.create(study=study, user=user, pseudonym=_free_pseudonym(study))
    _log(study, "add rater", by, rater=rater.pseudonym)
    return rater


def _free_pseudonym(study: Study) -> str:
    taken = set(study.raters.values_list("pseudonym", flat=True))
    return next(p for p in (f"Rater {n}" for n in range(1, len(taken) + 2)) if p not in taken)


@transaction.atomic
def discard_study(study: Study, *, by: User) -> None:
    """Remove a draft that nobody has rated. Raises Refused once a study has been opened."""
    if study.state != Study.State.DRAFT:
        raise Refused("Only a draft can be discarded; this study has been opened and its ratings are kept.")
    _log(study, "discard study", by)
    study.delete()


@transaction.atomic
def resolve_flag(study: Study, *, flag: int, by: User) -> None:
    """Take a rater's flag off the list of those to look at. A second click does nothing more. Raises Refused."""
    flags = Flag.objects.filter(assignment__item__study=study, pk=flag)
    if not flags.exists():
        raise Refused("There is no such flag in this study.")
    if flags.filter(resolved_at=None).update(resolved_at=timezone.now()):
        _log(study, "resolve flag", by, flag=flag)


# --- opening and closing --------------------------------------------------------------------------


def open_study(study: Study, *, by: User, accept_warnings: bool = False, progress: Heard | None = None) -> Study:
    """Make a slot for each item × overlap and let raters in; from here on the design stands.

    Raises Refused when the design cannot be rated, or when the identity scan found something that
    nobody has accepted.
    """
    found = looked_through(study, accept_warnings=accept_warnings, progress=progress)
    return let_raters_in(study, by=by, accepted=len(found))


def looked_through(
    study: Study, *, accept_warnings: bool = False, progress: Heard | None = None
) -> list[IdentityWarning]:
    """What the identity scan found in a study that can be opened. Reads only; raises Refused as open_study does."""
    check_can_open(study)
    found = identity_warnings(study, heard=progress)
    if found and not accept_warnings:
        raise Refused(
            f"{len(found)} {'text gives' if len(found) == 1 else 'texts give'} away who wrote it "
            f"(first: {found[0].where}, “{found[0].found}”); look at the scan and accept it, or change the arms."
        )
    return found


@transaction.atomic
def let_raters_in(study: Study, *, by: User, accepted: int) -> Study:
    """The end of open_study, for a study that was looked through: `accepted` warnings stand in the log."""
    check_can_open(study)
    _move(study, Study.State.DRAFT, Study.State.OPEN, opened_at=timezone.now())
    Assignment.objects.bulk_create(
        Assignment(item=item, slot=slot) for item in study.items.all() for slot in range(1, study.overlap + 1)
    )
    _log(study, "open study", by, warnings_accepted=accepted, slots=study.items.count() * study.overlap)
    return study


def check_can_open(study: Study) -> None:
    if study.state != Study.State.DRAFT:
        raise Refused("This study has already been opened.")
    if not study.items.exists():
        raise Refused("This study has no items.")
    check_can_be_rated(arms=study.arms.count(), raters=study.raters.count(), overlap=study.overlap)


def check_can_be_rated(*, arms: int, raters: int, overlap: int) -> None:
    """Raise Refused for numbers of arms, raters and ratings per item with which no study can be opened."""
    if arms < 2:
        raise Refused("A study needs at least two arms to compare.")
    if not raters:
        raise Refused("This study has no raters; add at least one expert first.")
    if raters < overlap:
        raise Refused(
            f"Each item needs {overlap} ratings by different people, but the study has "
            f"{raters} {'rater' if raters == 1 else 'raters'}; add raters or lower the overlap."
        )


def pause_study(study: Study, *, by: User) -> Study:
    """No new items are handed out; what is under way may still be submitted."""
    return _step(study, Study.State.OPEN, Study.State.PAUSED, "pause study", by)


def resume_study(study: Study, *, by: User) -> Study:
    return _step(study, Study.State.PAUSED, Study.State.OPEN, "resume study", by)


@transaction.atomic
def close_study(study: Study, *, by: User) -> Study:
    """End the rating. Drafts stay stored, but are not counted."""
    Study.objects.select_for_update().filter(pk=study.pk).first()  # a submit under way comes first
    study.refresh_from_db(fields=["state"])
    if study.state not in (Study.State.OPEN, Study.State.PAUSED):
        raise Refused("Only an open or paused study can be closed.")
    _move(study, Study.State(study.state), Study.State.CLOSED, closed_at=timezone.now())
    _log(study, "close study", by)
    return study


@transaction.atomic
def reveal(study: Study, *, by: User) -> Study:
    """Show which arm wrote which answer; only after closing, once, and logged."""
    if study.state != Study.State.CLOSED:
        raise Refused("Arms are revealed only after the study has closed.")
    won = Study.objects.filter(pk=study.pk, revealed_at=None).update(revealed_at=timezone.now(), revealed_by=by)
    if won:
        _log(study, "reveal study", by)
    study.refresh_from_db()
    return study


@transaction.atomic
def _step(study: Study, before: Study.State, after: Study.State, verb: str, by: User) -> Study:
    _move(study, before, after)
    _log(study, verb, by)
    return study


def _move(study: Study, before: Study.State, after: Study.State, **changes: object) -> None:
    """Conditional update: of two clicks one wins, the other is told how things stand."""
    if not Study.objects.filter(pk=study.pk, state=before).update(state=after, **changes):
        study.refresh_from_db()
        raise Refused(f"This study is {study.get_state_display().lower()}, not {before.label.lower()}.")
    study.refresh_from_db()


def _log(study: Study, verb: str, by: User, **details: object) -> None:
    AuditEvent.objects.create(project=study.project, actor=by, verb=verb, target=f"study {study.slug}", details=details)
