"""What people do with data: import_file, request_import, edit_example, approve, reject, freeze_version …"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from evalhub.accounts.models import AuditEvent, Project, User
from evalhub.datasets import freezing, lifecycle, storing, tasks
from evalhub.datasets.importing import BadValue, clean_values, fingerprint
from evalhub.datasets.leakage import Leak, Leaking
from evalhub.datasets.models import Dataset, Example, ImportBatch, Revision, Version
from evalhub.datasets.reading import storable
from evalhub.datasets.storing import REVISED, Report, revision_of
from evalhub.errors import Refused

WAIT_SECONDS = 0.5
MOST_WORDS = 10_000  # characters of a description or credit
ACCEPT_OR_MEND = "Reject one of each, give both the same split, or say why it is accepted. Nothing was frozen."
State = ImportBatch.State


def create_dataset(project: Project, *, name: str, by: User, description: str = "", credit: str = "") -> Dataset:
    """A new, empty dataset. Raises Refused for a name that is empty or taken."""
    name = name.strip()
    if not name:
        raise Refused("A dataset needs a name.", field="name")
    if len(name) > 120:
        raise Refused("A dataset's name has at most 120 characters.", field="name")
    if project.datasets.filter(name=name).exists():
        raise Refused(f"This project already has a dataset named “{name}”.", field="name")
    with transaction.atomic():
        dataset = Dataset.objects.create(
            project=project,
            name=name,
            slug=_free_slug(project, name),
            description=description,
            credit=credit,
            created_by=by,
        )
        _note(dataset, by, "create_dataset")
    return dataset


def describe_dataset(dataset: Dataset, *, by: User, description: str, credit: str) -> Dataset:
    """Change the description and the credit. Raises Refused for characters that cannot be kept."""
    for name, text in (("description", description), ("credit", credit)):
        if text != storable(text) or len(text) > MOST_WORDS:
            raise Refused(f"The {name} is too long, or holds characters that cannot be kept.", field=name)
    with transaction.atomic():
        dataset.description, dataset.credit = description.strip(), credit.strip()
        dataset.save(update_fields=["description", "credit"])
        _note(dataset, by, "describe_dataset")
    return dataset


def _free_slug(project: Project, name: str) -> str:
    base = slugify(name)[:100] or "dataset"
    taken = set(project.datasets.filter(slug__startswith=base).values_list("slug", flat=True))
    return next(
        slug for number in range(1, len(taken) + 3) if (slug := f"{base}-{number}" if number > 1 else base) not in taken
    )


def _note(dataset: Dataset, by: User, verb: str, target: str = "", **details: Any) -> None:
    AuditEvent.objects.create(
        project_id=dataset.project_id, actor=by, verb=verb, target=target or f"dataset {dataset.slug}", details=details
    )


# --- import -------------------------------------------------------------------------------------
def import_file(
    dataset: Dataset,
    *,
    path: Path,
    file_name: str,
    by: User,
    policy: str = "set-aside",
    mapping: Mapping[str, str] | None = None,
    progress: Report | None = None,
) -> ImportBatch:
    """Store the rows of a file here and now; what cannot be stored is kept as problems of the batch.

    Idempotent: a row that the dataset has or once had counts as unchanged. set-aside stores in chunks, each in its own
    transaction; all-or-nothing stores in one. The batch's state says whether anything was stored. Where this process
    dies, a worker goes on. Raises Refused, with nothing kept, if the file cannot be read.
    """
    _check_policy(policy)
    found = storing.counted(path, name=file_name, mapping=mapping)
    asked = _Asked(file_name, by, policy, dict(mapping or {}))
    batch = _open_batch(dataset, path, asked, state=State.RUNNING, attempt=1, heartbeat_at=timezone.now())
    claim = lifecycle.Claim(batch.pk, attempt=1)
    try:
        return storing.store_file(claim, path, found, tell=progress)
    except lifecycle.Superseded as end:
        raise _overtaken(batch, end) from None
    except BaseException as error:
        storing.stop(claim, error)
        raise


def request_import(
    dataset: Dataset,
    *,
    path: Path,
    file_name: str,
    by: User,
    policy: str = "set-aside",
    mapping: Mapping[str, str] | None = None,
    request_key: str | None = None,
) -> ImportBatch:
    """Keep the file, and let a worker store its rows as import_file does. The same `request_key` twice is one import.

    Raises Refused for an unknown policy; a file that cannot be read fails the import, with a sentence.
    """
    _check_policy(policy)
    asked = _Asked(file_name, by, policy, dict(mapping or {}))
    try:
        batch = _open_batch(dataset, path, asked, request_key=request_key)
    except IntegrityError:
        return dataset.imports.get(request_key=request_key)
    transaction.on_commit(partial(tasks.knock, batch.pk))
    return batch


def cancel_import(batch: ImportBatch, *, by: User) -> ImportBatch:
    """Stop an import: the rows stored so far stay, of all-or-nothing none. Asking again changes nothing.

    Raises Refused for an import that has ended otherwise.
    """
    batch.refresh_from_db()
    with lifecycle.asked_to_stop(batch), transaction.atomic():
        won = lifecycle.cancel(batch.pk)
        batch.refresh_from_db()
        if won:
            batch.message = f"Stopped by {by}. {_kept(batch)}"
            batch.save(update_fields=["message"])
            _note(batch.dataset, by, "cancel_import", f"import {batch.pk}", imported=batch.imported)
    if batch.state != State.CANCELLED:
        raise Refused(f"This import has already {batch.state}.")
    return batch


def _kept(batch: ImportBatch) -> str:
    if not batch.imported:
        return "Nothing was stored."
    if batch.imported == 1:
        return "One row was stored until then; it stays."
    return f"{batch.imported:,} rows were stored until then; they stay."


def retry_import(batch: ImportBatch, *, by: User) -> ImportBatch:
    """The same file with the same settings again, after the rows it had gone through. A second click changes nothing.

    Raises Refused for an import that has succeeded, has gone through its file, or whose file is no longer kept.
    """
    batch.refresh_from_db()
    if batch.is_live:
        return batch
    if batch.state == State.SUCCEEDED:
        raise Refused("This import has already succeeded.")
    if not batch.file.name or not default_storage.exists(batch.file.name):
        raise Refused(tasks.GONE)
    if not batch.may_go_on:
        raise Refused("This import has gone through all of its file; mend the rows, and import the file again.")
    with transaction.atomic():
        if lifecycle.again(batch.pk):
            _note(batch.dataset, by, "retry_import", f"import {batch.pk}", done=batch.done)
            transaction.on_commit(partial(tasks.knock, batch.pk))
    batch.refresh_from_db()
    return batch


def wait_for_import(batch: ImportBatch, *, progress: Report | None = None) -> ImportBatch:
    """Wait until a worker has brought the import to its end."""
    batch.refresh_from_db()
    while batch.is_live:
        if progress and batch.total:
            progress(batch.done, batch.total)
        time.sleep(WAIT_SECONDS)
        batch.refresh_from_db()
    return batch


def _overtaken(batch: ImportBatch, end: lifecycle.Superseded) -> Refused:
    """Why an import in line had to end: stopped by a person, or taken over by a worker."""
    batch.refresh_from_db()
    if batch.state == State.CANCELLED:
        return Refused(batch.message)
    if isinstance(end, lifecycle.Stopped):
        return Refused("This import was stopped. Nothing was stored.")
    return Refused("This import was silent for so long that a worker has taken it over; its page tells.")


def _check_policy(policy: str) -> None:
    if policy not in ImportBatch.Policy.values:
        raise Refused(f"There is no policy “{policy}”; there are {' and '.join(ImportBatch.Policy.values)}.")


@dataclass(frozen=True)
class _Asked:
    """What a person asked for with a file."""

    file_name: str
    by: User
    policy: str
    mapping: dict[str, str]


def _open_batch(dataset: Dataset, path: Path, asked: _Asked, **life: Any) -> ImportBatch:
    """The import's row with a copy of the file, or neither."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        batch = ImportBatch(
            dataset=dataset,
            file_name=storable(asked.file_name)[:255],
            sha256=digest,
            policy=asked.policy,
            mapping=asked.mapping,
            created_by=asked.by,
            **life,
        )
        batch.file.save(f"{digest[:12]}{Path(asked.file_name).suffix[:10]}", File(file), save=False)
    try:
        with transaction.atomic():
            batch.save()
    except Exception:
        _delete_files([str(batch.file.name)])
        raise
    return batch


