"""The report of a study as frozen dataclasses: what pages, charts, API and command all show."""

from dataclasses import asdict, dataclass, field
from typing import Any

from evalhub.reports.statistics.agreement import Agreement
from evalhub.reports.statistics.correlation import BySystem, WithinItems
from evalhub.reports.statistics.planning import Forecast, VarianceSplit
from evalhub.reports.statistics.position import PositionEffect
from evalhub.reports.statistics.preference import Rank, Wins
from evalhub.reports.statistics.raters import RaterProfile
from evalhub.reports.statistics.result import Estimate, nothing

DIGITS = 10  # significant digits of floats in JSON: more than anyone reads, fewer than machines differ in


@dataclass(frozen=True)
class Lineage:
    """Where an arm's answers come from: run → model → adapter's training run → version."""

    run: int | None = None
    run_name: str = ""
    engine: str = ""
    sampling: dict[str, Any] = field(default_factory=dict)  # as applied
    sampling_asked: dict[str, Any] = field(default_factory=dict)  # what was asked for otherwise than applied
    model: str = ""
    model_kind: str = ""
    base: str = ""
    training_run: int | None = None
    dataset: str = ""
    dataset_slug: str = ""
    version: int | None = None
    version_examples: int | None = None
    leaks: int = 0  # training examples that nearly repeat tested ones, accepted when the version was frozen
    leak_reason: str = ""


@dataclass(frozen=True)
class ArmFacts:
    """An arm under the name it may be shown with. `number` gives its colour and shape.

    `is_baseline` is None for all arms where the reader may not know which one is.
    """

    number: int
    name: str
    is_baseline: bool | None
    lineage: Lineage | None


@dataclass(frozen=True)
class CriterionFacts:
    """A criterion, or the weighted mean of all (`computed`)."""

    key: str
    name: str
    question: str
    weight: float
    is_primary: bool
    computed: bool


@dataclass(frozen=True)
class ArmScore:
    """Mean score of an arm on a criterion; beside it the mean with rater severity removed, and the two-way interval."""

    arm: int
    criterion: str
    mean: Estimate
    adjusted: Estimate
    two_way: Estimate


@dataclass(frozen=True)
class Difference:
    """Arm a minus arm b on the items rated in both. The verdict exists for the declared family only.

    `forecast` says of an undecided one how many items more it takes.
    """

    a: int
    b: int
    criterion: str
    difference: Estimate
    p: float | None
    p_holm: float | None
    d_z: float | None
    superiority: Estimate
    in_family: bool
    simultaneous: Estimate | None
    verdict: str
    within_margin: bool
    forecast: Forecast | None


@dataclass(frozen=True)
class Strength:
    """Bradley–Terry log strength of an arm, and the places that the intervals of the differences allow it."""

    arm: int
    estimate: Estimate
    rank: Rank


@dataclass(frozen=True)
class CriterionAgreement:
    criterion: str
    agreement: Agreement


@dataclass(frozen=True)
class Measure:
    """A measured number of an arm's run; `undefined` says why it is missing, `note` how it was taken."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    unit: str = ""
    note: str = ""
    undefined: str = ""


@dataclass(frozen=True)
class ArmMeasures:
    """Speed and cost of an arm: latency of one request at a time, throughput of the batch, cost of 1,000 requests."""

    arm: int
    latency_p50: Measure
    latency_p95: Measure
    tokens_per_second: Measure
    requests_per_second: Measure
    cost_per_1000: Measure


@dataclass(frozen=True)
class MetricScore:
    """Mean of an automated metric of an arm on the items that have it in every arm that was scored."""

    arm: int
    metric: str
    name: str
    mean: Estimate
    scorer: str


@dataclass(frozen=True)
class MetricCorrelation:
    """How a metric follows people on a criterion: within items, pooled, pooled with length held fixed, by system."""

    criterion: str
    metric: str
    name: str
    spearman: WithinItems
    kendall: WithinItems
    pearson: WithinItems
    pooled: Estimate
    partial_on_length: Estimate
    system: BySystem


@dataclass(frozen=True)
class Disagreement:
    """An answer on whose criterion the raters' blind scores lie furthest apart."""

    item: int
    key: str
    title: str
    arm: int
    criterion: str
    scores: tuple[float, ...]
    range: float


