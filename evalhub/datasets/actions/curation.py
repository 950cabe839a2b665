"""Examples one by one: edit, propose, comment."""

from typing import Any

from django.db import IntegrityError, transaction

from evalhub.accounts.models import User
from evalhub.datasets.actions.locking import locked
from evalhub.datasets.actions.noting import noted
from evalhub.datasets.importing import BadValue, clean_values, fingerprint
from evalhub.datasets.inserting import REVISED
from evalhub.datasets.models import Change, ChangedExample, Comment, Dataset, Example
from evalhub.datasets.reading import storable
from evalhub.datasets.storing import known_prints, revision_of
from evalhub.errors import Refused

MOST_COMMENT = 4_000  # characters
EDIT = "edit"


def edit_example(
    example: Example, *, by: User, values: dict[str, Any], reason: str = "", expected_revision: int | None = None
) -> Example:
    """Change texts or properties; the former state stays as a revision. An edit that changes nothing does nothing.

    Raises Refused for values that cannot be kept, for a text that another example already has, and, where
    `expected_revision` is given, if somebody else has changed the example since.
    """
    cleaned = _cleaned(values)
    with transaction.atomic():
        current = locked(example, revision=expected_revision)
        changed = [name for name, value in cleaned.items() if getattr(current, name) != value]
        if not changed:
            return current
        before = {name: getattr(current, name) for name in changed}
        for name in changed:
            setattr(current, name, cleaned[name])
        before |= _unapproved(current)
        current.fingerprint = fingerprint(vars(current))
        current.revision_number += 1
        _refuse_double(current)
        current.save()
        revision_of(current, by=by, reason=reason).save()
        _undoable(current, before, by=by, reason=reason)
        noted(current.dataset, by, "edit_example", f"example {current.pk}", fields=changed, reason=reason)
    return current


def _unapproved(example: Example) -> dict[str, Any]:
    """Where two people have to approve, a text that was changed has been approved by nobody; what it was before."""
    standing = {name: getattr(example, name) for name in ("state", "first_approver_id", "second_approver_id")}
    if not example.dataset.second_approval or fingerprint(vars(example)) == example.fingerprint:
        return {}
    example.state, example.first_approver_id, example.second_approver_id = Example.State.PROPOSED, None, None
    return standing


def _undoable(example: Example, before: dict[str, Any], *, by: User, reason: str) -> None:
    """Keep what an edited example was before, so that the edit can be undone."""
    change = Change.objects.create(
        dataset=example.dataset, verb=EDIT, reason=reason[:255], count=1, by=by, at=example.updated_at
    )
    ChangedExample.objects.create(change=change, example=example, before=before)


def _cleaned(values: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(values) - set(REVISED))
    if unknown:
        raise Refused(f"An example has no field “{unknown[0]}” that can be edited.", field=unknown[0])
    try:
        return clean_values(values)
    except BadValue as error:
        raise Refused(error.reason, field=error.name) from error


def _refuse_double(example: Example) -> None:
    others = Example.objects.filter(dataset=example.dataset, fingerprint=example.fingerprint).exclude(pk=example.pk)
    if other := others.first():
        raise Refused(f"{other} already has exactly these texts; an example stands in a dataset once.", field="output")


def propose_example(dataset: Dataset, *, by: User, values: dict[str, Any], origin: dict[str, Any]) -> Example:
    """A correction or new row that waits for review. Proposing a row that the dataset has or had returns that row."""
    cleaned = _cleaned(values)
    for name in ("instruction", "output"):
        if not cleaned.get(name):
            raise Refused(f"A proposal needs an {name}.", field=name)
    mark = fingerprint(cleaned)
    if known := known_prints(dataset, [mark]):
        return Example.objects.get(pk=known[mark])
    try:
        with transaction.atomic():
            example = Example.objects.create(
                dataset=dataset, fingerprint=mark, origin=origin, state=Example.State.PROPOSED, **cleaned
            )
            revision_of(example, by=by, reason="proposed").save()
            noted(dataset, by, "propose_example", f"example {example.pk}", origin=origin)
    except IntegrityError:  # the same proposal, at the same moment
        return Example.objects.get(dataset=dataset, fingerprint=mark)
    return example


def comment(example: Example, *, by: User, text: str) -> Comment:
    """Say something about an example, for all who see it. Raises Refused for nothing, too much, or odd characters."""
    text = text.replace("\r\n", "\n").strip()
    if not text:
        raise Refused("The comment is empty; nothing was kept.", field="text")
    if len(text) > MOST_COMMENT or text != storable(text):
        raise Refused(f"A comment has at most {MOST_COMMENT:,} characters, and no NUL among them.", field="text")
    with transaction.atomic():
        said = Comment.objects.create(example=example, author=by, text=text)
        noted(example.dataset, by, "comment_example", f"example {example.pk}")
    return said
