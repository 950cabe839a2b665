"""Checks before training: copies, contradictions, leaks, balance, lengths, and whether there is enough. Pure Python.

Thresholds: fewer than 500 examples speak against tuning, 1,000 are a go; between them it depends on the task.
"""

import hashlib
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from evalhub.datasets.splitting import SIDES, prompt_key

TOO_FEW, ENOUGH = 500, 1000
LOPSIDED = 5.0  # largest category to smallest
OUTLIER = 4.0  # quartile ranges above the third quartile
SHOWN = 500  # ids kept per check
UNNAMED = "Without a category"


@dataclass(frozen=True)
class Text:
    """What the checks need of one approved example."""

    id: int
    instruction: str
    input: str
    output: str
    context: str = ""  # system text and earlier turns
    category: str = ""
    source: str = ""
    side: str = ""  # the split that the row asks for


@dataclass(frozen=True)
class Check:
    """One line of the readiness list. Tone: good, warn or bad (blocks freezing or training)."""

    key: str
    label: str
    value: str
    tone: str
    note: str = ""
    ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Category:
    """How many examples a category has, over all and per wanted split ("" = not yet split)."""

    name: str
    total: int
    sides: dict[str, int]


@dataclass(frozen=True)
class QualityReport:
    """Readiness first, then the shape of the data. Lengths are of outputs, in characters."""

    total: int
    checks: tuple[Check, ...]
    categories: tuple[Category, ...]
    shortest: int
    median: int
    longest: int
    histogram: tuple[tuple[int, int], ...] = field(default=())  # (lower edge, count)

    @property
    def blocking(self) -> int:
        return sum(check.tone == "bad" for check in self.checks)

    @property
    def warnings(self) -> int:
        return sum(check.tone == "warn" for check in self.checks)

    def check(self, key: str) -> Check | None:
        return next((check for check in self.checks if check.key == key), None)


@dataclass
class _Seen:
    """What one pass over the texts leaves in memory: hashes and numbers, no texts."""

    total: int = 0
    wholes: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    prompts: dict[str, list[tuple[int, str, str]]] = field(default_factory=lambda: defaultdict(list))
    lengths: list[tuple[int, int]] = field(default_factory=list)
    echoes: list[int] = field(default_factory=list)
    unsourced: int = 0
    categories: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, text: Text) -> None:
        self.total += 1
        prompt, answer = prompt_key(text.instruction, text.input, text.context), _loose(text.output)
        self.wholes[prompt + answer].append(text.id)
        self.prompts[prompt].append((text.id, answer, text.side))
        self.lengths.append((len(text.output), text.id))
        if answer == _loose(text.input or text.instruction):
            self.echoes.append(text.id)
        self.unsourced += not text.source
        self.categories[text.category or UNNAMED][text.side] += 1


def _loose(text: str) -> str:
    """Hash of a text, whatever its case and white space."""
    return hashlib.sha256(" ".join(text.casefold().split()).encode("utf-8", "replace")).hexdigest()[:32]


def quality_report(texts: Iterable[Text], *, waiting: int = 0, credited: bool = True) -> QualityReport:
    """All checks in one pass. `waiting`: proposals that nobody has decided; `credited`: a source is named."""
    seen = _Seen()
    for text in texts:
        seen.add(text)
    lengths = [length for length, _ in seen.lengths] or [0]
    checks = (
        _size(seen.total), _leaks(seen), _waiting(waiting), _echoes(seen), _conflicts(seen), _copies(seen),
        _balance(seen), _outliers(seen), _sources(seen), _credit(credited),
    )  # fmt: skip
    return QualityReport(
        seen.total,
        checks,
        _categories(seen),
        min(lengths),
        round(statistics.median(lengths)),
        max(lengths),
        _bins(lengths),
    )


def _size(total: int) -> Check:
    if total < TOO_FEW:
        note = f"Fewer than {TOO_FEW}: tuning is advised against. A good prompt is likely to do better."
        return Check("size", "Enough examples", f"{total:,}", "bad", note)
    if total < ENOUGH:
        note = f"Tuning may help; from {ENOUGH:,} on it is a go."
        return Check("size", "Enough examples", f"{total:,}", "warn", note)
    return Check("size", "Enough examples", f"{total:,}", "good")


