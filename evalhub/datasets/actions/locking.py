"""Examples held until the transaction ends, always in the order of their ids, so that two who want several never lock
each other out; refused where they are no longer what the person saw.
"""

from collections.abc import Collection

from evalhub.datasets.models import Example
from evalhub.errors import Refused

DECIDED = "Somebody else decided about this example in the meantime. Look at it again; nothing was changed."
EDITED = "Somebody else changed this example in the meantime. Look at it again; nothing was overwritten."


def locked(example: Example, *, state: str = "", revision: int | None = None) -> Example:
    """The example as it is now. Raises Refused where `state` or `revision` is given and it has another."""
    current, _ = locked_with(example, (), state=state, revision=revision)
    return current


def locked_with(
    example: Example, others: Collection[int], *, state: str = "", revision: int | None = None
) -> tuple[Example, list[Example]]:
    """The example and the others of these ids, by id, as they are now. Raises Refused as `locked` does."""
    rows = Example.objects.select_for_update(of=("self",)).select_related("dataset").order_by("id")
    found = {row.pk: row for row in rows.filter(pk__in={example.pk, *others})}
    current = found.pop(example.pk, None)
    if current is None:
        raise Example.DoesNotExist
    if state and current.state != state:
        raise Refused(DECIDED)
    if revision is not None and current.revision_number != revision:
        raise Refused(EDITED)
    return current, list(found.values())


def lock(pks: Collection[int]) -> set[int]:
    """Hold these examples, and say which there are; a statement after this one sees them as they stay."""
    return set(Example.objects.select_for_update().filter(pk__in=pks).order_by("id").values_list("pk", flat=True))
