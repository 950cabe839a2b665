"""Dataclass → Vega-Lite 6 specification. Colours are names of tokens (--arm-2); page and export resolve them.

One specification serves the page (static/js/charts.js) and the export (figures.py).
"""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from evalhub.reports.report import Difference, StudyReport
from evalhub.reports.statistics.result import Estimate
from evalhub.reports.words import criterion_name, figure_digits, points, share, signed_points, summary

Spec = dict[str, Any]
Row = dict[str, Any]
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
SHAPES = ("circle", "diamond", "square", "triangle-up")
NARROW = "width < 420"
NAME = 26  # characters of an arm's name beside its dot


def _frame(description: str, values: Iterable[Row], **parts: Any) -> Spec:
    return {
        "$schema": SCHEMA,
        "description": description,
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": list(values)},
        **parts,
    }


def _room(wide: int, narrow: int) -> list[Any]:
    """A scale's range that leaves room on the right for words, less of it on a phone."""
    return [0, {"expr": f"width - ({NARROW} ? {narrow} : {wide})"}]


def _band(field: str, order: list[str], **more: Any) -> Spec:
    return {"field": field, "type": "nominal", "sort": order, "title": None, "axis": {"labelLimit": 150}, **more}


def _tips(**fields: str) -> list[Spec]:
    return [{"field": field, "title": title.replace("_", " ")} for field, title in fields.items()]


def _short(name: str) -> str:
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"


def _width(texts: Iterable[str]) -> int:
    """About how many pixels the longest of these labels takes."""
    return 14 + 7 * max((len(text) for text in texts), default=0)


def arm_scales(report: StudyReport) -> tuple[Spec, Spec]:
    """Colour and shape of every arm: grey circle for the baseline, then blue, vermilion, plum."""
    names = [arm.name for arm in report.arms]
    tokens = [f"--arm-{(arm.number - 1) % 4 + 1}" for arm in report.arms]
    shapes = [SHAPES[(arm.number - 1) % 4] for arm in report.arms]
    common: Spec = {"field": "arm", "type": "nominal", "legend": None}
    return (
        {**common, "scale": {"domain": names, "range": tokens}},
        {**common, "scale": {"domain": names, "range": shapes}},
    )


def _domain(values: Iterable[float | None], limits: tuple[float, float], pad: float = 0.06) -> list[float]:
    """A part of the scale that holds every value, with a little air, never outside the scale."""
    known = [value for value in values if value is not None] or list(limits)
    air = max((max(known) - min(known)) * pad, (limits[1] - limits[0]) * 0.01)
    return [max(limits[0], min(known) - air), min(limits[1], max(known) + air)]


def _interval(low: str, high: str, axis: Spec, **encoding: Any) -> Spec:
    return {
        "mark": {"type": "rule", "style": "interval"},
        "encoding": {"x": {"field": low, "type": "quantitative", **axis}, "x2": {"field": high}, **encoding},
    }


def _dot(field: str, **encoding: Any) -> Spec:
    x = {"field": field, "type": "quantitative"}
    return {"mark": {"type": "point", "style": "mean"}, "encoding": {"x": x, **encoding}}


def criteria(report: StudyReport) -> Spec:
    """Mean score of each arm on each criterion, with intervals."""
    rows = [_score_row(report, score) for score in report.scores if score.mean.point is not None]
    limits = (float(report.facts.scale[0]), float(report.facts.scale[1]))
    domain = _domain([row[end] for row in rows for end in ("lo", "hi")], limits)
    order = [criterion.name for criterion in report.criteria]
    arms = [arm.name for arm in reversed(report.arms)]
    colour, shape = arm_scales(report)
    room = _width(row["label"] for row in rows)
    whole = domain == list(limits)
    title = f"Mean score{'' if whole else ', part'} of the {_scale(report)} scale" if not whole else "Mean score"
    axis = {
        "title": title,
        "scale": {"domain": domain, "nice": False, "zero": False, "range": _room(room, min(room, 130))},
        "axis": {"tickCount": 6, "grid": True},
    }
    return _frame(
        summary(report), rows, height={"step": 20, "for": "offset"},
        encoding={
            "y": _band("criterion", order, scale={"paddingInner": 0.3, "paddingOuter": 0.15}),
            "yOffset": {"field": "arm", "type": "nominal", "sort": arms, "scale": {"domain": arms}},
            "tooltip": _tips(arm="Arm", criterion="Criterion", text="Mean", range="95% interval", n="Items"),
        },
        layer=[
            _interval("lo", "hi", axis, color=colour),
            _dot("mean", color=colour, shape=shape),
            {"mark": {"type": "text", "style": "label"},
             "encoding": {"x": {"field": "hi", "type": "quantitative"}, "text": {"field": "label"}}},
        ],
    )  # fmt: skip


