"""How many examples of each state datasets hold, for pages: a walk along an index, however many there are. Reads only.

A number on which a decision hangs is counted to its end where it is decided (freezing.py, actions/bulk.py).
"""

from collections.abc import Iterable, Sequence

from django.db.models import Func, IntegerField, OuterRef, Subquery

from evalhub.datasets.counting import COUNTED, Tally, beyond, patiently
from evalhub.datasets.models import Dataset, Example

WALKED = 100_000  # examples of one state that a page counts; of many datasets each a part of it, COUNTED or more
WALK_MS = 150
States = dict[str, Tally]  # every state named


def states_of(datasets: Sequence[Dataset]) -> dict[int, States]:
    """{dataset's id: {state: how many}}: one query, and the planner's estimate for each that is larger."""
    most = max(COUNTED, WALKED // max(1, len(datasets)))
    counted = patiently(lambda: _counted(datasets, most), WALK_MS) or {}
    return {
        dataset.pk: {
            state: _tally(dataset, state, counted.get((dataset.pk, state)), most) for state in Example.State.values
        }
        for dataset in datasets
    }


def together(tallies: Iterable[Tally]) -> Tally:
    """The sum; exact where each of them is."""
    parts = list(tallies)
    exact, floor = all(part.exact for part in parts), any(part.floor for part in parts)
    return Tally(sum(part.number for part in parts), exact=exact, floor=floor)


def _tally(dataset: Dataset, state: str, counted: int | None, most: int) -> Tally:
    if counted is not None and counted <= most:
        return Tally(counted)
    return beyond(Example.objects.filter(dataset=dataset, state=state), most if counted else 0)


def _counted(datasets: Sequence[Dataset], most: int) -> dict[tuple[int, str], int]:
    """{(dataset's id, state): how many, up to `most` + 1}."""
    numbers = {f"n_{state}": _up_to(most + 1, state) for state in Example.State.values}
    found = Dataset.objects.filter(pk__in=[dataset.pk for dataset in datasets]).order_by().annotate(**numbers)
    return {(row["pk"], name.removeprefix("n_")): row[name] for row in found.values("pk", *numbers) for name in numbers}


def _up_to(most: int, state: str) -> Func:
    """The number of a dataset's examples of this state, counted no further than `most`."""
    walked = Example.objects.filter(dataset=OuterRef("pk"), state=state).order_by("id").values("pk")[:most]
    return Func(
        Subquery(walked), template="(SELECT count(*) FROM %(expressions)s bounded)", output_field=IntegerField()
    )
