"""The data card of a version: what it is, where it comes from, how it was split and checked. Reads only."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db.models import Count, QuerySet
from django.db.models.fields.json import KT, KeyTextTransform
from django.db.models.functions import Length

from evalhub.datasets.comparing import compare
from evalhub.datasets.entries import has_details
from evalhub.datasets.models import Dataset, Flag, ImportBatch, Split, Version, VersionExample

CACHE_SECONDS = 24 * 3600
MOST_NAMED = 20  # categories, sources, languages; the others are counted
MEASURED = ("instruction", "input", "output")
Entries = QuerySet[VersionExample]


@dataclass(frozen=True)
class Group:
    """How many examples share a category, source or language, on each side."""

    name: str
    total: int
    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Groups:
    """The largest groups, how many there are in all, and how many examples name none."""

    largest: tuple[Group, ...]
    count: int
    unnamed: int


@dataclass(frozen=True)
class Lengths:
    """Of one text of all examples, in characters."""

    field: str
    shortest: int
    median: int
    longest: int


@dataclass(frozen=True)
class Brought:
    """An import that examples of the version come from."""

    file_name: str
    sha256: str
    by: str
    at: datetime
    examples: int


@dataclass(frozen=True)
class Checked:
    """The last checks before the freeze: when texts were read, how many, how many examples were flagged for what.

    Of versions of before these were kept, the dataset's last checks, which may be later (`before_freeze` is false).
    """

    at: datetime
    by: str
    examples: int
    flags: dict[str, int]
    before_freeze: bool


@dataclass(frozen=True)
class Since:
    """What changed since the version before."""

    number: int
    added: int
    removed: int
    changed: int
    moved: int


@dataclass(frozen=True)
class DataCard:
    """One version, for people and programs; a version never changes, but description, credit and checks may."""

    dataset: str
    slug: str
    version: int
    note: str
    description: str
    credit: str
    frozen_by: str
    frozen_at: datetime
    data_hash: str
    counts: dict[str, int]
    categories: Groups
    sources: Groups
    languages: Groups
    languages_frozen: bool  # else of a version of before these were kept, as its examples have them now
    lengths: tuple[Lengths, ...]
    settings: dict[str, Any]
    imports: tuple[Brought, ...]
    by_hand: int
    checks: Checked | None
    since: Since | None

    @property
    def leaks(self) -> dict[str, Any]:
        """Accepted leaks: count, reason, pairs; empty for none."""
        return dict(self.settings.get("leaks") or {})

    @property
    def seen_before(self) -> list[str]:
        """Of each earlier version that trains on near copies of what is tested here, a sentence."""
        return seen_before(self.settings)

    @property
    def replay(self) -> dict[str, Any]:
        """Examples of another dataset that were mixed in; empty for none."""
        return dict(self.settings.get("replay") or {})

    def as_json(self) -> dict[str, Any]:
        """Moments as ISO 8601."""
        return asdict(self, dict_factory=_plain)


def seen_before(settings: Mapping[str, Any]) -> list[str]:
    """As a version's settings keep it: what models trained on earlier versions have seen of its test set."""
    return [
        f"{one['examples']:,} training example{'' if one['examples'] == 1 else 's'} of {one['name']} v{one['version']} "
        f"nearly repeat{'s' if one['examples'] == 1 else ''} what is tested here: models trained on that version have "
        "seen it."
        for one in settings.get("trained_before", [])
    ]


def _plain(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in pairs}


def data_card(version: Version) -> DataCard:
    """In a constant number of queries."""
    dataset, entries = version.dataset, version.entries.order_by()
    imports, by_hand = _imports(entries)
    frozen = _counted(version)
    return DataCard(
        dataset=dataset.name, slug=dataset.slug, version=version.number, note=version.note,
        description=dataset.description, credit=dataset.credit,
        frozen_by=str(version.frozen_by), frozen_at=version.frozen_at, data_hash=version.data_hash,
        counts=version.counts, settings=version.settings,
        categories=frozen.categories, sources=frozen.sources, lengths=frozen.lengths,
        languages=frozen.languages if has_details(version) else _groups(entries, "example__language"),
        languages_frozen=has_details(version),
        imports=imports, by_hand=by_hand, checks=_checked(dataset, version), since=_since(version),
    )  # fmt: skip


@dataclass(frozen=True)
class _Counted:
    """What is counted in the frozen texts."""

    categories: Groups
    sources: Groups
    languages: Groups
    lengths: tuple[Lengths, ...]


def _counted(version: Version) -> _Counted:
    """Kept once it is known, since a version never changes."""
    key, entries = f"card:2:{version.pk}", version.entries.order_by()
    found: _Counted | None = cache.get(key)
    if found is None:
        names = ("category", "source", "language")
        categories, sources, languages = (_groups(entries, KT(f"values__{name}")) for name in names)
        found = _Counted(categories, sources, languages, tuple(_lengths(entries, field) for field in MEASURED))
        cache.set(key, found, CACHE_SECONDS)
    return found


def _groups(entries: Entries, by: KeyTextTransform | str) -> Groups:
    found: dict[str, Counter[str]] = {}
    for name, side, count in entries.values_list(by, "split").annotate(n=Count("pk")):
        found.setdefault(name or "", Counter())[side] += count
    unnamed = found.pop("", Counter())
    sizes = sorted(((sides.total(), name) for name, sides in found.items()), key=lambda pair: (-pair[0], pair[1]))
    largest = [Group(name, total, *(found[name][side] for side in Split.values)) for total, name in sizes[:MOST_NAMED]]
    return Groups(tuple(largest), len(found), unnamed.total())


def _lengths(entries: Entries, field: str) -> Lengths:
    """By how many examples have which length, so that no list of all lengths is held."""
    tally = Counter(dict(entries.values_list(Length(KT(f"values__{field}"))).annotate(n=Count("pk"))))
    half, seen, median = tally.total() / 2, 0, 0
    for length in sorted(tally):
        median, seen = length, seen + tally[length]
        if seen >= half:
            break
    return Lengths(field, min(tally, default=0), median, max(tally, default=0))


def _imports(entries: Entries) -> tuple[tuple[Brought, ...], int]:
    """Where the examples came from, the earliest first, and how many came by no file."""
    counts = dict(entries.values_list("example__batch").annotate(n=Count("pk")))
    by_hand = counts.pop(None, 0)
    batches = ImportBatch.objects.select_related("created_by").defer("problems").filter(pk__in=counts).order_by("pk")
    found = [Brought(b.file_name, b.sha256, str(b.created_by), b.created_at, counts[b.pk]) for b in batches]
    return tuple(found), by_hand


def _checked(dataset: Dataset, version: Version) -> Checked | None:
    if (kept := version.settings.get("checks")) is not None:
        return _as_kept(kept)
    run = dataset.checks.select_related("created_by").first()
    if run is None:
        return None
    flags = (
        Flag.objects.filter(run=run).order_by("kind").values_list("kind").annotate(n=Count("example", distinct=True))
    )
    return Checked(run.read_at, str(run.created_by), run.examples, dict(flags), run.read_at <= version.frozen_at)


def _as_kept(kept: dict[str, Any]) -> Checked | None:
    if not kept:
        return None
    at = datetime.fromisoformat(kept["at"])
    return Checked(at, kept["by"], kept["examples"], kept["flags"], before_freeze=True)


def _since(version: Version) -> Since | None:
    before = Version.objects.filter(dataset=version.dataset_id, number__lt=version.number).order_by("-number").first()
    if before is None:
        return None
    found = compare(before, version)
    return Since(before.number, found.added, found.removed, found.changed, found.moved)
