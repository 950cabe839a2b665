"""Which side of the split each example is on, and the leaks that no version may have. Pure Python.

Examples that share a document, a prompt or near duplicates form a cluster, and a cluster stands on one side. Clusters
are dealt out in an order drawn by the seed, each to the side that lacks most of what it holds: over all, of its
category, of its collection and of its length. That is the greedy step that brings the squared distances from the
wanted counts down most (stratification by marginals, as in Sechidis et al. 2011).
"""

import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

SIDES = ("train", "validation", "test")
COLLECTION_EXAMPLES, COLLECTION_SHARE = 100, 0.1  # a source with more than both is no document but a collection
Shares = tuple[float, float, float]
Stratum = tuple[str, str]
ALL: Stratum = ("all", "")


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the split needs to know of an example: its document, its prompt, its category, its length, and a wish."""

    id: int
    prompt: str  # prompt_key of its texts
    source: str = ""
    category: str = ""
    wanted: str = ""
    length: int = 0  # characters of its texts


@dataclass
class _Cluster:
    """Examples that must stand on one side: they share a document, a prompt or near duplicates."""

    name: str
    members: list[Candidate] = field(default_factory=list)


def normalised(text: str) -> str:
    """The text as it is compared: whatever its case, white space and width of characters."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def prompt_key(instruction: str, text: str, context: str = "") -> str:
    """Hash of what a model would be asked, whatever the case and white space. Equal keys are one prompt."""
    material = "\0".join(normalised(part) for part in (context, instruction, text))
    return hashlib.sha256(material.encode("utf-8", "replace")).hexdigest()


def collections(candidates: Sequence[Candidate]) -> dict[str, int]:
    """Sources that are too large to be one document, with their counts: spread over the sides, not kept on one."""
    sizes = Counter(item.source for item in candidates if item.source)
    limit = max(COLLECTION_EXAMPLES, COLLECTION_SHARE * len(candidates))
    return {source: size for source, size in sorted(sizes.items()) if size > limit}


def assign_sides(
    candidates: Sequence[Candidate],
    *,
    shares: Shares,
    seed: int,
    kin: Iterable[Sequence[int]] = (),
    min_test: int = 0,
) -> dict[int, str]:
    """{example id: side}. A wish is honoured; the rest goes by cluster, in shares of all and of each stratum.

    Examples that share a document or a prompt, or stand in one group of `kin` (ids of near duplicates), stay together
    and follow the wish of their cluster. With `min_test`, the test side gets that many where the free examples allow
    it. The same input and seed give the same sides, whatever the order.
    """
    sides = {item.id: item.wanted for item in candidates if item.wanted}
    strata = _Strata(candidates)
    clusters = _clusters(candidates, kin, apart=strata.collections)
    for cluster in clusters:
        wishes = Counter(item.wanted for item in cluster.members if item.wanted)
        if wishes:
            most = max(sorted(wishes), key=lambda side: wishes[side])
            sides.update((item.id, item.wanted or most) for item in cluster.members)
    free = [cluster for cluster in clusters if cluster.members[0].id not in sides]
    free.sort(key=lambda cluster: hashlib.sha256(f"{seed}:{cluster.name}".encode()).hexdigest())
    tally = _Tally(strata, effective_shares(len(candidates), shares, min_test), min_test)
    for item in candidates:
        if item.id in sides:
            tally.count(sides[item.id], strata.of([item]))
    return sides | _deal(free, tally, strata)


def effective_shares(total: int, shares: Shares, min_test: int) -> dict[str, float]:
    """{side: share}: what the test set needs beyond its share comes from the other two, in their ratio."""
    train, validation, test = shares
    test = max(test, min(min_test, total) / total if total else 0)
    rest = (1 - test) / (train + validation) if train + validation else 0
    return {"train": train * rest, "validation": validation * rest, "test": test}


class _Strata:
    """To which strata an example belongs, and how many examples are in each."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        lengths = sorted(item.length for item in candidates)
        self.edges = [lengths[len(lengths) * part // 4] for part in (1, 2, 3)] if lengths else []
        self.collections = collections(candidates)
        self.sizes = Counter(stratum for item in candidates for stratum in self._of(item))

    def of(self, members: Iterable[Candidate]) -> list[tuple[Stratum, int]]:
        """Strata with how many of the members are in each, in a fixed order."""
        return sorted(Counter(stratum for item in members for stratum in self._of(item)).items())

    def _of(self, item: Candidate) -> list[Stratum]:
        quarter = sum(item.length >= edge for edge in self.edges)
        found = [ALL, ("category", item.category), ("length", str(quarter))]
        return [*found, ("collection", item.source)] if item.source in self.collections else found


class _Tally:
    """How many examples of each stratum stand on each side, and how many should."""

    def __init__(self, strata: _Strata, shares: Mapping[str, float], min_test: int) -> None:
        self.sizes, self.min_test = strata.sizes, min_test
        self.shares = {side: shares[side] for side in SIDES if shares[side] > 0}
        self.have: Counter[tuple[str, Stratum]] = Counter()

    def count(self, side: str, strata: Iterable[tuple[Stratum, int]]) -> None:
        for stratum, number in strata:
            self.have[side, stratum] += number

    def owed(self, clusters: int, examples: int) -> str:
        """The side that must have the next of `clusters`, after which `examples` are left; "": there is a choice."""
        if self.have["test", ALL] < self.min_test and examples < self.min_test - self.have["test", ALL]:
            return "test"
        empty = [side for side in ("test", "validation") if side in self.shares and not self.have[side, ALL]]
        train_waits = "train" in self.shares and not self.have["train", ALL]
        return empty[0] if empty and not train_waits and clusters <= len(empty) else ""

    def most_lacking(self, strata: Sequence[tuple[Stratum, int]]) -> str:
        lack = {
            side: sum(n * (share * self.sizes[stratum] - self.have[side, stratum]) for stratum, n in strata)
            for side, share in self.shares.items()
        }
        return max(lack, key=lambda side: lack[side])


def _deal(clusters: Sequence[_Cluster], tally: _Tally, strata: _Strata) -> dict[int, str]:
    """Give each cluster to the side that lacks most of it; no side stays empty while there are clusters for it."""
    sides: dict[int, str] = {}
    left = sum(len(cluster.members) for cluster in clusters)
    for at, cluster in enumerate(clusters):
        held = strata.of(cluster.members)
        left -= len(cluster.members)
        side = tally.owed(len(clusters) - at, left) or tally.most_lacking(held)
        tally.count(side, held)
        sides.update((item.id, side) for item in cluster.members)
    return sides


def _clusters(
    candidates: Iterable[Candidate], kin: Iterable[Sequence[int]], *, apart: Mapping[str, int]
) -> list[_Cluster]:
    """Union of examples by document (those `apart` are none), by prompt and by kinship."""
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
        if item.source and item.source not in apart:
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


def torn_documents(candidates: Sequence[Candidate], sides: dict[int, str]) -> int:
    """How many documents stand on more than one side, because the rows wished it so; collections are none."""
    found: dict[str, set[str]] = defaultdict(set)
    apart = collections(candidates)
    for item in candidates:
        if item.source and item.source not in apart:
            found[item.source].add(sides[item.id])
    return sum(len(present) > 1 for present in found.values())
