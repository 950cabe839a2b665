"""Histograms over equal, round bins, and the sentence that says what they show."""

import numpy as np
from numpy.typing import NDArray

from evalhub.datasets.checks.report import Histogram

BINS = 24
SHARE_SHOWN = 99  # per cent of the values lie within the bins; a few very long ones would flatten the others
_STEPS = (1, 2, 5)


def histogram(name: str, unit: str, values: NDArray[np.int64]) -> Histogram:
    """Lengths in at most 24 bins of equal width, up to the 99th percentile."""
    if not values.size:
        return Histogram(name, unit, f"There is no {name}.")
    width = round_width(float(np.percentile(values, SHARE_SHOWN)) + 1)
    count = int(np.percentile(values, SHARE_SHOWN)) // width + 1
    binned = np.bincount(np.minimum(values // width, count), minlength=count + 1)
    bins = tuple((at * width, int(number)) for at, number in enumerate(binned[:count]))
    least, median, most = int(values.min()), float(np.median(values)), int(values.max())
    return Histogram(name, unit, _sentence(name, unit, values), bins, int(binned[count]), least, median, most)


def round_width(span: float) -> int:
    """The least of 1, 2, 5, 10, 20, 50 … of which BINS cover the span."""
    scale = 1
    while True:
        for step in _STEPS:
            if step * scale * BINS >= span:
                return step * scale
        scale *= 10


def _sentence(name: str, unit: str, values: NDArray[np.int64]) -> str:
    if not values.any():
        return f"No example has an {name}." if name[0] in "aeiou" else f"No example has a {name}."
    low, median, high = np.percentile(values, (5, 50, 95))
    return (
        f"Half of the {values.size:,} {name}s have {median:,.0f} {unit} or fewer, nine of ten between {low:,.0f} and "
        f"{high:,.0f}; the longest has {values.max():,}."
    )
