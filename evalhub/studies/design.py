"""What an admin decides before a study exists: its arms and its criteria, as frozen dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evalhub.errors import Refused
from evalhub.runs.models import GenerationRun

Scale = tuple[int, int]  # lowest and highest point, both included


@dataclass(frozen=True)
class ArmDesign:
    """A system under test: the name that reports show, and the run whose answers are rated."""

    name: str
    generation: GenerationRun
    baseline: bool = False


@dataclass(frozen=True)
class CriterionDesign:
    """One question asked of every answer. `anchors`: scale point → what that point means."""

    key: str
    name: str
    question: str
    anchors: Mapping[int, str] = field(default_factory=dict)
    weight: float = 1.0


FARTHEST_POINT, HEAVIEST = 1_000_000, 1000
DEFAULT_SCALE: Scale = (1, 10)
DEFAULT_CRITERIA: tuple[CriterionDesign, ...] = (
    CriterionDesign(
        "accuracy",
        "Accuracy",
        "Is every claim in the source?",
        {
            1: "Contradicts the source",
            4: "At least one claim is not in the source",
            7: "True, but a word is loose or a limit is missing",
            10: "Every claim is in the source",
        },
    ),
    CriterionDesign(
        "relevance",
        "Relevance",
        "Does it say what matters?",
        {
            1: "Misses the point",
            4: "A side matter leads",
            7: "The point is there, with padding or a gap",
            10: "The point, and nothing beside it",
        },
    ),
    CriterionDesign(
        "quality",
        "Quality",
        "Is it clear and well made?",
        {
            1: "Hard to follow",
            4: "Needs rewriting",
            7: "Needs one edit",
            10: "Ready to publish as it is",
        },
    ),
    CriterionDesign(
        "style",
        "Style",
        "Does it sound like us?",
        {
            1: "Not our voice",
            4: "Stiff, or selling",
            7: "Ours, but a little long or flat",
            10: "Unmistakably ours",
        },
    ),
)


def check_scale(scale: Scale) -> None:
    """Raise Refused for a scale that nothing can be scored on."""
    if scale[1] <= scale[0]:
        raise Refused("The scale's highest point must lie above its lowest.", field="scale")
    if max(abs(point) for point in scale) > FARTHEST_POINT:
        raise Refused(f"A scale's points lie within ±{FARTHEST_POINT:,}.", field="scale")


def anchors_on(scale: Scale, anchors: Mapping[int, str]) -> dict[str, str]:
    """Anchors written for 1–10, moved to the nearest points of another scale; keys as text, for JSON."""
    low, high = scale
    if scale == DEFAULT_SCALE:
        return {str(point): text for point, text in sorted(anchors.items())}
    return {str(low + round((point - 1) * (high - low) / 9)): text for point, text in sorted(anchors.items())}


def default_criteria(scale: Scale = DEFAULT_SCALE) -> list[CriterionDesign]:
    """Accuracy, relevance, quality and style, with their anchors on `scale`."""
    return [
        CriterionDesign(
            c.key, c.name, c.question, {int(p): t for p, t in anchors_on(scale, c.anchors).items()}, c.weight
        )
        for c in DEFAULT_CRITERIA
    ]