# --- curate -------------------------------------------------------------------------------------
def edit_example(
    example: Example, *, by: User, values: dict[str, Any], reason: str = "", expected_revision: int | None = None
) -> Example:
    """Change texts or properties; the former state stays as a revision. An edit that changes nothing does nothing.

    Raises Refused for values that cannot be kept, for a text that another example already has, and, where
    `expected_revision` is given, if somebody else has changed the example since.
    """
    cleaned = _cleaned(values)
    with transaction.atomic():
        current = _locked(example)
        if expected_revision is not None and current.revision_number != expected_revision:
            raise Refused(
                "Somebody else changed this example in the meantime. Look at it again; nothing was overwritten."
            )
        changed = [name for name, value in cleaned.items() if getattr(current, name) != value]
        if not changed:
            return current
        for name in changed:
            setattr(current, name, cleaned[name])
        current.fingerprint = fingerprint(vars(current))
        current.revision_number += 1
        _refuse_double(current)
        current.save()
        revision_of(current, by=by, reason=reason).save()
        _note(current.dataset, by, "edit_example", f"example {current.pk}", fields=changed, reason=reason)
    return current


def _cleaned(values: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(values) - set(REVISED))
    if unknown:
        raise Refused(f"An example has no field “{unknown[0]}” that can be edited.", field=unknown[0])
    try:
        return clean_values(values)
    except BadValue as error:
        raise Refused(error.reason, field=error.name) from error


