"""A plot with a logarithmic axis of times or rates: lines with their names at their ends, rings, rules, ticks.

An arm keeps its colour and dash pattern in every plot; ``direct`` is the neutral floor. Seven colours and four dash
patterns repeat only after 28 arms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from wsbench.report import wording
from wsbench.report.svg import WIDTH, add_circle, add_line, add_text, begun, markup, rounded, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLOURS = 7
LEFT, RIGHT = 56.0, 96.0
_HEIGHT, _TOP, _BOTTOM = 300.0, 10.0, 42.0
_DASHES = ("", "7 3", "2 3", "9 3 2 3")
_FLOOR_DASH = "1 3"
_LABEL_GAP = 14.0
_STEPS, _FINE_STEPS = (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)


@dataclass(frozen=True, slots=True)
class Style:
    """How an arm is drawn: the number of its colour (0 is the floor's) and its dash pattern."""

    colour: int
    dash: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line: points in the drawing's own terms (x as it is placed, y in microseconds or per second).

    ``stops`` says where each point is, in words ("p99", "round 3"): what is at the same stop is read together. From
    ``thin_from`` on, fewer than ten samples lie beyond a point. Lines are not drawn across ``gaps`` (places on x).
    ``rings`` are points that stand out, with words.
    """

    name: str
    style: Style
    points: tuple[tuple[float, float], ...]
    stops: tuple[str, ...] = ()
    thin_from: float = math.inf
    gaps: tuple[float, ...] = ()
    rings: tuple[tuple[float, float, str], ...] = ()

    def at(self) -> dict[str, tuple[float, float]]:
        """Its points by their stops; none where it has no stops."""
        return dict(zip(self.stops, self.points, strict=True)) if self.stops else {}


@dataclass(frozen=True, slots=True)
class Axis:
    """The axis across: its name, what is written where, and how far it goes."""

    name: str
    ticks: Sequence[tuple[float, str]]
    first: float
    last: float


class Unit(Enum):
    """What the logarithmic axis upwards shows."""

    TIME = "time"
    RATE = "rate"

    def say(self, value: float) -> str:
        """A value as a sentence has it."""
        return wording.time(value) if self is Unit.TIME else wording.rate(value)


def styles(kinds: Mapping[str, str]) -> dict[str, Style]:
    """The style of every arm, by name and kind, in their order."""
    found: dict[str, Style] = {}
    place = 0
    for name, kind in kinds.items():
        if kind == "direct":
            found[name] = Style(0, _FLOOR_DASH)
        else:
            found[name] = Style(1 + place % COLOURS, _DASHES[place % len(_DASHES)])
            place += 1
    return found


def stops(lines: Sequence[Line]) -> list[tuple[str, list[float | None]]]:
    """Every stop from left to right, and what each line is there (None: it has no point there)."""
    found = [line.at() for line in lines]
    furthest: dict[str, float] = {}
    for points in found:
        for stop, (x, _) in points.items():
            furthest[stop] = max(x, furthest.get(stop, x))
    order = sorted(furthest, key=furthest.__getitem__)
    return [(stop, [points[stop][1] if stop in points else None for points in found]) for stop in order]


def swatch(style: Style) -> str:
    """A piece of an arm's line, for a legend."""
    piece = Element("svg", {"class": "swatch", "viewBox": "0 0 34 8", "aria-hidden": "true", "focusable": "false"})
    add_line(piece, (1, 4), (33, 4), f"c{style.colour}", style.dash, width="2.5")
    return markup(piece)


def plot(
    lines: Sequence[Line],
    *,
    title: str,
    description: str,
    axis: Axis,
    unit: Unit = Unit.TIME,
    dots: bool = False,
    rules: Sequence[tuple[float, str]] = (),
) -> str:
    """The drawing. ``dots`` sets one, with words, at every point; ``rules`` are heights with a name.

    Where its lines have stops, the drawing carries for the page's script their names (``data-stops``, with "|" between
    them) and what each line is at each of them: x, y and the words, or nothing (``data-at``).
    """
    heights = [y for line in lines for _, y in line.points] + [y for y, _ in rules]
    low, high = _bounds(min(heights), max(heights))
    bottom = _HEIGHT - _BOTTOM

    def x_of(x: float) -> float:
        return LEFT + (x - axis.first) / (axis.last - axis.first) * (WIDTH - LEFT - RIGHT)

    def y_of(y: float) -> float:
        return bottom - (math.log10(y) - math.log10(low)) / (math.log10(high) - math.log10(low)) * (bottom - _TOP)

    drawing = begun(title, description, _HEIGHT)
    for value in _ticks(low, high):
        y = y_of(value)
        add_line(drawing, (LEFT, y), (WIDTH - RIGHT, y), "grid")
        add_text(drawing, _tick(value, unit), (LEFT - 6, y + 4), "tick", "end")
    for x, label in axis.ticks:
        add_line(drawing, (x_of(x), _TOP), (x_of(x), bottom), "grid")
        add_text(drawing, label, (x_of(x), bottom + 15), "tick", "middle")
    across = f"{axis.name}; {unit.value} on a log scale"
    add_text(drawing, across, ((LEFT + WIDTH - RIGHT) / 2, _HEIGHT - 8), "axis", "middle")
    for value, label in rules:
        add_line(drawing, (LEFT, y_of(value)), (WIDTH - RIGHT, y_of(value)), "even", "4 3")
        add_text(drawing, label, (LEFT + 4, y_of(value) - 4), "tick", "start")
    order = [stop for stop, _ in stops(lines)]
    if order:
        drawing.set("data-stops", "|".join(order))
        drawing.set("data-span", f"{rounded(_TOP)}|{rounded(bottom)}")
    for line in lines:
        group = SubElement(drawing, "g", {"class": f"line c{line.style.colour}", "data-arm": line.name})
        SubElement(group, "title").text = line.name
        if order:
            there = {stop: f"{rounded(x_of(x))} {rounded(y_of(y))} {unit.say(y)}" for stop, (x, y) in line.at().items()}
            group.set("data-at", "|".join(there.get(stop, "") for stop in order))
        for part, css in _parts(line):
            points = " ".join(f"{rounded(x_of(x))},{rounded(y_of(y))}" for x, y in part)
            SubElement(group, "polyline", {"points": points, "class": css, "stroke-dasharray": line.style.dash})
        for stop, (x, y) in line.at().items() if dots else ():
            dot = add_circle(group, (x_of(x), y_of(y)), "3", "dot")
            SubElement(dot, "title").text = f"{line.name}, {stop}: {unit.say(y)}"
        for x, y, words in line.rings:
            ring = add_circle(group, (x_of(x), y_of(y)), "7", "ring")
            SubElement(ring, "title").text = words
    _names(drawing, lines, [(x_of(line.points[-1][0]), y_of(line.points[-1][1])) for line in lines])
    return markup(drawing)


def _names(drawing: Element, lines: Sequence[Line], ends: Sequence[tuple[float, float]]) -> None:
    """Every line's name beside its end."""
    heights = _apart([y for _, y in ends], _TOP + 4, _HEIGHT - _BOTTOM)
    start = WIDTH - RIGHT + 10
    for line, (x, y), height in zip(lines, ends, heights, strict=True):
        group = SubElement(drawing, "g", {"class": "named", "data-arm": line.name})
        add_line(group, (x, y), (start - 2, height), f"leader c{line.style.colour}")
        words = add_text(group, shortened(line.name), (start, height + 4), "label", "start")
        if shortened(line.name) != line.name:
            SubElement(words, "title").text = line.name


def _parts(line: Line) -> list[tuple[list[tuple[float, float]], str]]:
    """What is joined, and how: the part with samples enough behind it, and the part that chance decides."""
    edges = (-math.inf, *line.gaps, math.inf)
    pieces = [[point for point in line.points if low < point[0] <= high] for low, high in pairwise(edges)]
    found = []
    for piece in pieces:
        solid = [point for point in piece if point[0] <= line.thin_from]
        faded = piece[max(0, len(solid) - 1) :] if len(solid) < len(piece) else []
        found += [(part, css) for part, css in ((solid, "sure"), (faded, "unsure")) if len(part) > 1]
    return found


def _bounds(low: float, high: float) -> tuple[float, float]:
    """A little wider than the values, so that a flat line still has a scale to be read on."""
    low, high = low / 1.12, high * 1.12
    if high / low < 2.2:
        middle = math.sqrt(low * high)
        low, high = middle / 1.5, middle * 1.5
    return low, high


def _ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [step * 10.0**decade for decade in decades for step in _STEPS]
    inside = [value for value in fine if low <= value <= high]
    if len(inside) < 3:
        finer = [step * 10.0**decade for decade in decades for step in _FINE_STEPS]
        inside = [value for value in finer if low <= value <= high]
    if len(inside) > 9:
        inside = [value for value in (10.0**decade for decade in decades) if low <= value <= high]
    return inside


def _tick(value: float, unit: Unit) -> str:
    if unit is Unit.RATE:
        return f"{value:,.4g}" if value < 1000 else f"{value / 1000:,.4g}k"
    for name, scale in (("s", 1e6), ("ms", 1e3)):
        if value >= scale * 0.999:
            return f"{value / scale:.4g} {name}"
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