def _score_row(report: StudyReport, score: Any) -> Row:
    digits, mean = figure_digits(report), score.mean
    text = points(mean.point, digits)
    name = report.arm(score.arm).name
    first = score.criterion == report.criteria[0].key
    return {
        "arm": name, "criterion": criterion_name(report, score.criterion), "mean": mean.point,
        "lo": mean.point if mean.low is None else mean.low, "hi": mean.point if mean.high is None else mean.high,
        "text": text, "range": _range(mean, digits), "n": mean.n_items,
        "label": f"{text}  {_short(name)}" if first else text,
    }  # fmt: skip


def _range(estimate: Estimate, digits: int, *, signed: bool = False) -> str:
    if estimate.low is None or estimate.high is None:
        return "undefined"
    write = signed_points if signed else points
    return f"{write(estimate.low, digits)} to {write(estimate.high, digits)}"


def _scale(report: StudyReport) -> str:
    return f"{report.facts.scale[0]}–{report.facts.scale[1]}"


def differences(report: StudyReport) -> Spec:
    """Paired differences with intervals, one block for each pair; the margin shaded where one was fixed."""
    rows, keys = _difference_rows(report)
    names = [criterion.name for criterion in report.criteria]
    span = float(report.facts.scale[1] - report.facts.scale[0])
    margin = report.facts.margin
    ends = [row[end] for row in rows if "diff" in row for end in ("lo", "hi")]
    domain = _domain([*ends, 0.0, *([] if margin is None else [margin, -margin])], (-span, span))
    digits = figure_digits(report)
    room = _width([row["label"] for row in rows if "diff" in row]) + _width(
        [row["range"] for row in rows if "diff" in row]
    )
    x = {
        "title": "Difference in points",
        "scale": {"domain": domain, "range": _room(room, 52), "nice": False},
        "axis": {"tickCount": 6, "grid": True, "format": f"+.{1 if digits > 1 else 0}f"},
    }
    only = [{"filter": "isValid(datum.diff)"}]
    clear = {"field": "clear", "type": "nominal", "scale": {"domain": [False, True]}, "legend": None}
    tips = _tips(pair="Pair", criterion="Criterion", label="Difference", range="95% interval", holm="p (Holm)",
                 sup="P(superior)", n="Items")  # fmt: skip
    down: Spec = {"y": {"value": 0}, "y2": {"value": "height"}}
    shaded = [] if not margin else [{
        "data": {"values": [{"a": max(-margin, domain[0]), "b": min(margin, domain[1])}]},
        "mark": {"type": "rect", "style": "band"},
        "encoding": {"x": {"field": "a", "type": "quantitative", **x}, "x2": {"field": "b"}, **down},
    }]  # fmt: skip
    zero = {"data": {"values": [{"z": 0}]}, "mark": {"type": "rule", "style": "zero"},
            "encoding": {"x": {"field": "z", "type": "quantitative", **x}, **down}}  # fmt: skip
    return _frame(
        _differences_sentence(report), rows, height={"step": 22},
        encoding={"y": {"field": "key", "type": "nominal", "sort": keys, "title": None,
                        "axis": {"labelExpr": "split(datum.label, '|')[1]", "labelLimit": 150}}},
        layer=[
            *shaded, zero,
            {"transform": only, **_interval("lo", "hi", x, color=clear, tooltip=tips)},
            {"transform": only, **_dot("diff", color=clear, shape=clear, tooltip=tips)},
            *_heads(_width(name for name in names if len(name) <= 22)),
            _right("label", _width([row["range"] for row in rows if "diff" in row]), only, weight=600),
            _right("range", 0, only, quiet=True),
        ],
    )  # fmt: skip


