"""Figures of a dataset as Vega-Lite specifications: colours are names of tokens, resolved where they are drawn."""

from typing import Any

from evalhub.datasets.quality import QualityReport

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
SIDES = {"train": "Train", "validation": "Validation", "test": "Test", "": "Not split yet"}
COLOURS = {"train": "--accent", "validation": "--arm-2", "test": "--arm-3", "": "--arm-1"}
MOST_CATEGORIES = 12
Spec = dict[str, Any]


def _spec(description: str, **rest: Any) -> Spec:
    frame = {"$schema": SCHEMA, "description": description, "width": "container"}
    return {**frame, "autosize": {"type": "fit-x", "contains": "padding"}, **rest}


def balance_chart(report: QualityReport) -> Spec:
    """Examples per category, each bar split into the sides that the rows ask for."""
    shown = report.categories[:MOST_CATEGORIES]
    present = [side for side in SIDES if any(category.sides[side] for category in shown)]
    bars = [
        {"category": category.name, "side": SIDES[side], "n": category.sides[side], "order": order}
        for category in shown
        for order, side in enumerate(present)
    ]
    totals = [{"category": category.name, "n": category.total, "text": f"{category.total:,}"} for category in shown]
    most = max((category.total for category in shown), default=1)
    words = ", ".join(f"{category.total:,} {category.name}" for category in shown)
    names = [category.name for category in shown]
    y = {"field": "category", "type": "nominal", "sort": names, "title": None, "scale": {"paddingInner": 0.35}}
    return _spec(
        f"Examples per category: {words}.", height={"step": 30}, data={"values": bars},
        encoding={"y": {**y, "axis": {"labelLimit": 110}}},
        layer=[_bars(present, most), {"data": {"values": totals}, **_totals()}],
    )  # fmt: skip


def _bars(present: list[str], most: int) -> Spec:
    colour = {
        "field": "side", "type": "nominal",
        "legend": {"title": None, "symbolType": "square", "orient": "top", "offset": 4, "columns": 2},
        "scale": {"domain": [SIDES[side] for side in present], "range": [COLOURS[side] for side in present]},
    }  # fmt: skip
    x = {
        "field": "n",
        "type": "quantitative",
        "title": None,
        "axis": None,
        "scale": {"domain": [0, most * 1.18], "nice": False},
    }
    tooltip = [
        {"field": "category", "title": "Category"},
        {"field": "side", "title": "Split"},
        {"field": "n", "title": "Examples"},
    ]
    encoding = {"x": x, "order": {"field": "order", "type": "quantitative"}, "color": colour, "tooltip": tooltip}
    return {"mark": {"type": "bar"}, "encoding": encoding}


def _totals() -> Spec:
    encoding = {"x": {"field": "n", "type": "quantitative"}, "text": {"field": "text"}}
    return {"mark": {"type": "text", "style": "label"}, "encoding": encoding}


def length_chart(report: QualityReport) -> Spec:
    """How many outputs have which length, in characters."""
    edges = [edge for edge, _ in report.histogram]
    width = edges[1] - edges[0] if len(edges) > 1 else 1
    values = [{"from": edge, "to": edge + width, "n": count} for edge, count in report.histogram]
    axis = {"tickCount": 5, "grid": False}
    x = {"field": "from", "type": "quantitative", "bin": {"binned": True, "step": width}, "axis": axis}
    y = {"field": "n", "type": "quantitative", "title": "Examples", "axis": {"tickCount": 3, "grid": True}}
    tooltip = [{"field": "from", "title": "From"}, {"field": "to", "title": "to"}, {"field": "n", "title": "Examples"}]
    return _spec(
        f"Lengths of outputs: {report.shortest:,} to {report.longest:,} characters, half below {report.median:,}.",
        height=120, data={"values": values}, mark={"type": "bar", "color": "--accent", "binSpacing": 1},
        encoding={"x": {**x, "title": "Characters in the output"}, "x2": {"field": "to"}, "y": y, "tooltip": tooltip},
    )  # fmt: skip


CHARTS = {"balance": balance_chart, "lengths": length_chart}
