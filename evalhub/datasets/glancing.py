"""A short file is counted while a page waits for it; a long one is left to the worker that stores it."""

import time
from collections.abc import Mapping
from pathlib import Path

from evalhub.datasets.formats.unpacking import unpacks_within
from evalhub.datasets.importing import Survey, survey

SECONDS = 1.0  # that a page waits for the count


class _Late(Exception):
    """The page has waited long enough."""


def glance(path: Path, *, name: str, mapping: Mapping[str, str], most: int) -> Survey | None:
    """The count of a file of at most `most` bytes unpacked; None for a longer one, or one that takes too long.

    Raises Unreadable as `survey` does.
    """
    if not unpacks_within(path, most):
        return None
    end = time.monotonic() + SECONDS

    def heard(rows: int) -> None:
        if time.monotonic() > end:
            raise _Late(rows)

    try:
        return survey(path, name=name, mapping=mapping, heard=heard)
    except _Late:
        return None