def _heads(left: int) -> list[Spec]:
    """Names of the pairs, from the left edge of the labels on, with a halo where they cross a line."""
    only = [{"filter": "isValid(datum.head)"}]
    encoding = {"x": {"value": 0}, "text": {"field": "head"}}
    text = {"type": "text", "style": "head", "dx": -left, "limit": 460}
    halo = {**text, "stroke": "--paper", "strokeWidth": 5, "strokeJoin": "round"}
    return [{"transform": only, "mark": mark, "encoding": encoding} for mark in (halo, text)]


def _difference_rows(report: StudyReport) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    digits, last = figure_digits(report), None
    for number, d in enumerate(_by_pair(report.differences)):
        pair = f"{report.arm(d.a).name} − {report.arm(d.b).name}"
        e = d.difference
        if e.point is None:
            continue
        if (d.a, d.b) != last:
            rows.append({"key": f"{number:03}a|", "head": pair})
            last = (d.a, d.b)
        rows.append({
            "key": f"{number:03}b|{criterion_name(report, d.criterion)}", "pair": pair,
            "criterion": criterion_name(report, d.criterion), "diff": e.point,
            "lo": e.point if e.low is None else e.low, "hi": e.point if e.high is None else e.high,
            "clear": e.excludes_zero, "label": signed_points(e.point, digits), "range": _range(e, digits, signed=True),
            "holm": "undefined" if d.p_holm is None else f"{d.p_holm:.3f}" if d.p_holm >= 0.001 else "< 0.001",
            "sup": "undefined" if d.superiority.point is None else f"{d.superiority.point:.2f}", "n": e.n_items,
        })  # fmt: skip
    return rows, [row["key"] for row in rows]


def _by_pair(differences: Iterable[Difference]) -> list[Difference]:
    return list(differences)  # already pair by pair, criteria in reading order


def _differences_sentence(report: StudyReport) -> str:
    largest = max(
        (d for d in report.differences if d.difference.point is not None),
        key=lambda d: abs(d.difference.point or 0),
        default=None,
    )
    if largest is None or largest.difference.point is None:
        return "Paired differences between arms: undefined, no item was rated in two arms."
    value = signed_points(largest.difference.point, figure_digits(report))
    return (
        f"Paired differences between arms per criterion with 95% intervals; the largest is "
        f"{criterion_name(report, largest.criterion)}, {report.arm(largest.a).name} minus "
        f"{report.arm(largest.b).name}, {value}."
    )


def _right(field: str, from_right: int, only: list[Spec], *, weight: int = 400, quiet: bool = False) -> Spec:
    """Numbers set flush right of the plot; the quiet ones go on a phone, where they stand in the table."""
    mark: Spec = {"type": "text", "style": ["number", "quiet"] if quiet else "number", "align": "right"}
    mark |= {"opacity": {"expr": f"{NARROW} ? 0 : 1"}} if quiet else {"fontWeight": weight}
    x: Any = {"value": "width"} if not from_right else {"value": {"expr": f"width - ({NARROW} ? 0 : {from_right})"}}
    return {"transform": only, "mark": mark, "encoding": {"x": x, "text": {"field": field}}}


