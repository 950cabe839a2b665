"""Back to curation: what raters wrote instead of an answer becomes a proposed example, with where it comes from."""

from typing import Any

from django.db import transaction
from django.db.models import Avg, QuerySet
from django.utils import timezone

from evalhub.accounts.models import AuditEvent, User
from evalhub.datasets.actions import propose_example
from evalhub.datasets.models import Example
from evalhub.errors import Refused
from evalhub.studies.models import Correction, Study
from evalhub.studies.naming import names_shown


def open_corrections(study: Study) -> QuerySet[Correction]:
    """Corrected answers of ratings that count, to items that came from a dataset, not yet proposed."""
    mine = Correction.objects.filter(rating__assignment__item__study=study, rating__is_current=True, proposed_at=None)
    return mine.exclude(text="").filter(item_answer__item__entry__isnull=False).order_by("pk")


@transaction.atomic
def propose_corrections(study: Study, *, by: User) -> list[Example]:
    """Propose each corrected answer once, to the dataset that its item came from; a curator decides.

    Raises Refused until the arms are revealed, since a proposal names the arm and is read by all who read the data.
    """
    if not names_shown(study):
        raise Refused("Corrections go to curation once the arms are revealed, because each proposal names its arm.")
    waiting = list(
        open_corrections(study).select_related(
            "item_answer__item__entry__version__dataset", "item_answer__arm", "rating__assignment__rater"
        )
    )
    proposed = [_propose(study, correction, by) for correction in waiting]
    Correction.objects.filter(pk__in=[c.pk for c in waiting]).update(proposed_at=timezone.now())
    if proposed:
        AuditEvent.objects.create(
            project=study.project, actor=by, verb="propose corrections", target=f"study {study.slug}",
            details={"examples": len(proposed)},
        )  # fmt: skip
    return proposed


def _propose(study: Study, correction: Correction, by: User) -> Example:
    item, arm = correction.item_answer.item, correction.item_answer.arm
    entry = item.entry
    assert entry is not None  # open_corrections asks for it
    rater = correction.rating.assignment.rater
    score = correction.rating.scores.filter(arm=arm).aggregate(mean=Avg("value"))["mean"]
    origin: dict[str, Any] = {
        "study": study.slug, "item": item.key, "arm": arm.name, "rater": rater.pseudonym if rater else "",
        "score": score, "answer": correction.item_answer.text, "version": str(entry.version),
    }  # fmt: skip
    values = {name: value for name, value in entry.values.items() if name != "key"} | {"output": correction.text}
    return propose_example(entry.version.dataset, by=by, values=values, origin=origin)