@dataclass(frozen=True)
class RaterFacts:
    """A rater under a pseudonym; for admins only."""

    pseudonym: str
    profile: RaterProfile
    median_seconds: float | None
    finished: int


@dataclass(frozen=True)
class StudyFacts:
    """What a reader must know of the study to weigh its numbers."""

    project: str
    slug: str
    name: str
    description: str
    credit: str
    state: str
    origin: str
    opened: str
    closed: str
    revealed: bool
    names_shown: bool
    scale: tuple[int, int]
    items: int
    items_rated: int
    arms: int
    raters: int
    wanted_ratings: int
    ratings: int
    scores: int
    overlap: int
    skipped: int
    flags: int
    margin: float | None
    margin_note: str
    family: str
    guidelines_version: int
    seed: int
    level: float
    resamples: int
    version: str
    split: str
    sampled: bool
    median_seconds: float | None


@dataclass(frozen=True)
class StudyReport:
    """Everything that is known of a study, with its uncertainty. `preliminary` while it is not closed."""

    facts: StudyFacts
    preliminary: bool
    arms: tuple[ArmFacts, ...]
    criteria: tuple[CriterionFacts, ...]
    scores: tuple[ArmScore, ...]
    differences: tuple[Difference, ...]
    wins: tuple[Wins, ...]
    choices: tuple[Wins, ...]
    strengths: tuple[Strength, ...]
    agreement: tuple[CriterionAgreement, ...]
    position: PositionEffect
    variance: VarianceSplit | None
    detectable: float | None
    metrics: tuple[MetricScore, ...]
    measures: tuple[ArmMeasures, ...]
    correlations: tuple[MetricCorrelation, ...]
    disagreements: tuple[Disagreement, ...]
    raters: tuple[RaterFacts, ...]
    warnings: tuple[str, ...]  # what a model had seen in training of what it is tested with

    def arm(self, number: int) -> ArmFacts:
        return next(arm for arm in self.arms if arm.number == number)

    def criterion(self, key: str) -> CriterionFacts:
        return next(criterion for criterion in self.criteria if criterion.key == key)

    @property
    def primary(self) -> CriterionFacts:
        return next(criterion for criterion in self.criteria if criterion.is_primary)

    @property
    def baseline(self) -> ArmFacts | None:
        """None in a blind reading."""
        return next((arm for arm in self.arms if arm.is_baseline), None)

    def score(self, arm: int, criterion: str) -> ArmScore:
        return next(s for s in self.scores if (s.arm, s.criterion) == (arm, criterion))

    @property
    def family(self) -> tuple[Difference, ...]:
        """The differences that were declared before rating began: they alone carry verdicts."""
        return tuple(d for d in self.differences if d.in_family)


EMPTY = StudyReport(
    facts=StudyFacts(
        project="", slug="", name="", description="", credit="", state="", origin="", opened="", closed="",
        revealed=False, names_shown=False, scale=(1, 10), items=0, items_rated=0, arms=0, raters=0, wanted_ratings=0,
        ratings=0, scores=0, overlap=0, skipped=0, flags=0, margin=None, margin_note="", family="",
        guidelines_version=1, seed=0, level=0.95, resamples=0, version="", split="", sampled=False,
        median_seconds=None,
    ),
    preliminary=False, position=PositionEffect((), nothing("undefined: not computed")), variance=None, detectable=None,
    arms=(), criteria=(), scores=(), differences=(), wins=(), choices=(), strengths=(), agreement=(), metrics=(),
    measures=(), correlations=(), disagreements=(), raters=(), warnings=(),
)  # fmt: skip


def as_json(report: StudyReport) -> dict[str, Any]:
    """The report as plain values, floats to ten significant digits, so that the same data give the same bytes.

    Each of `scores` says its mean, low, high and n's flat; its `estimate` adds the method, the settings, or why not.
    """
    plain = {"format": "evalhub-report/2", **_plain(asdict(report))}
    return plain | {"scores": [_flat(score) for score in plain["scores"]]}


def _flat(score: dict[str, Any]) -> dict[str, Any]:
    """A score of an arm on a criterion with what most readers want of its mean beside its name."""
    estimate = score["mean"]
    counts = {name: estimate[name] for name in ("n_items", "n_raters", "n_ratings")}
    flat = {"mean": estimate["point"], "low": estimate["low"], "high": estimate["high"], **counts}
    return score | flat | {"estimate": estimate}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") + 0.0  # no negative zero
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