def wins(report: StudyReport) -> Spec:
    """Items won, tied and lost for each pair, and the win rate."""
    rows = [row for won in report.wins for row in _win_rows(report, won)]
    names = [arm.name for arm in report.arms]
    tokens = [f"--arm-{(arm.number - 1) % 4 + 1}" for arm in report.arms]
    only = [{"filter": "datum.what == 'won'"}]
    who = {"field": "who", "type": "nominal", "legend": None,
           "scale": {"domain": [*names, "tie", "unacceptable"], "range": [*tokens, "--rule", "--bad"]}}  # fmt: skip
    x = {"field": "from_", "type": "quantitative", "title": None, "axis": None,
         "scale": {"domain": [0, 1], "range": _room(136, 46)}}  # fmt: skip
    return _frame(
        _wins_sentence(report), rows, height={"step": 34},
        encoding={"y": _band("names", list(dict.fromkeys(row["names"] for row in rows)), scale={"paddingInner": 0.3},
                             axis={"labelLimit": 190, "labelOffset": -8, "labelExpr": "split(datum.label, '\\n')"})},
        layer=[
            {"mark": {"type": "bar"}, "encoding": {"x": x, "x2": {"field": "to"}, "color": who,
             "tooltip": _tips(pair="Pair", what="Outcome", n="Items")}},
            {"mark": {"type": "text", "style": "inbar",
                      "text": {"expr": f"{NARROW} ? (datum.to - datum.from_ > 0.12 ? datum.n : '') : datum.text"}},
             "encoding": {"x": {"field": "mid", "type": "quantitative"}}},
            _right("rate", 88, only, weight=600),
            _right("ci", 0, only, quiet=True),
        ],
    )  # fmt: skip


def _win_rows(report: StudyReport, won: Any) -> list[Row]:
    a, b = report.arm(won.a).name, report.arm(won.b).name
    counts = [("won", a, won.wins), ("tied", "tie", won.ties), ("lost", b, won.losses),
              ("unacceptable", "unacceptable", won.unacceptable)]  # fmt: skip
    total = sum(count for _, _, count in counts)
    if not total:
        return []
    edges = [sum(count for _, _, count in counts[:k]) / total for k in range(5)]
    rate = won.rate
    ci = "" if rate.low is None or rate.high is None else f"{100 * rate.low:.0f} to {100 * rate.high:.0f}%"
    return [
        {
            "pair": f"{a} vs {b}", "names": f"{_short(a)}\nvs {_short(b)}", "what": what, "who": who,
            "from_": start, "to": end, "mid": (start + end) / 2, "n": n, "rate": share(rate.point), "ci": ci,
            "text": f"{_short(who)} {n}" if who in (a, b) and 7 * (len(_short(who)) + 4) < 420 * (end - start) else "",
        }
        for (what, who, n), (start, end) in zip(counts, pairwise(edges), strict=True)
    ]  # fmt: skip


def _wins_sentence(report: StudyReport) -> str:
    said = [
        f"{report.arm(won.a).name} wins {won.wins} of {won.wins + won.ties + won.losses} items against "
        f"{report.arm(won.b).name}"
        for won in report.wins[:3]
    ]
    return f"Wins, ties and losses per pair of arms. {'; '.join(said)}." if said else "One arm alone: nothing to win."


def _dots(description: str, rows: list[Row], *, title: str, domain: list[float], mark_at: list[Spec]) -> Spec:
    """One dot with its interval and number for each row {name, value, lo, hi, label, range, n}."""
    x = {"title": title, "scale": {"domain": domain, "nice": False}, "axis": {"tickCount": 5, "grid": True}}
    value = {"field": "value", "type": "quantitative"}
    return _frame(
        description, rows, height={"step": 34},
        encoding={"y": _band("name", [row["name"] for row in rows]),
                  "tooltip": _tips(name="What", label="Value", range="95% interval", n="n")},
        layer=[
            *mark_at,
            {"mark": {"type": "rule", "style": ["interval", "valid"]},
             "encoding": {"x": {"field": "lo", "type": "quantitative", **x}, "x2": {"field": "hi"}}},
            {"mark": {"type": "point", "style": ["mean", "valid"]}, "encoding": {"x": value}},
            {"mark": {"type": "text", "style": "label", "align": "center", "dx": 0, "dy": -11},
             "encoding": {"x": value, "text": {"field": "label"}}},
        ],
    )  # fmt: skip


