"""The figure of a comparison: by how many examples each category grew or shrank."""

from collections import Counter
from typing import Any

from evalhub.datasets.comparing import Comparison

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
MOST = 12
ROOM = 0.45  # of the axis, on either side, for the numbers beside the bars
Spec = dict[str, Any]


def balance_chart(found: Comparison) -> Spec:
    """Bars from zero, with both counts beside them; categories by size, or sides where there is one category."""
    rows = _rows(found)
    words = "; ".join(f"{row['name']} {row['before']:,} to {row['after']:,}" for row in rows)
    y = {"field": "name", "type": "nominal", "sort": [row["name"] for row in rows], "title": None,
         "axis": {"labelLimit": 110}}  # fmt: skip
    return {
        "$schema": SCHEMA, "description": f"Examples in versions {found.before} and {found.after}: {words}.",
        "width": "container", "autosize": {"type": "fit-x", "contains": "padding"}, "height": {"step": 28},
        "data": {"values": rows}, "encoding": {"y": y}, "layer": [_bars(rows), *_numbers(rows)],
    }  # fmt: skip


def _rows(found: Comparison) -> list[dict[str, Any]]:
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    by_side = len({share.category for share in found.balance}) < 2
    for share in found.balance:
        name = share.split.capitalize() if by_side else share.category
        before[name] += share.before
        after[name] += share.after
    return [
        {"name": name, "before": before[name], "after": after[name], "n": (n := after[name] - before[name]),
         "text": f"{n:+,}".replace("-", "−") if n else "0"}
        for name in list(before)[:MOST]
    ]  # fmt: skip


def _x(rows: list[dict[str, Any]]) -> Spec:
    most, least = max(row["n"] for row in rows), min(row["n"] for row in rows)
    span = max(most, 0) - min(least, 0) or 1
    domain = [min(least, 0) - (ROOM * span if least < 0 else 0), max(most, 0) + ROOM * span]
    return {"field": "n", "type": "quantitative", "title": None, "axis": None,
            "scale": {"domain": domain, "nice": False}}  # fmt: skip


def _bars(rows: list[dict[str, Any]]) -> Spec:
    tooltip = [{"field": "name", "title": "Group"}, {"field": "before", "title": "Before"},
               {"field": "after", "title": "After"}]  # fmt: skip
    return {"mark": {"type": "bar", "color": "--accent"}, "encoding": {"x": _x(rows), "tooltip": tooltip}}


def _numbers(rows: list[dict[str, Any]]) -> list[Spec]:
    """ "+25" right of a bar that grew, left of one that shrank."""
    marks = {">= 0": ("left", 4), "< 0": ("right", -4)}
    return [
        {
            "transform": [{"filter": f"datum.n {test}"}],
            "mark": {"type": "text", "align": align, "dx": dx, "color": "--ink"},
            "encoding": {"x": _x(rows), "text": {"field": "text"}},
        }
        for test, (align, dx) in marks.items()
    ]
