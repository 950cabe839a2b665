"""Which side of the split each example is on, and the leaks that no version may have. Pure Python."""

import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

SIDES = ("train", "validation", "test")


@dataclass(frozen=True)
class Candidate:
    """What the split needs to know of an example: its document, its prompt, its category, and a wish."""

    id: int
    prompt: str  # prompt_key of its texts
    source: str = ""
    category: str = ""
    wanted: str = ""


@dataclass
class _Cluster:
    """Examples that must stand on one side: they share a document or a prompt."""

    name: str
    members: list[Candidate] = field(default_factory=list)


def prompt_key(instruction: str, text: str, context: str = "") -> str:
    """Hash of what a model would be asked, whatever the case and white space. Equal keys are one prompt."""
    material = "\0".join(
        " ".join(unicodedata.normalize("NFKC", part).casefold().split()) for part in (context, instruction, text)
    )
    return hashlib.sha256(material.encode("utf-8", "replace")).hexdigest()


def assign_sides(
    candidates: Sequence[Candidate], *, shares: tuple[float, float, float], seed: int, kin: Iterable[Sequence[int]] = ()
) -> dict[int, str]:
    """{example id: side}. A wish is honoured; the rest goes by document, in shares of all and of each category.

    Examples that share a document or a prompt, or stand in one group of `kin` (ids of near duplicates), stay together
    and follow the wish of their cluster. The same input and seed give the same sides, whatever the order.
    """
    sides = {item.id: item.wanted for item in candidates if item.wanted}
    clusters = _clusters(candidates, kin)
    for cluster in clusters:
        wishes = Counter(item.wanted for item in cluster.members if item.wanted)
        if wishes:
            most = max(sorted(wishes), key=lambda side: wishes[side])
            sides |= {item.id: item.wanted or most for item in cluster.members}
    free = [cluster for cluster in clusters if cluster.members[0].id not in sides]
    free.sort(key=lambda cluster: hashlib.sha256(f"{seed}:{cluster.name}".encode()).hexdigest())
    return sides | _fill(free, dict(zip(SIDES, shares, strict=True)), candidates, sides)


def _fill(
    clusters: Sequence[_Cluster], shares: dict[str, float], candidates: Sequence[Candidate], taken: dict[int, str]
) -> dict[int, str]:
    """Give each cluster to the side that lacks most, over all and in the cluster's category; no side stays empty."""
    sizes = Counter(item.category for item in candidates)
    have: Counter[tuple[str, str | None]] = Counter()
    for item in candidates:
        if item.id in taken:
            have.update({(taken[item.id], None): 1, (taken[item.id], item.category): 1})
    empty = [side for side in ("test", "validation") if shares[side] > 0 and not have[side, None]]
    if len(clusters) <= len(empty):
        empty = empty[: max(0, len(clusters) - 1)]
    sides: dict[int, str] = {}
    for cluster in clusters:
        category = cluster.members[0].category
        lack = {
            side: shares[side] * len(candidates)
            - have[side, None]
            + shares[side] * sizes[category]
            - have[side, category]
            for side in SIDES
            if shares[side] > 0
        }
        side = empty.pop(0) if empty else max(lack, key=lambda name: lack[name])
        for item in cluster.members:
            sides[item.id] = side
            have.update({(side, None): 1, (side, item.category): 1})
    return sides


def _clusters(candidates: Iterable[Candidate], kin: Iterable[Sequence[int]]) -> list[_Cluster]:
    """Union of examples by document, by prompt and by kinship."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    def join(one: str, other: str) -> None:
        first, second = sorted((root(one), root(other)))
        parent[second] = first

    items = list(candidates)
    for item in items:
        if item.source:
            join(f"prompt {item.prompt}", f"source {item.source}")
    prompts = {item.id: f"prompt {item.prompt}" for item in items}
    for group in kin:
        for member in group[1:]:
            join(prompts[group[0]], prompts[member])
    found: dict[str, _Cluster] = {}
    for item in items:
        name = root(f"prompt {item.prompt}")
        found.setdefault(name, _Cluster(name)).members.append(item)
    return list(found.values())


def leaks(candidates: Iterable[Candidate], sides: dict[int, str]) -> list[list[int]]:
    """Groups of example ids with one prompt on more than one side of the split."""
    by_prompt: dict[str, list[int]] = defaultdict(list)
    for item in candidates:
        by_prompt[item.prompt].append(item.id)
    return [ids for ids in by_prompt.values() if len({sides[number] for number in ids}) > 1]


def torn_documents(candidates: Iterable[Candidate], sides: dict[int, str]) -> int:
    """How many documents stand on more than one side, because the rows wished it so."""
    found: dict[str, set[str]] = defaultdict(set)
    for item in candidates:
        if item.source:
            found[item.source].add(sides[item.id])
    return sum(len(present) > 1 for present in found.values())