def _dot_row(name: str, estimate: Estimate, *, digits: int, n: int, signed: bool = False) -> Row:
    write = signed_points if signed else points
    return {
        "name": name, "value": estimate.point, "label": write(estimate.point, digits), "n": n,
        "lo": estimate.point if estimate.low is None else estimate.low,
        "hi": estimate.point if estimate.high is None else estimate.high,
        "range": _range(estimate, digits, signed=signed),
    }  # fmt: skip


def _line_at(value: float, style: str, text: str = "") -> list[Spec]:
    """A vertical line with its name above."""
    data = {"values": [{"z": value, "t": text}]}
    x = {"field": "z", "type": "quantitative"}
    silent = {"tooltip": {"value": None}}
    line = {"data": data, "mark": {"type": "rule", "style": style},
            "encoding": {"x": x, "y": {"value": 0}, "y2": {"value": "height"}, **silent}}  # fmt: skip
    name = {"data": data, "mark": {"type": "text", "style": "quiet", "align": "left", "dx": 6},
            "encoding": {"x": x, "y": {"value": -10}, "text": {"field": "t"}, **silent}}  # fmt: skip
    return [line, name] if text else [line]


def _ends(rows: list[Row]) -> list[float]:
    return [row[end] for row in rows for end in ("lo", "hi")]


def _said(rows: list[Row]) -> str:
    return ", ".join(f"{row['name']} {row['label']}" for row in rows)


def agreement(report: StudyReport) -> Spec:
    """Krippendorff's α of each criterion."""
    rows = [
        _dot_row(criterion_name(report, c.criterion), e, digits=2, n=e.n_ratings)
        for c in report.agreement if (e := c.agreement.ordinal).point is not None
    ]  # fmt: skip
    return _dots(
        f"Krippendorff’s alpha per criterion with 95% intervals: {_said(rows)}." if rows else "Agreement: undefined.",
        rows, title="Krippendorff’s alpha, ordinal", domain=[max(-1.0, min([0.0, *_ends(rows)])), 1.0],
        mark_at=_line_at(0.667, "frontier", ".667, usual floor"),
    )  # fmt: skip


def metrics(report: StudyReport) -> Spec:
    """Which metric follows people: Spearman's ρ within items on the primary criterion."""
    rows = [
        _dot_row(c.name, e, digits=2, n=e.n_items)
        for c in report.correlations
        if c.criterion == report.primary.key and (e := c.spearman.estimate).point is not None
    ]
    return _dots(
        f"Correlation of metrics with people, within items: {_said(rows)}." if rows else "No metric was scored.",
        rows, title=f"Spearman’s rho with {report.primary.name.lower()}, within items",
        domain=_domain([*_ends(rows), 0.0], (-1, 1), 0.12), mark_at=_line_at(0, "zero"),
    )  # fmt: skip


def position(report: StudyReport) -> Spec:
    """Mean score by shown position, less each arm's own mean."""
    rows = [
        _dot_row(f"Position {k}", e, digits=figure_digits(report), n=e.n_items, signed=True)
        for k, e in enumerate(report.position.by_position, 1) if e.point is not None
    ]  # fmt: skip
    span = float(report.facts.scale[1] - report.facts.scale[0])
    return _dots(
        f"Scores by place on the screen: {_said(rows)} points." if rows else "Positions were not recorded.",
        rows, title="Points above the arms’ own means", domain=_domain([*_ends(rows), 0.0], (-span, span), 0.15),
        mark_at=_line_at(0, "zero"),
    )  # fmt: skip


CHARTS: dict[str, Callable[[StudyReport], Spec]] = {
    "criteria": criteria,
    "differences": differences,
    "wins": wins,
    "agreement": agreement,
    "metrics": metrics,
    "position": position,
}


def drawable(report: StudyReport) -> list[str]:
    """The figures for which this report has something to draw."""
    return [name for name, chart in CHARTS.items() if chart(report)["data"]["values"]]