def _found(key: str, label: str, ids: Sequence[int], tone: str, note: str) -> Check:
    """A check that is good at 0, and otherwise shows which."""
    return Check(key, label, f"{len(ids):,}", tone if ids else "good", note if ids else "", tuple(ids[:SHOWN]))


def _leaks(seen: _Seen) -> Check:
    torn = [group for group in seen.prompts.values() if len({side for *_, side in group if side}) > 1]
    ids = [number for group in torn for number, *_ in group]
    return _found(
        "leaks", "Same task on two sides", ids, "bad", "Freezing is refused. It also looks for near duplicates."
    )


def _waiting(waiting: int) -> Check:
    note = "Proposals stay out of the next version until approved." if waiting else ""
    return Check("waiting", "Waiting for review", f"{waiting:,}", "warn" if waiting else "good", note)


def _echoes(seen: _Seen) -> Check:
    return _found("echoes", "Output repeats the input", seen.echoes, "bad", "Nothing is to be learned from these.")


def _conflicts(seen: _Seen) -> Check:
    groups = [group for group in seen.prompts.values() if len({answer for _, answer, _ in group}) > 1]
    ids = [number for group in groups for number, *_ in group]
    return _found("conflicts", "Same task, other output", ids, "warn", "Keep the better one; they stay on one side.")


def _copies(seen: _Seen) -> Check:
    ids = [number for group in seen.wholes.values() if len(group) > 1 for number in group]
    return _found("copies", "Copies but for case and spaces", ids, "warn", "They count double in training.")


def _balance(seen: _Seen) -> Check:
    sizes = {name: sum(sides.values()) for name, sides in seen.categories.items() if name != UNNAMED}
    if len(sizes) < 2:
        return Check("balance", "Balance", "one category" if sizes else "no categories", "good")
    most, least = max(sizes, key=lambda name: sizes[name]), min(sizes, key=lambda name: sizes[name])
    ratio = sizes[most] / sizes[least]
    tone = "warn" if ratio > LOPSIDED else "good"
    return Check("balance", "Balance", f"{ratio:.1f} : 1", tone, f"{most} to {least}." if tone == "warn" else "")


def _outliers(seen: _Seen) -> Check:
    """Outputs longer than the third quartile by more than OUTLIER quartile ranges (Tukey's fence, widened)."""
    if len(seen.lengths) < 20:
        return Check("lengths", "Length outliers", "0", "good")
    low, _, high = statistics.quantiles([length for length, _ in seen.lengths], n=4)
    fence = high + OUTLIER * max(high - low, 1)
    ids = [number for length, number in sorted(seen.lengths, reverse=True) if length > fence]
    return _found("lengths", "Length outliers", ids, "warn", f"Outputs of more than {fence:,.0f} characters.")


def _sources(seen: _Seen) -> Check:
    tone = "warn" if seen.unsourced else "good"
    note = "Without it the split cannot keep a document on one side." if seen.unsourced else ""
    return Check("sources", "Without a source document", f"{seen.unsourced:,}", tone, note)


def _credit(credited: bool) -> Check:
    note = "" if credited else "Say where the data comes from and under which licence."
    return Check(
        "credit", "Source and licence noted", "yes" if credited else "no", "good" if credited else "warn", note
    )


def _categories(seen: _Seen) -> tuple[Category, ...]:
    found = [
        Category(name, sum(sides.values()), {side: sides[side] for side in (*SIDES, "")})
        for name, sides in seen.categories.items()
    ]
    return tuple(sorted(found, key=lambda category: (-category.total, category.name)))


def _bins(lengths: Sequence[int], count: int = 24) -> tuple[tuple[int, int], ...]:
    """Counts per bin of equal, round width over all lengths."""
    width = max(1, -(-max(lengths) // count))
    width = -(-width // 20) * 20 if width > 5 else width
    tally = Counter(length // width * width for length in lengths)
    return tuple((edge, tally[edge]) for edge in range(0, max(lengths) + 1, width))
