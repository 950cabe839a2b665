"""Examples one by one: edit, propose, comment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from evalhub.accounts.models import User
from evalhub.datasets.actions.locking import locked
from evalhub.datasets.actions.noting import noted
from evalhub.datasets.history import AGAIN
from evalhub.datasets.importing import BadValue, clean_values, fingerprint
from evalhub.datasets.inserting import REVISED
from evalhub.datasets.models import Change, ChangedExample, Comment, Dataset, Example
from evalhub.datasets.reading import storable
from evalhub.datasets.storing import known_prints, revision_of
from evalhub.datasets.values import as_text, plain_json
from evalhub.errors import Refused

MOST_COMMENT = 4_000  # characters
EDIT = "edit"
GIVEN = ("tool", "author", "reference", "note")  # what a person may say of where a proposal comes from
MOST_GIVEN = 500  # characters of each
MOST_AGAIN = 50  # later proposals of one text that are kept with it; the audit log has them all


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
        _save(current)
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
        name = storable(unknown[0])[:40]
        raise Refused(f"An example has no field “{name}” that can be edited.", field=name)
    try:
        return clean_values(values)
    except BadValue as error:
        raise Refused(error.reason, field=error.name) from error


def _save(example: Example) -> None:
    """Store it. Raises Refused where another example has these texts, also one that got them at this moment."""
    try:
        with transaction.atomic():
            example.save()
    except IntegrityError as error:
        twins = Example.objects.filter(dataset=example.dataset_id, fingerprint=example.fingerprint)
        other = twins.exclude(pk=example.pk).first() or "Another example"
        raise Refused(
            f"{other} already has exactly these texts; an example stands in a dataset once.", field="output"
        ) from error


@dataclass(frozen=True)
class Proposal:
    """An example that somebody proposed. Not `is_new`: the dataset has or had it, and it stands as it was decided."""

    example: Example
    is_new: bool


def propose_example(dataset: Dataset, *, by: User, values: dict[str, Any], origin: dict[str, Any]) -> Example:
    """A correction or new row that waits for review. Proposing a row that the dataset has or had returns that row.

    `origin` says where it comes from, as studies know it: of a row that is there it is kept as one more.
    """
    return _proposed(dataset, by, values, origin).example


def propose_by_hand(dataset: Dataset, *, by: User, values: dict[str, Any], origin: Mapping[str, Any]) -> Proposal:
    """As propose_example, for people and their programs: `origin` is in their own words, by the names of GIVEN.

    Raises Refused for any other name, so that nobody can claim a study.
    """
    return _proposed(dataset, by, values, {name: _own_words(name, value) for name, value in origin.items()})


def _own_words(name: str, value: object) -> str:
    if name not in GIVEN:
        known = " and ".join([", ".join(GIVEN[:-1]), GIVEN[-1]])
        raise Refused(f"An origin may say {known}; “{storable(name)[:40]}” is not a person's to say.", field="origin")
    try:
        text = as_text(name, value).strip()
    except BadValue as error:
        raise Refused(error.reason, field="origin") from error
    if len(text) > MOST_GIVEN:
        raise Refused(f"The {name} has {len(text):,} characters; at most {MOST_GIVEN} can be kept.", field="origin")
    return text


def _proposed(dataset: Dataset, by: User, values: dict[str, Any], origin: dict[str, Any]) -> Proposal:
    cleaned, origin = _cleaned(values), _plain(origin)
    for name in ("instruction", "output"):
        if not cleaned.get(name):
            raise Refused(f"A proposal needs an {name}.", field=name)
    mark = fingerprint(cleaned)
    if known := known_prints(dataset, [mark]):
        return Proposal(_again(known[mark], by, origin), is_new=False)
    try:
        with transaction.atomic():
            example = Example.objects.create(
                dataset=dataset, fingerprint=mark, origin=origin, state=Example.State.PROPOSED, **cleaned
            )
            revision_of(example, by=by, reason="proposed").save()
            noted(dataset, by, "propose_example", f"example {example.pk}", origin=origin)
    except IntegrityError:  # the same proposal, at the same moment
        twin = Example.objects.get(dataset=dataset, fingerprint=mark)
        return Proposal(_again(twin.pk, by, origin), is_new=False)
    return Proposal(example, is_new=True)


def _plain(origin: dict[str, Any]) -> dict[str, Any]:
    try:
        return dict(plain_json("origin", origin))
    except BadValue as error:
        raise Refused(error.reason, field="origin") from error


def _again(pk: int, by: User, origin: dict[str, Any]) -> Example:
    """The example as it stands, decided as it is; another origin than those known is kept with it."""
    with transaction.atomic():
        example = locked(Example(pk=pk))
        again = example.origin.get(AGAIN, [])
        first = {name: value for name, value in example.origin.items() if name != AGAIN}
        if not origin or origin in (first, *again):
            return example
        example.origin = {**first, AGAIN: [*again, origin][:MOST_AGAIN]}
        Example.objects.filter(pk=pk).update(origin=example.origin)  # its texts and its last change stay
        noted(example.dataset, by, "propose_again", f"example {pk}", origin=origin)
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
