"""The drawings of report.html: inline SVG, coloured by the page's style sheet, every text escaped by ElementTree.

An arm keeps its colour and dash pattern in all of them; ``direct`` is the neutral floor. Seven colours and four dash
patterns repeat only after 28 arms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

from wsbench.report import reading, verdict, wording
from wsbench.report.reading import Judgement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsbench import document

COLOURS = 7
_DASHES = ("", "7 3", "2 3", "9 3 2 3")
_FLOOR_DASH = "1 3"

_WIDTH, _HEIGHT = 440.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 96.0, 10.0, 42.0
_LABEL_GAP, _LABEL_LENGTH = 14.0, 13
_NINES = ((0.0, "0"), (0.30103, "50%"), (1.0, "90%"), (2.0, "99%"), (3.0, "99.9%"), (4.0, "99.99%"), (5.0, "99.999%"))
_TICK_LETTER, _TICK_GAP = 6.5, 8.0
_STEPS, _FINE_STEPS = (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
_FAVOURS = (1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1000.0)


@dataclass(frozen=True, slots=True)
class Style:
    """How an arm is drawn: the number of its colour (0 is the floor's) and its dash pattern."""

    colour: int
    dash: str


@dataclass(frozen=True, slots=True)
class Series:
    """One line: points in the drawing's own terms (x as it is placed, y in microseconds).

    From ``thin_from`` on, fewer than ten samples lie beyond a point.
    """

    name: str
    style: Style
    points: tuple[tuple[float, float], ...]
    thin_from: float = math.inf


def styles(result: document.Result) -> dict[str, Style]:
    """The style of every arm, in the order of the result."""
    found: dict[str, Style] = {}
    place = 0
    for name, arm in result["arms"].items():
        if arm["kind"] == "direct":
            found[name] = Style(0, _FLOOR_DASH)
        else:
            found[name] = Style(1 + place % COLOURS, _DASHES[place % len(_DASHES)])
            place += 1
    return found


def swatch(style: Style) -> str:
    """A piece of an arm's line, for a legend."""
    svg = Element("svg", {"class": "swatch", "viewBox": "0 0 34 8", "aria-hidden": "true", "focusable": "false"})
    _line(svg, (1, 4), (33, 4), f"c{style.colour}", style.dash, width="2.5")
    return _markup(svg)


def round_trip_curves(result: document.Result) -> str:
    """Percentile curves of the latency that counts; empty where there is none."""
    open_loop = reading.open_loop(result)
    kind = "Response time" if open_loop else "Round trip (service time)"
    curves = {
        name: (
            reading.round_trip_curve(arm, open_loop=open_loop),
            (reading.round_trip(arm, open_loop=open_loop) or arm["service_time"])["count"],
        )
        for name, arm in result["arms"].items()
        if reading.stands(arm)
    }
    return _curves(result, curves, f"{kind} by percentile")


def connect_curves(result: document.Result) -> str:
    """Percentile curves of connect latency; empty where there is none."""
    curves = {
        name: (arm["curves"]["connect"], arm["connect"]["count"])
        for name, arm in result["arms"].items()
        if reading.stands(arm)
    }
    return _curves(result, curves, "Connect latency by percentile")


def rounds(result: document.Result) -> str:
    """The p50 of every arm by round; empty where there is none."""
    open_loop = reading.open_loop(result)
    look = styles(result)
    lines = []
    for name, arm in result["arms"].items():
        points = [
            (float(trial["round"]), latency["p50_us"])
            for trial in arm["rounds"]
            if (latency := reading.round_trip(trial, open_loop=open_loop)) is not None
        ]
        known = tuple((number, value) for number, value in points if value)
        if reading.stands(arm) and known:
            lines.append(Series(name, look[name], known))
    if not lines:
        return ""
    numbers = sorted({number for line in lines for number, _ in line.points})
    every = max(1, math.ceil(len(numbers) / 12))
    ticks = [(number, f"{number:.0f}") for number in numbers[::every]]
    kind = "response time" if open_loop else "round trip"
    return _plot(
        lines,
        title=f"p50 {kind} by round",
        description=_described(lines),
        x_axis="round",
        x_ticks=ticks,
        x_range=(numbers[0], max(numbers[-1], numbers[0] + 1)),
        dots=True,
    )


def forest(result: document.Result, baseline: str, candidate: str) -> str:
    """The comparisons of one pair as intervals: right of the middle the candidate is better; empty where none is known.

    Every pair has a scale of its own: a small difference beside a large one would else be a dot.
    """
    shown = [
        (comparison, judgement)
        for comparison in result["comparisons"]
        if (comparison["baseline"], comparison["candidate"]) == (baseline, candidate)
        and (judgement := reading.judge(result, comparison)) is not Judgement.VOID
    ]
    if not any(_favour(comparison) for comparison, judgement in shown if judgement is not Judgement.INSUFFICIENT):
        return ""
    reach = _reach([comparison for comparison, judgement in shown if judgement is not Judgement.INSUFFICIENT])
    step, left, right, top = 44.0, 14.0, 14.0, 20.0
    height = top + step * len(shown) + 26
    centre, half = _WIDTH / 2, (_WIDTH - left - right) / 2

    def place(favour: float) -> float:
        share = math.log(favour) / math.log(reach)
        return centre + half * max(-1.0, min(1.0, share))

    svg = _drawing(
        f"{candidate} against {baseline}: interval of every comparison",
        "; ".join(
            f"{verdict.metric(comparison['metric'])}: {judgement}, {wording.change(comparison['ratio'])} "
            f"({wording.interval(comparison['ci_low'], comparison['ci_high'])})"
            for comparison, judgement in shown
        ),
        height,
    )
    floor = top + step * len(shown)
    for factor in _favour_ticks(reach):
        for sign in (1, -1):
            x = place(factor**sign)
            _line(svg, (x, top), (x, floor), "grid")
            _text(svg, f"{factor:g}x", (x, floor + 14), "tick", "middle")
    _line(svg, (centre, top - 4), (centre, floor), "even", width="1.5")
    _text(svg, "same", (centre, floor + 14), "tick", "middle")
    _text(svg, "< baseline better", (left, 11), "tick", "start")
    _text(svg, "candidate better >", (_WIDTH - right, 11), "tick", "end")
    for number, (comparison, judgement) in enumerate(shown):
        y = top + step * number
        group = SubElement(svg, "g", {"class": f"j-{judgement.name.lower()}"})
        favour = None if judgement is Judgement.INSUFFICIENT else _favour(comparison)
        name = verdict.metric(comparison["metric"])
        _text(group, name, (left, y + 15), "name", "start")
        if favour is None:
            _text(group, "insufficient data", (_WIDTH - right, y + 15), "value", "end")
            continue
        low, middle, high = favour
        SubElement(group, "title").text = f"{name}: {judgement}, {wording.change(comparison['ratio'])}"
        _text(group, f"{wording.change(comparison['ratio'])}", (_WIDTH - right, y + 15), "value", "end")
        _line(group, (place(low), y + 29), (place(high), y + 29), "interval", width="3")
        for end in (low, high):
            _line(group, (place(end), y + 24), (place(end), y + 34), "interval", width="2")
        _marker(group, judgement, place(middle), y + 29)
    return _markup(svg)


def _marker(group: Element, judgement: Judgement, x: float, y: float) -> None:
    """Told apart by shape as well as by colour: better is a disc, worse a square, neither a ring."""
    if judgement is Judgement.SLOWER:
        box = {"x": _n(x - 5), "y": _n(y - 5), "width": "10", "height": "10", "class": "marker"}
        SubElement(group, "rect", box)
    else:
        SubElement(group, "circle", {"cx": _n(x), "cy": _n(y), "r": "5.5", "class": "marker"})


def _favour(comparison: document.Comparison) -> tuple[float, float, float] | None:
    """How many times better the candidate is: low, middle, high."""
    low, middle, high = comparison["ci_low"], comparison["ratio"], comparison["ci_high"]
    if not low or not middle or not high:
        return None
    return (1 / high, 1 / middle, 1 / low) if comparison["lower_is_better"] else (low, middle, high)


def _reach(comparisons: Sequence[document.Comparison]) -> float:
    """The factor at either end of the scale."""
    favours = [favour for comparison in comparisons if (favour := _favour(comparison)) is not None]
    widest = max((max(high, 1 / low) for low, _, high in favours), default=1.0)
    return next((factor for factor in _FAVOURS if factor >= widest), _FAVOURS[-1]) * 1.08


def _favour_ticks(reach: float) -> list[float]:
    """At most two on either side, apart enough to be read."""
    inside = [factor for factor in _FAVOURS if factor < reach]
    return [factor for factor in inside[-1:] + inside[:-1][::-1] if math.log(factor) > math.log(reach) * 0.3][:2]


# -- percentile curves


def _curves(
    result: document.Result, curves: Mapping[str, tuple[Sequence[tuple[float, float]], int]], title: str
) -> str:
    look = styles(result)
    lines = []
    for name, (points, count) in curves.items():
        placed = tuple((_nines(percentile, count), value) for percentile, value in points if value > 0)
        if placed:
            lines.append(Series(name, look[name], placed, thin_from=_nines_of_thin(count)))
    if not lines:
        return ""
    furthest = max(x for line in lines for x, _ in line.points)
    ticks = _readable([(x, label) for x, label in _NINES if x <= furthest], furthest)
    return _plot(
        lines,
        title=title,
        description=_described(lines, result),
        x_axis="percentile, evenly spaced in nines",
        x_ticks=ticks,
        x_range=(0.0, max(furthest, 1.0)),
    )


def _nines(percentile: float, count: int) -> float:
    """Where a percentile is placed: 0 for 0, 1 for 90%, 2 for 99%; the maximum where the last sample is."""
    last = math.log10(max(count, 10))
    beyond = 1 - percentile / 100
    return last if beyond <= 0 else min(-math.log10(beyond), last)


def _readable(ticks: Sequence[tuple[float, str]], furthest: float) -> list[tuple[float, str]]:
    """The ticks that have room for their labels; whole nines come first, then the median, then nought."""
    scale = (_WIDTH - _LEFT - _RIGHT) / max(furthest, 1.0)
    kept: list[tuple[float, str]] = []
    for x, label in [tick for tick in ticks if tick[0] >= 1] + [tick for tick in ticks if tick[0] < 1][::-1]:
        if all(
            abs(x - other) * scale > _TICK_LETTER * (len(label) + len(taken)) / 2 + _TICK_GAP for other, taken in kept
        ):
            kept.append((x, label))
    return kept


def _nines_of_thin(count: int) -> float:
    return max(0.0, math.log10(count / wording.THIN_SAMPLES)) if count else 0.0


def _described(lines: Sequence[Series], result: document.Result | None = None) -> str:
    said = [
        f"{line.name}: from {wording.time(min(y for _, y in line.points))} "
        f"to {wording.time(max(y for _, y in line.points))}"
        for line in lines
    ]
    return "; ".join(said) + (". The figures are in the tables." if result else ". The figures are in the table below.")


# -- a plot with a logarithmic axis of time


def _plot(
    lines: Sequence[Series],
    *,
    title: str,
    description: str,
    x_axis: str,
    x_ticks: Sequence[tuple[float, str]],
    x_range: tuple[float, float],
    dots: bool = False,
) -> str:
    values = [y for line in lines for _, y in line.points]
    low, high = _bounds(min(values), max(values))
    first, last = x_range
    bottom = _HEIGHT - _BOTTOM

    def x_of(x: float) -> float:
        return _LEFT + (x - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)

    def y_of(y: float) -> float:
        return bottom - (math.log10(y) - math.log10(low)) / (math.log10(high) - math.log10(low)) * (bottom - _TOP)

    svg = _drawing(title, description, _HEIGHT)
    for value in _time_ticks(low, high):
        y = y_of(value)
        _line(svg, (_LEFT, y), (_WIDTH - _RIGHT, y), "grid")
        _text(svg, _tick(value), (_LEFT - 6, y + 4), "tick", "end")
    for x, label in x_ticks:
        _line(svg, (x_of(x), _TOP), (x_of(x), bottom), "grid")
        _text(svg, label, (x_of(x), bottom + 15), "tick", "middle")
    _text(svg, f"{x_axis}; time on a log scale", ((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8), "axis", "middle")
    for line in lines:
        group = SubElement(svg, "g", {"class": f"line c{line.style.colour}"})
        SubElement(group, "title").text = line.name
        solid, faded = _split(line)
        for part, css in ((solid, "sure"), (faded, "unsure")):
            if len(part) > 1:
                points = " ".join(f"{_n(x_of(x))},{_n(y_of(y))}" for x, y in part)
                SubElement(group, "polyline", {"points": points, "class": css, "stroke-dasharray": line.style.dash})
        if dots:
            for x, y in line.points:
                dot = SubElement(group, "circle", {"cx": _n(x_of(x)), "cy": _n(y_of(y)), "r": "3", "class": "dot"})
                SubElement(dot, "title").text = f"{line.name}, round {x:.0f}: {wording.time(y)}"
    ends = [(x_of(line.points[-1][0]), y_of(line.points[-1][1])) for line in lines]
    heights = _apart([y for _, y in ends], _TOP + 4, bottom)
    for line, (x, y), label_y in zip(lines, ends, heights, strict=True):
        start = _WIDTH - _RIGHT + 10
        _line(svg, (x, y), (start - 2, label_y), f"leader c{line.style.colour}")
        words = _text(svg, _short(line.name), (start, label_y + 4), "label", "start")
        if _short(line.name) != line.name:
            SubElement(words, "title").text = line.name
    return _markup(svg)


def _split(line: Series) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """The part with samples enough behind it, and the part that chance decides."""
    solid = [point for point in line.points if point[0] <= line.thin_from]
    faded = list(line.points[max(0, len(solid) - 1) :]) if len(solid) < len(line.points) else []
    return solid, faded


def _bounds(low: float, high: float) -> tuple[float, float]:
    """A little wider than the values, so that a flat line still has a scale to be read on."""
    low, high = low / 1.12, high * 1.12
    if high / low < 2.2:
        middle = math.sqrt(low * high)
        low, high = middle / 1.5, middle * 1.5
    return low, high


def _time_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [step * 10.0**decade for decade in decades for step in _STEPS]
    inside = [value for value in fine if low <= value <= high]
    if len(inside) < 3:
        finer = [step * 10.0**decade for decade in decades for step in _FINE_STEPS]
        inside = [value for value in finer if low <= value <= high]
    if len(inside) > 9:
        inside = [value for value in (10.0**decade for decade in decades) if low <= value <= high]
    return inside


def _tick(value: float) -> str:
    for unit, scale in (("s", 1e6), ("ms", 1e3)):
        if value >= scale * 0.999:
            return f"{value / scale:.4g} {unit}"
    return f"{value:.4g} us"


def _apart(wanted: Sequence[float], low: float, high: float) -> list[float]:
    """Heights of the labels: near the wanted ones, in their order, and not one upon another."""
    if not wanted:
        return []
    gap = min(_LABEL_GAP, (high - low) / max(1, len(wanted) - 1))
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    heights = [min(max(wanted[index], low), high) for index in order]
    for above, below in pairwise(range(len(heights))):
        heights[below] = max(heights[below], heights[above] + gap)
    heights[-1] = min(heights[-1], high)
    for below, above in pairwise(reversed(range(len(heights)))):
        heights[above] = min(heights[above], heights[below] - gap)
    placed = [0.0] * len(wanted)
    for index, height in zip(order, heights, strict=True):
        placed[index] = height
    return placed


def _short(name: str) -> str:
    return name if len(name) <= _LABEL_LENGTH else name[: _LABEL_LENGTH - 1] + "\N{HORIZONTAL ELLIPSIS}"


# -- SVG


def _drawing(title: str, description: str, height: float) -> Element:
    svg = Element(
        "svg", {"class": "chart", "viewBox": f"0 0 {_n(_WIDTH)} {_n(height)}", "role": "img", "aria-label": title}
    )
    SubElement(svg, "title").text = title
    SubElement(svg, "desc").text = description
    return svg


def _line(
    parent: Element, start: tuple[float, float], end: tuple[float, float], css: str, dash: str = "", width: str = ""
) -> None:
    line = {"x1": _n(start[0]), "y1": _n(start[1]), "x2": _n(end[0]), "y2": _n(end[1]), "class": css}
    if dash:
        line["stroke-dasharray"] = dash
    if width:
        line["stroke-width"] = width
    SubElement(parent, "line", line)


def _text(parent: Element, words: str, at: tuple[float, float], css: str, anchor: str) -> Element:
    element = SubElement(parent, "text", {"x": _n(at[0]), "y": _n(at[1]), "class": css, "text-anchor": anchor})
    element.text = words
    return element


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _markup(svg: Element) -> str:
    return tostring(svg, encoding="unicode")
