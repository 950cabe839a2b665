"""Leaks as people look at them: both texts side by side, what only one of them has marked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalhub.datasets.difference import Piece, pieces
from evalhub.datasets.guarded import PROMPT, prompt_text
from evalhub.datasets.leakage import Leak
from evalhub.datasets.models import Dataset, Example, VersionExample

Values = Mapping[str, Any]
Place = tuple[str, int, int]  # dataset's slug, version (0: as it is now), example


@dataclass(frozen=True)
class Text:
    """One side of a pair: pieces of kind same, or only where the other side has something else."""

    pieces: tuple[Piece, ...]
    output: str


@dataclass(frozen=True)
class ShownLeak:
    """A leak with both texts."""

    leak: Leak
    trained: Text
    tested: Text


def shown(dataset: Dataset, leaks: Sequence[Leak]) -> list[ShownLeak]:
    """The leaks of a dataset with their texts, in two queries; those whose texts are no longer there are left out."""
    texts = _texts(dataset, leaks)
    places = ((leak, (dataset.slug, 0, leak.train), _tested(leak)) for leak in leaks)
    return [_beside(leak, texts[one], texts[other]) for leak, one, other in places if {one, other} <= texts.keys()]


def _tested(leak: Leak) -> Place:
    return leak.test_dataset, leak.version, leak.test


def _texts(dataset: Dataset, leaks: Iterable[Leak]) -> dict[Place, Values]:
    now = {pk for leak in leaks for pk in (leak.train, *((leak.test,) if not leak.version else ()))}
    examples = Example.objects.filter(dataset__project=dataset.project_id, pk__in=now)
    found: dict[Place, Values] = {
        (row["dataset__slug"], 0, row["id"]): row
        for row in examples.values("dataset__slug", "id", "output", *PROMPT)
    }  # fmt: skip
    entries = VersionExample.objects.filter(
        version__dataset__project=dataset.project_id,
        version__number__in={leak.version for leak in leaks},
        example_id__in={leak.test for leak in leaks},
    )
    names = ("version__dataset__slug", "version__number", "example_id", "values")
    return found | {(slug, number, pk): values for slug, number, pk, values in entries.values_list(*names)}


def _beside(leak: Leak, trained: Values, tested: Values) -> ShownLeak:
    both = pieces(prompt_text(trained), prompt_text(tested))
    one, other = (tuple(_as_only(piece) for piece in both if piece.kind != left) for left in ("ins", "del"))
    return ShownLeak(leak, Text(one, trained["output"]), Text(other, tested["output"]))


def _as_only(piece: Piece) -> Piece:
    return piece if piece.kind == "same" else Piece("only", piece.text)
