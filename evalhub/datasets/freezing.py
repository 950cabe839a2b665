"""How a version is decided: what is approved now, who stands on which side, what leaks, what is replayed.

All of it is reading and reckoning, outside of any transaction; `store` then keeps it in a short one, and only if the
examples are still as they were looked at (entries.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from django.db.models import Count

from evalhub.accounts.models import User
from evalhub.datasets import entries, guarded, leakage, replaying
from evalhub.datasets.entries import Entry, Given
from evalhub.datasets.importing import fingerprint
from evalhub.datasets.leakage import Leak
from evalhub.datasets.looking import Looked, Looking, Values, prompt_of
from evalhub.datasets.models import Dataset, Example, Split, Version
from evalhub.datasets.numbering import next_number
from evalhub.datasets.replaying import Replay, Replayed
from evalhub.datasets.splitting import (
    COLLECTION_EXAMPLES,
    COLLECTION_SHARE,
    Candidate,
    Shares,
    assign_sides,
    collections,
    leaks,
    torn_documents,
)
from evalhub.errors import Refused
from evalhub.progress import Heard

SHARES: Shares = (0.9, 0.1, 0.0)
SEED, MOST_SEED = 7, 2**31 - 1
METHOD = (
    "kept test set, then given split, else seeded by source document, prompt and near duplicates, stratified by "
    "category, collection and length"
)


@dataclass(frozen=True)
class Plan:
    """How the user wants it split."""

    shares: Shares = SHARES
    seed: int = SEED
    keep_test: bool = True
    min_test: int = 0  # examples that the test set has at least
    replay: Replay | None = None


@dataclass(frozen=True)
class Decided:
    """What was decided, from which examples {id: as looked at}, with which leaks; `watch` is what was guarded then."""

    plan: Plan
    rows: dict[int, Looked]
    candidates: list[Candidate]
    sides: dict[int, str]
    leaks: list[Leak]
    test_set: dict[str, int]
    kin: int  # groups of near duplicates
    watch: guarded.Watch
    checks: dict[str, Any]  # what the last check of all approved examples found
    trained_before: list[dict[str, Any]]  # frozen versions that train on near copies of what is tested here
    replayed: Replayed | None = None

    @cached_property
    def own(self) -> list[Entry]:
        """The dataset's own examples on their sides, in order."""
        return [looked.entry(pk, self.sides[pk]) for pk, looked in self.rows.items()]

    @property
    def replays(self) -> list[Entry]:
        return self.replayed.entries if self.replayed else []


@dataclass(frozen=True)
class Draft:
    """A version that only waits to be stored: its words, its numbers, its hash, and what is to be copied."""

    counts: dict[str, int]
    settings: dict[str, Any]
    data_hash: str
    own: list[Given]
    replays: list[Given]
    source: Version | None  # of the replays


def sound_plan(dataset: Dataset, plan: Plan) -> Plan:
    """The plan, if it can be followed. Raises Refused."""
    shares = plan.shares
    if len(shares) != 3 or any(not 0 <= share <= 1 for share in shares) or abs(sum(shares) - 1) > 0.001:
        raise Refused(
            "The shares of train, validation and test are three numbers between 0 and 1 that add up to 1.",
            field="shares",
        )
    if dataset.is_benchmark and tuple(shares) != (0, 0, 1):
        raise Refused(
            f"{dataset} is a benchmark: its prompts test models and are never trained on. Freeze it with the shares "
            "0, 0, 1 (all of it is a test set), or say on its page that it is no benchmark.",
            field="shares",
        )
    if shares[0] == 0 and not dataset.is_benchmark:
        raise Refused("The share of train cannot be 0.", field="shares")
    if not 0 <= plan.seed <= MOST_SEED:
        raise Refused(f"A seed is a whole number from 0 to {MOST_SEED:,}.", field="seed")
    if plan.min_test < 0:
        raise Refused("A test set cannot have fewer than 0 examples.", field="min_test")
    return plan


