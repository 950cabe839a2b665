"""Names and addresses of studies within a project, and the names that their arms go by."""

import random
from typing import Any

from django.utils.text import slugify

from evalhub.accounts.models import Project
from evalhub.errors import Refused
from evalhub.studies.models import Study
from evalhub.studies.texts import unfit

TAKEN_BY_PAGES = frozenset({"new", "import"})


def check_name(project: Project, name: str) -> None:
    """Raises Refused when a study cannot be called so."""
    if not name.strip():
        raise Refused("A study needs a name.", field="name")
    if len(name.strip()) > 160:
        raise Refused("A study's name has at most 160 characters.", field="name")
    if reason := unfit(name, "The name"):
        raise Refused(f"{reason}.", field="name")
    if project.studies.filter(name=name.strip()).exists():
        raise Refused(f"This project already has a study named “{name.strip()}”; nothing was stored.", field="name")


def free_slug(project: Project, name: str) -> str:
    """A slug from the name that no study of the project has yet."""
    stem = slugify(name)[:140] or "study"
    taken = set(project.studies.filter(slug__startswith=stem).values_list("slug", flat=True)) | TAKEN_BY_PAGES
    numbered = (f"{stem}-{n}" for n in range(2, len(taken) + 3))
    return stem if stem not in taken else next(s for s in numbered if s not in taken)


def names_shown(study: Study) -> bool:
    """Names are shown once revealed; ratings from elsewhere came with theirs."""
    return study.revealed_at is not None or study.origin == Study.Origin.IMPORTED


def is_blind(study: Study, *, designs: bool) -> bool:
    """Until names are shown, only those who design studies may tell which arm is which, or which is the baseline."""
    return not designs and not names_shown(study)


def arm_names(study: Study, *, shown: bool | None = None) -> dict[int, str]:
    """Arm id → the name to show, in the order to show them in.

    Until names are shown (`shown` None: as the study stands), these are Arm 1, Arm 2 … in an order drawn
    once from the study's seed, so that neither a name nor a place tells which arm it is.
    """
    arms = [(arm.pk, arm.name) for arm in study.arms.all()]
    if names_shown(study) if shown is None else shown:
        return dict(arms)
    random.Random(f"arms of {study.pk} by {study.seed}").shuffle(arms)  # noqa: S311  (an order, not a secret)
    return {pk: f"Arm {number}" for number, (pk, _) in enumerate(arms, 1)}


def told_texts(study: Study, *, blind: bool) -> dict[str, str]:
    """The study's description and credit: an admin may have named the arms in them, so a blind reader gets neither."""
    return {name: "" if blind else str(getattr(study, name)) for name in ("description", "credit")}


def facts_shown(study: Study, *, shown: bool | None = None) -> dict[str, Any]:
    """The study's facts, with the entries left out under the names that the arms go by."""
    facts: dict[str, Any] = dict(study.facts)
    left_out = facts.get("left_out")
    if not left_out:
        return facts
    going_by = arm_names(study, shown=shown)
    names = {arm.name: going_by[arm.pk] for arm in study.arms.all()}
    return facts | {"left_out": {names.get(n.strip(), "An arm"): keys for n, keys in left_out.items()}}
