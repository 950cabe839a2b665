"""How a version is made: who stands on which side, what leaks, and the copy of the texts with its hash."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db.models import Max

from evalhub.accounts.models import User
from evalhub.datasets import leakage
from evalhub.datasets.leakage import Leak
from evalhub.datasets.models import Dataset, Example, Split, Version, VersionExample
from evalhub.datasets.splitting import Candidate, assign_sides, leaks, prompt_key, torn_documents
from evalhub.errors import Refused

CHUNK = 500
FROZEN = ("instruction", "input", "output", "system", "history", "category", "source", "key")
READ = ("instruction", "input", "system", "history", "source", "category", "wanted_split")


@dataclass(frozen=True)
class Plan:
    """How the user wants it split."""

    shares: tuple[float, float, float]
    seed: int
    keep_test: bool


@dataclass(frozen=True)
class Sides:
    """What was decided: {example id: side}, from which candidates, with which leaks."""

    plan: Plan
    candidates: Sequence[Candidate]
    sides: dict[int, str]
    leaks: list[Leak]
    carried: int  # examples that are tested because the last version tested them
    kin: int  # groups of near duplicates


def sound_shares(shares: Sequence[float]) -> tuple[float, float, float]:
    """The three shares, summing to 1. Raises Refused."""
    if len(shares) != 3 or any(not 0 <= share <= 1 for share in shares) or abs(sum(shares) - 1) > 0.001:
        raise Refused(
            "The shares of train, validation and test are three numbers between 0 and 1 that add up to 1.",
            field="shares",
        )
    if shares[0] == 0:
        raise Refused("The share of train cannot be 0.", field="shares")
    train, validation, test = (float(share) for share in shares)
    return train, validation, test


def split(dataset: Dataset, plan: Plan) -> Sides:
    """Decide the sides and look for leaks. Raises Refused for no examples, or one prompt on two sides."""
    rows = _approved(dataset)
    if not rows:
        raise Refused("There is nothing to freeze: this dataset has no approved examples.")
    carried = _tested_before(dataset) & set(rows) if plan.keep_test else set()
    candidates = [_candidate(pk, values, Split.TEST if pk in carried else "") for pk, values in rows.items()]
    kin, pairs = leakage.kin({pk: leakage.prompt_text(values) for pk, values in rows.items()})
    sides = assign_sides(candidates, shares=plan.shares, seed=plan.seed, kin=kin)
    _refuse_torn_prompts(dataset, candidates, sides)
    tested = {pk for pk, side in sides.items() if side == Split.TEST}
    train = {pk: rows[pk] for pk, side in sides.items() if side == Split.TRAIN}
    here = leakage.within(pairs, sides, rows, dataset.slug)
    found = here + leakage.across(dataset.project, train, tested_here=tested)
    return Sides(plan, candidates, sides, found, len(carried), len(kin))


def _approved(dataset: Dataset) -> dict[int, dict[str, Any]]:
    rows = dataset.examples.filter(state=Example.State.APPROVED).order_by("id").select_for_update().values("id", *READ)
    return {row.pop("id"): row for row in rows.iterator(chunk_size=1000)}


def _tested_before(dataset: Dataset) -> set[int]:
    last = dataset.versions.first()
    tested = last.entries.filter(split=Split.TEST) if last else VersionExample.objects.none()
    return set(tested.values_list("example_id", flat=True))


def _candidate(pk: int, values: Mapping[str, Any], side: str) -> Candidate:
    context = "\n".join([values["system"], *(turn["content"] for turn in values["history"])])
    prompt = prompt_key(values["instruction"], values["input"], context)
    return Candidate(pk, prompt, values["source"], values["category"], side or values["wanted_split"])


def _refuse_torn_prompts(dataset: Dataset, candidates: Sequence[Candidate], sides: dict[int, str]) -> None:
    found = leaks(candidates, sides)
    if found:
        named = " and ".join(str(item) for item in Example.objects.filter(pk__in=found[0])[:2])
        count = "1 text stands" if len(found) == 1 else f"{len(found):,} texts stand"
        raise Refused(
            f"{dataset} cannot be frozen: {count} on two sides of the split, first {named}. "
            "Reject one of each or give both the same split."
        )


def store(dataset: Dataset, decided: Sides, *, by: User, note: str, leak_reason: str) -> Version:
    """The version with a copy of all texts, and its hash. Raises Refused if the last version is the same."""
    last = dataset.versions.aggregate(last=Max("number"))["last"] or 0
    version = Version.objects.create(
        dataset=dataset, number=last + 1, note=note[:255], frozen_by=by,
        settings=_settings(decided, leak_reason), counts=_counts(decided.sides),
    )  # fmt: skip
    version.data_hash = _freeze_entries(version, decided.sides)
    if not decided.leaks:  # accepting a leak is a decision of its own, also over the same examples
        _refuse_repetition(version)
    version.save(update_fields=["data_hash"])
    return version


def _counts(sides: dict[int, str]) -> dict[str, int]:
    present = list(sides.values())
    return {**{side.value: present.count(side) for side in Split}, "total": len(present)}


def _settings(decided: Sides, leak_reason: str) -> dict[str, Any]:
    candidates, plan = decided.candidates, decided.plan
    settings = {
        "seed": plan.seed,
        "shares": list(plan.shares),
        "given_splits": sum(bool(item.wanted) for item in candidates) - decided.carried,
        "kept_test": decided.carried,
        "documents": len({item.source for item in candidates if item.source}),
        "torn_documents": torn_documents(candidates, decided.sides),
        "near_duplicates": decided.kin,
        "method": "kept test set, then given split, else seeded by source document, prompt and near duplicates, "
        "stratified by category",
        "gate": leakage.described(),
    }
    if decided.leaks:
        shown = [leak.as_json() for leak in decided.leaks[: leakage.MOST_KEPT]]
        settings["leaks"] = {"reason": leak_reason, "count": len(decided.leaks), "pairs": shown}
    return settings


def _freeze_entries(version: Version, sides: dict[int, str]) -> str:
    """Copy the texts and return their hash: sha256 over the sorted sha256 of each row's canonical JSON."""
    digests: list[str] = []
    position = 0
    examples = version.dataset.examples.filter(state=Example.State.APPROVED)
    stream: Iterator[Example] = examples.order_by("id").iterator(chunk_size=CHUNK)
    while chunk := list(islice(stream, CHUNK)):
        frozen = [
            _entry(version, example, sides[example.pk], position + at)
            for at, example in enumerate(chunk, start=1)
            if example.pk in sides
        ]
        VersionExample.objects.bulk_create(frozen)
        digests += [row_digest(entry.values, entry.split) for entry in frozen]
        position += len(chunk)
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def _entry(version: Version, example: Example, side: str, position: int) -> VersionExample:
    values = {name: getattr(example, name) for name in FROZEN}
    return VersionExample(
        version=version, example=example, split=side, position=position,
        revision_number=example.revision_number, values=values,
    )  # fmt: skip


def row_digest(values: Mapping[str, Any], split: str) -> str:
    """sha256 (hex) of canonical JSON: {**values, "split": split}, keys sorted, no spaces, UTF-8."""
    canonical = json.dumps({**values, "split": split}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _refuse_repetition(version: Version) -> None:
    last = Version.objects.filter(dataset=version.dataset, number=version.number - 1).first()
    if last and last.data_hash == version.data_hash:
        raise Refused(
            f"Version {last.number} already holds exactly these examples on these sides; nothing has changed since."
        )
