"""Freeze: what is trained and tested on, split, numbered and hashed; at once, or by a worker."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from evalhub.accounts.models import User
from evalhub.datasets import freezing, storing
from evalhub.datasets.actions.noting import noted
from evalhub.datasets.freezing import SEED, SHARES, Decided, Draft, Plan
from evalhub.datasets.leakage import Leak, Leaking
from evalhub.datasets.models import Dataset, Example, Version
from evalhub.datasets.replaying import Replay
from evalhub.datasets.splitting import Shares
from evalhub.errors import Refused
from evalhub.jobs.actions import request_job
from evalhub.jobs.models import Job
from evalhub.progress import Heard

ACCEPT_OR_MEND = "Reject one of each, give both the same split, or say why it is accepted. Nothing was frozen."
ATTEMPTS = 4
AT_ONCE = 3000  # approved examples up to which a page waits for the version


def freeze_version(
    dataset: Dataset,
    *,
    by: User,
    note: str = "",
    shares: Shares = SHARES,
    seed: int = SEED,
    keep_test: bool = True,
    min_test: int = 0,
    replay: Replay | None = None,
    leak_reason: str = "",
    request_key: str | None = None,
    progress: Heard | None = None,
) -> Version:
    """Freeze the approved examples, split, numbered and hashed.

    `shares` are train, validation, test; the test set has `min_test` examples or more. With `keep_test`, what was
    tested in the last version is tested again. A row's own split is honoured; the others are split so that a document,
    or a group of near duplicates, never stands on two sides. `replay` mixes examples of another dataset into train.
    The same `request_key` twice is one version. `progress` learns of examples: a half each for comparing and storing.

    Examples are compared outside of any transaction; if they change meanwhile, it is done again. Raises Refused if
    there is nothing to freeze, if one prompt would stand on two sides, if the test set or the replay cannot be had, if
    the last version holds exactly the same, or if the examples keep changing; Leaking if a training example is a near
    duplicate of a test example of this version, of any frozen before in the project or of a benchmark, unless
    `leak_reason` says why that is accepted.
    """
    plan = Plan(shares, seed, keep_test, min_test, replay)
    words: dict[str, Any] = {"note": note, "leak_reason": leak_reason, "request_key": request_key}
    return freeze_as_planned(dataset, by=by, plan=plan, progress=progress, **words)


def freeze_as_planned(
    dataset: Dataset, *, by: User, plan: Plan, note: str = "", leak_reason: str = "", request_key: str | None = None,
    progress: Heard | None = None,
) -> Version:  # fmt: skip
    """freeze_version, by a plan."""
    freezing.sound_plan(dataset, plan)
    asked = _Asked(by, note, leak_reason.strip(), request_key or None)
    keeping = _Keeping(dataset, asked, progress)
    for _ in range(ATTEMPTS):
        if made := keeping.made_before():
            return made
        decided = freezing.decide(dataset, plan, keeping.comparing)
        if decided.leaks and not asked.leak_reason:
            raise Leaking(dataset, decided.leaks, ACCEPT_OR_MEND)
        if version := keeping.keep(decided):
            return version
    raise Refused(
        f"The examples of {dataset} changed {ATTEMPTS} times while they were compared, so nothing was frozen. "
        "Freeze again when the import or the edits have come to an end."
    )


@dataclass(frozen=True)
class _Asked:
    """Who asked, with which words, in which request."""

    by: User
    note: str
    leak_reason: str
    request_key: str | None


class _Keeping:
    """The short part of a freeze, in which others wait."""

    def __init__(self, dataset: Dataset, asked: _Asked, progress: Heard | None) -> None:
        self.dataset, self.asked, self.progress = dataset, asked, progress

    def made_before(self) -> Version | None:
        """The version that this request made already."""
        key = self.asked.request_key
        return self.dataset.versions.filter(request_key=key).first() if key else None

    def keep(self, decided: Decided) -> Version | None:
        """The version, stored and noted; None, and nothing is stored, if the examples have changed meanwhile."""
        made = freezing.draft(decided, self.asked.leak_reason)
        with transaction.atomic():
            storing.take_turn_in_project(self.dataset)
            if before := self.made_before():
                return before
            version = self._stored(made) if freezing.still_so(self.dataset, decided) else None
            if version is None:
                transaction.set_rollback(True)
                return None
            self._note(version, len(decided.leaks))
        return version

    def _stored(self, made: Draft) -> Version | None:
        asked = self.asked
        return freezing.store(
            self.dataset, made, by=asked.by, note=asked.note, request_key=asked.request_key, heard=self.storing
        )

    def _note(self, version: Version, leaks: int) -> None:
        facts = {"counts": version.counts, "data_hash": version.data_hash}
        accepted = {"leaks": leaks, "leak_reason": self.asked.leak_reason} if leaks else {}
        noted(self.dataset, self.asked.by, "freeze_version", f"version {version.number}", **facts, **accepted)

    def comparing(self, done: int, total: int) -> None:
        if self.progress:
            self.progress(done // 2, total)

    def storing(self, done: int, total: int) -> None:
        if self.progress:
            self.progress((total + done) // 2, total)


def leaks_of(dataset: Dataset, plan: Plan | None = None) -> list[Leak]:
    """What freeze_version would decline for, with its defaults if no plan is given. Raises Refused as it does."""
    return freezing.decide(dataset, freezing.sound_plan(dataset, plan or Plan())).leaks


def freezes_at_once(dataset: Dataset) -> bool:
    """Whether a page may wait for it; else a worker does it."""
    return dataset.examples.filter(state=Example.State.APPROVED)[: AT_ONCE + 1].count() <= AT_ONCE


def request_freeze(
    dataset: Dataset, *, by: User, plan: Plan, note: str = "", leak_reason: str = "", request_key: str | None = None
) -> Job:
    """Let a worker freeze it: the command freeze_version with these options. Raises Refused for what cannot be."""
    freezing.sound_plan(dataset, plan)
    return request_job(
        dataset.project, command="freeze_version", title=f"Freeze {dataset}", by=by, request_key=request_key,
        options={"dataset": dataset.slug, "note": note, "accept_leaks": leak_reason, **_options(plan)},
    )  # fmt: skip


def _options(plan: Plan) -> dict[str, Any]:
    """The plan as the command's options."""
    replay = plan.replay
    named = f"{replay.dataset}@{replay.version}" if replay and replay.version else replay.dataset if replay else ""
    return {
        "shares": ",".join(str(share) for share in plan.shares), "seed": plan.seed, "min_test": plan.min_test,
        "new_test_set": not plan.keep_test, "replay": named, "replay_share": replay.share if replay else 0.1,
    }  # fmt: skip
