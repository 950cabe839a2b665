"""What the checks find: flags of examples, lines of the readiness list, and the data's shape in numbers and words."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

MOST_REASON = 255  # characters: a flag's reason is kept in a column of that width


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one example. `kind` is a key of kinds.KINDS; examples of one kind and group belong together."""

    id: int
    kind: str
    reason: str
    group: int | None = None


@dataclass(frozen=True)
class Check:
    """One line of the readiness list. Tone: good, warn or bad; `count`: how many examples are flagged.

    `where`: (what a link says, the query of the table's address that leaves exactly the examples concerned).
    """

    key: str
    label: str
    value: str
    tone: str
    note: str = ""
    count: int = 0
    where: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**{**stored, "where": _pairs(stored.get("where", ()))})


@dataclass(frozen=True)
class Bar:
    """A name and how many examples have it, per wanted side of the split ("" = none)."""

    name: str
    sides: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.sides.values())

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(stored["name"], dict(stored["sides"]))


@dataclass(frozen=True)
class Bars:
    """The most frequent names, the largest first; `names`: how many there are; `others`: examples of the rest."""

    sentence: str
    bars: tuple[Bar, ...] = ()
    names: int = 0
    others: int = 0

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**{**stored, "bars": tuple(Bar.from_json(bar) for bar in stored["bars"])})


@dataclass(frozen=True)
class Histogram:
    """How many values lie in each bin: (lower edge, count), edges at equal distance; `above`: beyond the last bin."""

    name: str
    unit: str
    sentence: str
    bins: tuple[tuple[float, int], ...] = ()
    above: int = 0
    least: float = 0
    median: float = 0
    most: float = 0

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**{**stored, "bins": _pairs(stored["bins"])})


@dataclass(frozen=True)
class Distinct:
    """Distinct-n (Li et al. 2016): different runs of n words per run of n words, n = 1, 2, 3; each 0 to 1."""

    name: str
    sentence: str
    texts: int = 0
    shares: tuple[float, ...] = ()

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**{**stored, "shares": tuple(stored["shares"])})


@dataclass(frozen=True)
class Clusters:
    """Near duplicates. `sizes`: (examples in a cluster, how many such clusters), the smallest first."""

    sentence: str
    count: int = 0
    examples: int = 0
    sizes: tuple[tuple[int, int], ...] = ()

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**{**stored, "sizes": _pairs(stored["sizes"])})


@dataclass(frozen=True)
class Verb:
    """What instructions ask for: a verb, how many begin with it, and its most frequent objects."""

    name: str
    count: int
    nouns: tuple[tuple[str, int], ...] = ()

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(stored["name"], stored["count"], _pairs(stored["nouns"]))


@dataclass(frozen=True)
class Verbs:
    """The most frequent verbs of instructions; the others are questions or begin in another way."""

    sentence: str
    verbs: tuple[Verb, ...] = ()
    questions: int = 0
    undecided: int = 0

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**{**stored, "verbs": tuple(Verb.from_json(verb) for verb in stored["verbs"])})


@dataclass(frozen=True)
class Balance:
    """How the examples spread over categories, source documents and languages."""

    categories: Bars
    sources: Bars
    languages: Bars

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**{each.name: Bars.from_json(stored[each.name]) for each in fields(cls)})


@dataclass(frozen=True)
class Diversity:
    """How far the examples differ from each other."""

    clusters: Clusters
    nearest: Histogram
    distinct: tuple[Distinct, ...]
    verbs: Verbs

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            Clusters.from_json(stored["clusters"]),
            Histogram.from_json(stored["nearest"]),
            tuple(Distinct.from_json(one) for one in stored["distinct"]),
            Verbs.from_json(stored["verbs"]),
        )


@dataclass(frozen=True)
class CheckReport:
    """Readiness first, then the shape of the data. `usable`: examples to learn from, copies counted once."""

    total: int
    usable: int
    checks: tuple[Check, ...]
    balance: Balance
    lengths: tuple[Histogram, ...]
    diversity: Diversity
    findings: Sequence[Finding] = field(default=(), compare=False)

    @property
    def blocking(self) -> int:
        return sum(check.tone == "bad" for check in self.checks)

    @property
    def warnings(self) -> int:
        return sum(check.tone == "warn" for check in self.checks)

    def check(self, key: str) -> Check | None:
        return next((check for check in self.checks if check.key == key), None)

    def as_json(self) -> dict[str, Any]:
        """All but the findings, which are kept one by one."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self) if each.name != "findings"}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The report as it was, without its findings."""
        return cls(
            total=stored["total"],
            usable=stored["usable"],
            checks=tuple(Check.from_json(check) for check in stored["checks"]),
            balance=Balance.from_json(stored["balance"]),
            lengths=tuple(Histogram.from_json(one) for one in stored["lengths"]),
            diversity=Diversity.from_json(stored["diversity"]),
        )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value


def _pairs(stored: Sequence[Sequence[Any]]) -> tuple[tuple[Any, Any], ...]:
    return tuple((first, second) for first, second in stored)