def decide(dataset: Dataset, plan: Plan, heard: Heard | None = None) -> Decided:
    """Decide the sides, look for leaks, draw what is replayed; `heard` learns of the examples compared.

    Raises Refused for no examples, one prompt on two sides, a test set below its minimum, or a replay that cannot be.
    """
    watch = guarded.watch(dataset.project)
    tested = _tested_before(dataset) if plan.keep_test else {}
    looking = Looking(dataset, tested, replaying=plan.replay is not None)
    kin = leakage.kin(looking.rows(), looking.count(), heard)
    if not looking.seen:
        raise Refused("There is nothing to freeze: this dataset has no approved examples.")
    candidates = looking.candidates
    sides = assign_sides(candidates, shares=plan.shares, seed=plan.seed, kin=kin, min_test=plan.min_test)
    _refuse_torn_prompts(dataset, candidates, sides)
    _refuse_small_test(plan, candidates, sides)
    guards = _guards(looking, sides)
    found = leakage.across(looking.prompts_on(Split.TRAIN, sides), guards, looking.titles)
    replayed = _replayed(looking, plan, sides, guards)
    carried = _test_set(dataset, tested, looking.seen, sides)
    checks, before = checked(dataset), _trained_before(looking, sides, guards, found)
    return Decided(plan, looking.seen, candidates, sides, found, carried, len(kin), watch, checks, before, replayed)


def _trained_before(
    looking: Looking, sides: Mapping[int, str], guards: Sequence[guarded.Guarded], found: Sequence[Leak]
) -> list[dict[str, Any]]:
    own = [guard for guard in guards if not guard.version and not guard.benchmark]
    here = {pk: (pk, looking.seen[pk].revision) for pk in _on(Split.TRAIN, sides)}
    leaking = {here[leak.train] for leak in found if not leak.version and not leak.benchmark}
    return leakage.trained_before(looking.dataset.project, own, set(here.values()), leaking)


def checked(dataset: Dataset) -> dict[str, Any]:
    """The last check of all approved examples: its id, when, by whom, how many and what was found; empty for none."""
    run = dataset.checks.filter(query="").select_related("created_by").first()
    if run is None:
        return {}
    counted = run.flags.order_by("kind").values_list("kind").annotate(n=Count("example", distinct=True))
    facts = {"run": run.pk, "at": run.read_at.isoformat(), "by": str(run.created_by), "examples": run.examples}
    return {**facts, "flags": dict(counted)}


def _tested_before(dataset: Dataset) -> dict[int, int]:
    """{example id: revision} of what the last version tests."""
    last = dataset.versions.first()
    return dict(last.entries.filter(split=Split.TEST).values_list("example_id", "revision_number")) if last else {}


def _on(side: str, sides: Mapping[int, str]) -> set[int]:
    return {pk for pk, found in sides.items() if found == side}


def _refuse_torn_prompts(dataset: Dataset, candidates: Sequence[Candidate], sides: dict[int, str]) -> None:
    found = leaks(candidates, sides)
    if found:
        named = " and ".join(str(item) for item in Example.objects.filter(pk__in=found[0])[:2])
        count = "1 text stands" if len(found) == 1 else f"{len(found):,} texts stand"
        raise Refused(
            f"{dataset} cannot be frozen: {count} on two sides of the split, first {named}. "
            "Reject one of each or give both the same split."
        )


def _refuse_small_test(plan: Plan, candidates: Sequence[Candidate], sides: Mapping[int, str]) -> None:
    count = len(_on(Split.TEST, sides))
    if count < plan.min_test:
        fixed = sum(item.wanted not in ("", Split.TEST) for item in candidates)
        raise Refused(
            f"A test set of at least {plan.min_test:,} examples was asked for, and {count:,} can be tested: "
            f"{fixed:,} of the {len(candidates):,} approved examples have another split of their own. "
            "Ask for fewer, or import more examples.",
            field="min_test",
        )


def _test_set(
    dataset: Dataset, tested: Mapping[int, int], rows: Mapping[int, Looked], sides: Mapping[int, str]
) -> dict[str, int]:
    """What became of the test set of the last version: how many were tested, kept, edited since, left out, added."""
    last, now = dataset.versions.first(), _on(Split.TEST, sides)
    kept = tested.keys() & rows.keys()
    edited = sum(rows[pk].revision != tested[pk] for pk in kept)
    counts = {"tested": len(tested), "kept": len(kept), "edited": edited, "left_out": len(tested) - len(kept)}
    return {"version": last.number, **counts, "added": len(now - kept)} if last and tested else {}


def _guards(looking: Looking, sides: Mapping[int, str]) -> list[guarded.Guarded]:
    """What is tested here, then what is tested elsewhere in the project."""
    here, dataset = _on(Split.TEST, sides), looking.dataset
    tested = looking.prompts_on(Split.TEST, sides) if here else ()
    own = [guarded.Guarded(pk, dataset.slug, 0, values) for pk, values in tested]
    return [*own, *guarded.all_of(dataset.project, but={(pk, looking.seen[pk].revision) for pk in here})]


