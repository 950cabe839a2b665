"""What a model had seen in training of what it is tested with here, in sentences for the top of a report."""

from collections.abc import Iterator, Mapping, Sequence

from evalhub.datasets.models import Version
from evalhub.studies.models import Arm


def exposures(arms: Sequence[Arm], names: Mapping[int, str]) -> tuple[str, ...]:
    """A sentence for each accepted leak and each test set that came after its training; `names` by arm, if shown."""
    found: list[str] = []
    for arm in arms:
        training = getattr(arm.generation.model, "training", None) if arm.generation else None
        if arm.generation and training:
            who = f"“{names[arm.pk]}”" if arm.pk in names else "One of the models"
            found += _of(who, training.version, arm.generation.version)
    return tuple(dict.fromkeys(found))


def _of(who: str, trained: Version, tested: Version) -> Iterator[str]:
    if leaks := trained.settings.get("leaks"):
        count = _examples(leaks["count"])
        yield f"{who} was trained on {count} what is tested. That leak was accepted: {leaks['reason']}"
    if tested.pk == trained.pk or tested.frozen_at <= trained.frozen_at:
        return
    if (compared := tested.settings.get("trained_before")) is None:
        yield (
            f"{who} was trained before its test set was frozen, and the two were not compared: freeze a new version of "
            "the test set, and it says what of it the model had seen."
        )
        return
    place = (trained.dataset.slug, trained.number)
    if count := sum(one["examples"] for one in compared if (one["dataset"], one["version"]) == place):
        yield f"{who} was trained on {_examples(count)} what is tested: the test set was frozen after the training."


def _examples(count: int) -> str:
    return "1 example that nearly repeats" if count == 1 else f"{count:,} examples that nearly repeat"
