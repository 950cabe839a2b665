"""Which tasks a study asks about, and in which order raters meet them."""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from evalhub.datasets.models import VersionExample
from evalhub.errors import Refused
from evalhub.runs.models import Answer, Run
from evalhub.studies.design import ArmDesign

T = TypeVar("T")
NAMED = 5  # entries named in a sentence before "and n more"


@dataclass(frozen=True)
class Choice:
    """Entries in rating order, each arm's answers by entry, and what was left out: arm name → entry keys."""

    entries: tuple[VersionExample, ...]
    answers: Mapping[str, Mapping[int, Answer]]
    left_out: Mapping[str, tuple[str, ...]]


def choose(arms: Sequence[ArmDesign], *, items: int | None, seed: int) -> Choice:
    """The entries that every arm answered, or a stratified sample of `items` of them.

    Raises Refused when the arms do not share one version and split, when a run has not succeeded,
    or when fewer entries are left than asked for.
    """
    _check_same_ground(arms)
    first = arms[0].generation
    entries = list(VersionExample.objects.filter(version=first.version_id, split=first.split))
    answers = {
        arm.name: {a.entry_id: a for a in arm.generation.answers.filter(error="").defer("details")} for arm in arms
    }
    left_out = {name: tuple(entry_key(e) for e in entries if e.pk not in mine) for name, mine in answers.items()}
    common = [e for e in entries if all(e.pk in mine for mine in answers.values())]
    _check_enough(common, items, left_out)
    ordered = interleaved(common, [str(e.values.get("category", "")) for e in common], seed=seed)
    return Choice(tuple(ordered[:items]), answers, {n: keys for n, keys in left_out.items() if keys})


def interleaved(things: Sequence[T], strata: Sequence[str], *, seed: int) -> list[T]:
    """A seeded order of which every beginning holds each stratum in proportion, to within one.

    Systematic: the i-th of n things of a stratum gets rank (i + u) / n with one random u per stratum.
    """
    chance = random.Random(seed)  # noqa: S311  (a reproducible order, not a secret)
    groups: dict[str, list[T]] = defaultdict(list)
    for thing, stratum in zip(things, strata, strict=True):
        groups[stratum].append(thing)
    ranked: list[tuple[float, float, T]] = []
    for stratum in sorted(groups):
        members = groups[stratum]
        chance.shuffle(members)
        start = chance.random()
        ranked += [((i + start) / len(members), chance.random(), member) for i, member in enumerate(members)]
    return [thing for _, _, thing in sorted(ranked, key=lambda r: r[:2])]


def entry_key(entry: VersionExample) -> str:
    """The id that the row carried in its file, or its place in the version."""
    return str(entry.values.get("key") or f"entry {entry.position}")


def named(keys: Iterable[str]) -> str:
    """ "a, b, c and 4 more" """
    listed = list(keys)
    shown = ", ".join(listed[:NAMED])
    return shown if len(listed) <= NAMED else f"{shown} and {len(listed) - NAMED} more"


def _check_same_ground(arms: Sequence[ArmDesign]) -> None:
    grounds = {(arm.generation.version_id, arm.generation.split) for arm in arms}
    if len(grounds) > 1:
        raise Refused(
            "The arms answered different versions or splits; choose runs over the same version and split.", field="arms"
        )
    for arm in arms:
        if arm.generation.run.state != Run.State.SUCCEEDED:
            raise Refused(
                f"The run of arm “{arm.name}” has not succeeded; wait for it or choose another run.", field="arms"
            )


def _check_enough(common: Sequence[object], items: int | None, left_out: Mapping[str, Sequence[str]]) -> None:
    if not common:
        gaps = "; ".join(f"{name} lacks {named(keys)}" for name, keys in left_out.items() if keys)
        raise Refused(f"No item was answered by all arms{': ' + gaps if gaps else ''}.", field="arms")
    if items is not None and not 1 <= items <= len(common):
        raise Refused(
            f"{items} items were asked for, but {len(common)} were answered by all arms; choose 1 to {len(common)}.",
            field="items",
        )