def _replayed(looking: Looking, plan: Plan, sides: Mapping[int, str], guards: list[guarded.Guarded]) -> Replayed | None:
    if plan.replay is None:
        return None
    source = replaying.source_of(looking.dataset, plan.replay)
    watched = (values for _, values in looking.prompts_on(Split.VALIDATION, sides))
    texts = map(guarded.prompt, chain(watched, (guard.values for guard in guards)))
    trained = len(_on(Split.TRAIN, sides))
    there = _there(looking, sides)
    return replaying.drawn(source, plan.replay.share, trained=trained, seed=plan.seed, there=there, apart_from=texts)


def _there(looking: Looking, sides: Mapping[int, str]) -> Callable[[Values], bool]:
    """Whether a text is one of these, so that it is not trained on twice, or has the prompt of one not trained on."""
    texts = {looked.text for looked in looking.seen.values()}
    prompts = {item.prompt for item in looking.candidates if sides[item.id] != Split.TRAIN}
    return lambda values: bytes.fromhex(fingerprint(values)) in texts or prompt_of(values) in prompts


def still_so(dataset: Dataset, decided: Decided) -> bool:
    """Whether nothing more is approved, and nothing more is guarded, than was looked at."""
    approved = dataset.examples.filter(state=Example.State.APPROVED).count()
    return approved == len(decided.rows) and guarded.watch(dataset.project) == decided.watch


def draft(decided: Decided, leak_reason: str) -> Draft:
    """What is to be stored, ready: made before the transaction, since others wait in it."""
    present = [entry.split for entry in chain(decided.own, decided.replays)]
    return Draft(
        counts={**{side.value: present.count(side) for side in Split}, "total": len(present)},
        settings=_settings(decided, leak_reason),
        data_hash=entries.data_hash(entry.digest for entry in chain(decided.own, decided.replays)),
        own=entries.given(decided.own),
        replays=entries.given(decided.replays, after=len(decided.own)),
        source=decided.replayed.version if decided.replayed else None,
    )


def store(
    dataset: Dataset, made: Draft, *, by: User, note: str, request_key: str | None, heard: Heard | None = None
) -> Version | None:
    """The version with a copy of all texts; None if an example is not as it was looked at (then undo all of it).

    Raises Refused if the last version holds exactly the same; to accept a leak is a decision of its own.
    """
    last = dataset.versions.first()
    if last and _holds_the_same(last, made) and "leaks" not in made.settings:
        raise Refused(
            f"Version {last.number} already holds exactly these examples on these sides; nothing has changed since."
        )
    version = Version.objects.create(
        dataset=dataset, number=next_number(dataset), note=note[:255], frozen_by=by, request_key=request_key,
        data_hash=made.data_hash, settings=made.settings, counts=made.counts,
    )  # fmt: skip
    copied = entries.copy_examples(version, made.own, heard)
    if copied and made.source:
        copied = entries.copy_entries(version, made.replays, made.source)
    return version if copied else None


def _holds_the_same(last: Version, made: Draft) -> bool:
    details = made.settings["details_hash"]
    return last.data_hash == made.data_hash and last.settings.get("details_hash", details) == details


def _settings(decided: Decided, leak_reason: str) -> dict[str, Any]:
    candidates, plan = decided.candidates, decided.plan
    kept, apart = decided.test_set.get("kept", 0), collections(candidates)
    settings: dict[str, Any] = {
        "seed": plan.seed,
        "shares": list(plan.shares),
        "min_test": plan.min_test,
        "given_splits": sum(bool(item.wanted) for item in candidates) - kept,
        "kept_test": kept,
        "documents": len({item.source for item in candidates if item.source} - apart.keys()),
        "torn_documents": torn_documents(candidates, decided.sides),
        "collections": apart,
        "collection": {"examples": COLLECTION_EXAMPLES, "share": COLLECTION_SHARE},
        "near_duplicates": decided.kin,
        "method": METHOD,
        "gate": leakage.described() | {"benchmarks": decided.watch.benchmarks},
        "details_hash": entries.details_hash(chain(decided.own, decided.replays)),
        "checks": decided.checks,
        "trained_before": decided.trained_before,
    }
    if decided.test_set:
        settings["test_set"] = decided.test_set
    if decided.replayed:
        settings["replay"] = decided.replayed.as_json()
    if decided.leaks:
        shown = [leak.as_json() for leak in decided.leaks[: leakage.MOST_KEPT]]
        settings["leaks"] = {"reason": leak_reason, "count": len(decided.leaks), "pairs": shown}
    return settings
