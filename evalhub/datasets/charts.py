"""What a check run saw, as figures: Vega-Lite specifications with colours by name of token, and a sentence each."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from evalhub.datasets.checks.report import Bars, CheckReport, Clusters, Distinct, Histogram, Verbs

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
SIDES = {"train": "Train", "validation": "Validation", "test": "Test", "": "Not split yet"}
COLOURS = {"train": "--accent", "validation": "--arm-2", "test": "--arm-3", "": "--arm-1"}
MOST_BARS = 12
LEAST_SHARE = 0.02  # where the largest name has less, a picture of names shows nothing
MOST_VERBS, MOST_NOUNS = 10, 4
ROOM_FOR_LETTER = 0.014  # of the longest bar: a shorter piece has no room for its noun
SIMILARITY = "similarity"
REST = "something else"
Spec = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """One numbered figure. `rows`: its numbers, as the table below it shows them."""

    name: str
    title: str
    sentence: str
    specification: Spec
    head: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    wide: bool = False


def figures(report: CheckReport) -> list[Figure]:
    """Every figure of a report that has something to show, in order."""
    return [found for make in MAKERS.values() for found in make(report)]


def figure(report: CheckReport, name: str) -> Figure | None:
    return next((found for found in figures(report) if found.name == name), None)


# --- balance --------------------------------------------------------------------------------------
def _balance(report: CheckReport) -> Iterable[Figure]:
    named = ("categories", "Categories"), ("sources", "Source documents"), ("languages", "Languages")
    for name, title in named:
        bars: Bars = getattr(report.balance, name)
        if bars.bars and bars.bars[0].total >= LEAST_SHARE * report.total:
            rows = tuple((bar.name or "Without one", bar.total) for bar in bars.bars)
            yield Figure(name, title, bars.sentence, _stacked(bars), (title, "Examples"), rows)


def _stacked(bars: Bars) -> Spec:
    """Examples per name, each bar split into the sides that the rows ask for."""
    shown = bars.bars[:MOST_BARS]
    present = [side for side in SIDES if any(bar.sides.get(side) for bar in shown)]
    values = [
        {"name": bar.name, "side": SIDES[side], "n": bar.sides.get(side, 0), "order": order}
        for bar in shown
        for order, side in enumerate(present)
    ]
    totals = [{"name": bar.name, "n": bar.total, "text": f"{bar.total:,}"} for bar in shown]
    y = {**_band("name", [bar.name for bar in shown]), "axis": {"labelLimit": 130}}
    most = max(bar.total for bar in shown)
    return _spec(
        bars.sentence, height={"step": 26}, data={"values": values}, encoding={"y": y},
        layer=[_sides(present, most), {"data": {"values": totals}, **_totals()}],
    )  # fmt: skip


def _sides(present: Sequence[str], most: int) -> Spec:
    colour = {
        "field": "side", "type": "nominal",
        "legend": {"title": None, "symbolType": "square", "orient": "top", "offset": 4, "columns": 2}
        if len(present) > 1 else None,
        "scale": {"domain": [SIDES[side] for side in present], "range": [COLOURS[side] for side in present]},
    }  # fmt: skip
    x = _amount("n", most * 1.18)
    tooltip = _tips(name="Name", side="Split", n="Examples")
    encoding = {"x": x, "order": {"field": "order", "type": "quantitative"}, "color": colour, "tooltip": tooltip}
    return {"mark": {"type": "bar"}, "encoding": encoding}


# --- lengths --------------------------------------------------------------------------------------
def _lengths(report: CheckReport) -> Iterable[Figure]:
    for found in report.lengths:
        if found.bins and found.most:
            yield _histogram(f"{found.name}-{found.unit}", f"Length of {found.name}s in {found.unit}", found)


def _histogram(name: str, title: str, found: Histogram) -> Figure:
    edges = [edge for edge, _ in found.bins]
    width = edges[1] - edges[0] if len(edges) > 1 else 1
    values = [{"from": edge, "to": edge + width, "n": count} for edge, count in found.bins]
    shares = found.unit == SIMILARITY
    x = {
        "field": "from", "type": "quantitative", "bin": {"binned": True, "step": width},
        "axis": {"tickCount": 5, "grid": False, **({"format": "%"} if shares else {})},
        "title": found.unit.capitalize(),
    }  # fmt: skip
    middle = f"{found.median:.0%}" if shares else f"{found.median:,g}"
    y = {"field": "n", "type": "quantitative", "title": "Examples", "axis": {"tickCount": 3, "grid": True}}
    tooltip = [{"field": "from", "title": "From"}, {"field": "to", "title": "to"}, {"field": "n", "title": "Examples"}]
    median = {
        "data": {"values": [{"median": found.median, "text": f"median {middle}"}]},
        "layer": [
            {"mark": {"type": "rule", "color": "--ink", "strokeDash": [3, 3]}},
            {"mark": {"type": "text", "style": "label", "align": "left", "dx": 4, "y": 6},
             "encoding": {"text": {"field": "text"}}},
        ],
        "encoding": {"x": {"field": "median", "type": "quantitative"}},
    }  # fmt: skip
    bars = {
        "data": {"values": values}, "mark": {"type": "bar", "color": "--accent", "binSpacing": 1},
        "encoding": {"x": x, "x2": {"field": "to"}, "y": y, "tooltip": tooltip},
    }  # fmt: skip
    rows = tuple((f"{edge:.0%}" if shares else f"{edge:,g}", count) for edge, count in found.bins if count)
    return Figure(
        name, title, found.sentence, _spec(found.sentence, height=130, layer=[bars, median]), ("From", "Examples"), rows
    )


# --- diversity ------------------------------------------------------------------------------------
def _diversity(report: CheckReport) -> Iterable[Figure]:
    shape = report.diversity
    if shape.nearest.bins:
        yield _histogram("nearest", "How alike each example is to its nearest", shape.nearest)
    if shape.clusters.sizes:
        yield _sizes(shape.clusters)
    if any(one.shares for one in shape.distinct):
        yield _distinct(shape.distinct)
    if shape.verbs.verbs:
        yield _verbs(shape.verbs)


def _sizes(found: Clusters) -> Figure:
    values = [{"size": str(size), "n": count, "text": f"{count:,}"} for size, count in found.sizes]
    x = {
        "field": "size", "type": "nominal", "sort": None, "title": "Examples in the group",
        "axis": {"labelAngle": 0},
    }  # fmt: skip
    y = {
        "field": "n",
        "type": "quantitative",
        "title": "Groups",
        "axis": {"tickCount": 3, "tickMinStep": 1, "format": ",d", "grid": True},
    }
    mark = {"type": "bar", "color": "--accent", "size": 28}
    encoding = {"x": x, "y": y, "tooltip": _tips(size="Examples in the group", n="Groups")}
    spec = _spec(found.sentence, height=130, data={"values": values}, mark=mark, encoding=encoding)
    rows = tuple((f"{size:,}", count) for size, count in found.sizes)
    return Figure("clusters", "Groups of near duplicates", found.sentence, spec, ("Examples", "Groups"), rows)


def _distinct(found: Sequence[Distinct]) -> Figure:
    runs = ("words", "pairs of words", "runs of three")
    values = [
        {"text": f"{one.name.capitalize()}: {run}", "share": share, "label": f"{share:.0%}", "what": one.name}
        for one in found
        for run, share in zip(runs, one.shares, strict=False)
    ]
    names = [str(value["text"]) for value in values]
    x = {"field": "share", "type": "quantitative", "axis": None, "title": None, "scale": {"domain": [0, 1.12]}}
    bars = {
        "mark": {"type": "bar"},
        "encoding": {
            "x": x, "tooltip": _tips(text="Text", label="Different"),
            "color": {"field": "what", "type": "nominal", "legend": None,
                      "scale": {"range": ["--accent", "--arm-2", "--arm-3"]}},
        },
    }  # fmt: skip
    words = {"mark": {"type": "text", "style": "label"}, "encoding": {"x": x, "text": {"field": "label"}}}
    sentence = " ".join(one.sentence for one in found)
    y = {**_band("text", names), "axis": {"labelLimit": 190}}
    spec = _spec(sentence, height={"step": 24}, data={"values": values}, encoding={"y": y}, layer=[bars, words])
    rows = tuple((value["text"], value["label"]) for value in values)
    return Figure("distinct", "How varied the wording is", sentence, spec, ("Runs of words", "Different"), rows)


def _verbs(found: Verbs) -> Figure:
    """The verb–noun picture: each verb's bar, split into what it asks for most, the rest pale."""
    most = max(verb.count for verb in found.verbs)
    values: list[dict[str, Any]] = []
    for verb in found.verbs[:MOST_VERBS]:
        nouns = verb.nouns[:MOST_NOUNS]
        rest = verb.count - sum(count for _, count in nouns)
        parts = [*nouns, *([(REST, rest)] if rest > 0 else [])]
        values += [
            {
                "verb": verb.name, "noun": noun, "n": count, "order": order,
                "place": MOST_NOUNS if noun == REST else order,
                "word": noun if count >= ROOM_FOR_LETTER * (len(noun) + 2) * most else "",
            }
            for order, (noun, count) in enumerate(parts)
        ]  # fmt: skip
    totals = [{"verb": verb.name, "n": verb.count, "text": f"{verb.count:,}"} for verb in found.verbs[:MOST_VERBS]]
    tones = {"domain": list(range(MOST_NOUNS + 1)), "range": ["--accent", "--arm-2", "--arm-3", "--arm-4", "--arm-1"]}
    x = {**_amount("n", most * 1.18), "stack": "zero"}
    order = {"field": "order", "type": "quantitative"}
    pieces = {
        "mark": {"type": "bar", "stroke": "--paper", "strokeWidth": 1},
        "encoding": {
            "x": x, "order": order, "color": {"field": "place", "type": "ordinal", "legend": None, "scale": tones},
            "tooltip": [{"field": "verb", "title": "Asks to"}, *_tips(noun="what", n="Examples")],
        },
    }  # fmt: skip
    words = {
        "mark": {"type": "text", "color": "--paper", "align": "center"},
        "transform": [{"filter": "datum.word"}],
        "encoding": {"x": {**x, "bandPosition": 0.5}, "order": order, "text": {"field": "word"}},
    }  # fmt: skip
    y = _band("verb", [verb.name for verb in found.verbs[:MOST_VERBS]])
    spec = _spec(
        found.sentence, height={"step": 30}, data={"values": values}, encoding={"y": y},
        layer=[pieces, words, {"data": {"values": totals}, **_totals()}],
    )  # fmt: skip
    rows = tuple((f"{value['verb']} {value['noun']}", value["n"]) for value in values)
    return Figure("verbs", "What is asked for", found.sentence, spec, ("Verb and object", "Examples"), rows, wide=True)


# --- parts of specifications ----------------------------------------------------------------------
def _spec(description: str, **rest: Any) -> Spec:
    frame = {"$schema": SCHEMA, "description": description, "width": "container"}
    return {**frame, "autosize": {"type": "fit-x", "contains": "padding"}, **rest}


def _band(field: str, order: list[str]) -> Spec:
    return {"field": field, "type": "nominal", "sort": order, "title": None, "scale": {"paddingInner": 0.35}}


def _amount(field: str, most: float) -> Spec:
    return {
        "field": field, "type": "quantitative", "title": None, "axis": None,
        "scale": {"domain": [0, most], "nice": False},
    }  # fmt: skip


def _totals() -> Spec:
    encoding = {"x": {"field": "n", "type": "quantitative"}, "text": {"field": "text"}}
    return {"mark": {"type": "text", "style": "label"}, "encoding": encoding}


def _tips(**fields: str) -> list[Spec]:
    return [{"field": field, "title": title} for field, title in fields.items()]


MAKERS: dict[str, Callable[[CheckReport], Iterable[Figure]]] = {
    "balance": _balance,
    "lengths": _lengths,
    "diversity": _diversity,
}
