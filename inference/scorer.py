"""What is scored, and what scores it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """An answer and the text it is compared with."""

    id: str
    answer: str
    reference: str

    @property
    def is_empty(self) -> bool:
        return not self.answer.strip() or not self.reference.strip()


Values = Iterator[tuple[str, dict[str, float]]]  # pair id, metric → value between 0 and 1


@dataclass(frozen=True)
class Scorer:
    """Some metrics that are computed together. `names` says per metric with what exactly."""

    names: dict[str, str]
    score: Callable[[Sequence[Pair]], Values]