def _locked(example: Example) -> Example:
    return Example.objects.select_for_update(of=("self",)).select_related("dataset").get(pk=example.pk)


def _refuse_double(example: Example) -> None:
    others = Example.objects.filter(dataset=example.dataset, fingerprint=example.fingerprint).exclude(pk=example.pk)
    if other := others.first():
        raise Refused(f"{other} already has exactly these texts; an example stands in a dataset once.", field="output")


def approve(example: Example, *, by: User) -> Example:
    """Let an example into the next version. Raises Refused if it is approved already."""
    return _decide(example, Example.State.APPROVED, by=by, verb="approve")


def reject(example: Example, *, by: User, reason: str = "") -> Example:
    """Keep an example out of later versions; it stays to be seen. Raises Refused if it is rejected already."""
    return _decide(example, Example.State.REJECTED, by=by, verb="reject", reason=reason)


def _decide(example: Example, state: Example.State, *, by: User, verb: str, reason: str = "") -> Example:
    with transaction.atomic():
        current = _locked(example)
        if current.state == state:
            raise Refused(f"This example is already {state.label.lower()}.")
        details = {"from": current.state} | ({"reason": reason} if reason else {})
        current.state = state
        current.save(update_fields=["state", "updated_at"])
        _note(current.dataset, by, verb, f"example {current.pk}", **details)
    return current


def approve_instead(example: Example, *, by: User) -> list[Example]:
    """Approve, and reject the approved examples that ask exactly the same; returns those. Raises Refused as approve."""
    with transaction.atomic():
        approve(example, by=by)
        same = {name: getattr(example, name) for name in ("instruction", "input", "system")}
        former = Example.objects.filter(dataset=example.dataset_id, state=Example.State.APPROVED, **same)
        return [reject(rival, by=by, reason=f"replaced by {example}") for rival in former.exclude(pk=example.pk)]


def decide_many(dataset: Dataset, *, pks: Sequence[int], approving: bool, by: User) -> int:
    """Approve or reject several at once; those in that state already are left alone. Returns how many changed."""
    state = Example.State.APPROVED if approving else Example.State.REJECTED
    with transaction.atomic():
        examples = Example.objects.select_for_update().filter(dataset=dataset, pk__in=pks).exclude(state=state)
        changed = list(examples.values_list("pk", flat=True))
        Example.objects.filter(pk__in=changed).update(state=state, updated_at=timezone.now())
        if changed:
            count = "1 example" if len(changed) == 1 else f"{len(changed):,} examples"
            _note(
                dataset,
                by,
                "approve" if approving else "reject",
                f"{count} of dataset {dataset.slug}",
                examples=changed,
            )
    return len(changed)


def propose_example(dataset: Dataset, *, by: User, values: dict[str, Any], origin: dict[str, Any]) -> Example:
    """A correction or new row that waits for review. Proposing a row that the dataset has or had returns that row."""
    cleaned = _cleaned(values)
    for name in ("instruction", "output"):
        if not cleaned.get(name):
            raise Refused(f"A proposal needs an {name}.", field=name)
    mark = fingerprint(cleaned)
    known = Revision.objects.filter(example__dataset=dataset, fingerprint=mark).select_related("example").first()
    if known:
        return known.example
    try:
        with transaction.atomic():
            example = Example.objects.create(
                dataset=dataset, fingerprint=mark, origin=origin, state=Example.State.PROPOSED, **cleaned
            )
            revision_of(example, by=by, reason="proposed").save()
            _note(dataset, by, "propose_example", f"example {example.pk}", origin=origin)
    except IntegrityError:  # the same proposal, at the same moment
        return Example.objects.get(dataset=dataset, fingerprint=mark)
    return example


# --- freeze -------------------------------------------------------------------------------------
def freeze_version(
    dataset: Dataset,
    *,
    by: User,
    note: str = "",
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 7,
    keep_test: bool = True,
    leak_reason: str = "",
) -> Version:
    """Freeze the approved examples, split, numbered and hashed.

    `shares` are train, validation, test. With `keep_test`, what was tested in the last version is tested again. A
    row's own split is honoured; the others are split so that a document, or a group of near duplicates, never stands
    on two sides. Raises Refused if there is nothing to freeze, if one prompt would stand on two sides, or if the last
    version holds exactly the same; Leaking if a training example is a near duplicate of a test example of this version
    or of any frozen before in the project, unless `leak_reason` says why that is accepted.
    """
    shares = freezing.sound_shares(shares)
    plan = freezing.Plan(shares=shares, seed=seed, keep_test=keep_test)
    with transaction.atomic():
        storing.take_turn(dataset.pk)
        split = freezing.split(dataset, plan)
        if split.leaks and not leak_reason.strip():
            raise Leaking(dataset, split.leaks, ACCEPT_OR_MEND)
        version = freezing.store(dataset, split, by=by, note=note, leak_reason=leak_reason.strip())
        facts = {"counts": version.counts, "data_hash": version.data_hash}
        accepted = {"leaks": len(split.leaks), "leak_reason": leak_reason.strip()} if split.leaks else {}
        _note(dataset, by, "freeze_version", f"version {version.number}", **facts, **accepted)
    return version


def leaks_of(dataset: Dataset) -> list[Leak]:
    """What freeze_version would decline for, with its defaults. Raises Refused as it does."""
    with transaction.atomic():
        plan = freezing.Plan(shares=(0.8, 0.1, 0.1), seed=7, keep_test=True)
        return freezing.split(dataset, plan).leaks


def discard_empty(dataset: Dataset, *, by: User) -> None:
    """Remove a dataset that holds nothing yet, with the records of imports that stored nothing. Raises Refused."""
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        if dataset.examples.exists() or dataset.versions.exists():
            raise Refused(f"{dataset} holds examples; only an empty dataset can be discarded.")
        if dataset.imports.filter(state__in=lifecycle.LIVE).exists():
            raise Refused(f"An import into {dataset} is under way; only an empty dataset can be discarded.")
        names = [batch.file.name for batch in dataset.imports.all() if batch.file.name]
        _note(dataset, by, "discard_empty")
        dataset.delete()
        transaction.on_commit(partial(_delete_files, names))


def _delete_files(names: Sequence[str]) -> None:
    for name in names:
        default_storage.delete(name)
