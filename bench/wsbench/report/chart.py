"""The drawings of report.html: what is drawn of a result. How, is ``plot``'s and ``svg``'s business."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from wsbench.report import plot, reading, verdict, wording
from wsbench.report.plot import LEFT, RIGHT, Axis, Line, Unit
from wsbench.report.reading import Judgement
from wsbench.report.svg import WIDTH, add_circle, add_line, add_text, begun, markup, rounded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wsbench import document

_NINES = ((0.0, "0"), (0.30103, "50%"), (1.0, "90%"), (2.0, "99%"), (3.0, "99.9%"), (4.0, "99.99%"), (5.0, "99.999%"))
_TICK_LETTER, _TICK_GAP = 6.5, 8.0
_SECONDS, _SECOND_TICKS = (1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600, 7200, 36000, 10**9), 8
_FAVOURS = (1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1000.0)


def styles(result: document.Result) -> dict[str, plot.Style]:
    """The style of every arm, in the order of the result."""
    return plot.styles({name: arm["kind"] for name, arm in result["arms"].items()})


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
            lines.append(Line(name, look[name], known))
    if not lines:
        return ""
    numbers = sorted({number for line in lines for number, _ in line.points})
    every = max(1, math.ceil(len(numbers) / 12))
    ticks = [(number, f"{number:.0f}") for number in numbers[::every]]
    kind = "response time" if open_loop else "round trip"
    return plot.plot(
        lines,
        title=f"p50 {kind} by round",
        description=_described(lines),
        axis=Axis("round", ticks, numbers[0], max(numbers[-1], numbers[0] + 1)),
        dots=lambda name, x, y: f"{name}, round {x:.0f}: {wording.time(y)}",
    )


def latency_over_time(result: document.Result) -> str:
    """The p99 of every second measured, round after round; empty where there is none."""
    kind = "response time" if reading.open_loop(result) else "round trip"
    lines = _by_second(result, lambda second: second["p99_us"])
    return _over_time(lines, f"p99 {kind} by second", Unit.TIME) if lines else ""


def rate_over_time(result: document.Result) -> str:
    """The messages of every second measured, round after round; empty where there is none."""
    lines = _by_second(result, lambda second: second["received"] * 1e6 / second["width_us"])
    return _over_time(lines, "Messages by second", Unit.RATE) if lines else ""


def _by_second(result: document.Result, value_of: Callable[[document.Second], float | None]) -> list[Line]:
    """A line an arm over the seconds in which it was measured, broken between its rounds."""
    look = styles(result)
    lines = []
    for name, arm in result["arms"].items():
        points, ends, begin = [], [], 0.0
        for trial in arm["rounds"] if reading.stands(arm) else ():
            for second in trial["series"] or ():
                value = value_of(second)
                if value:
                    points.append(((begin + second["start_us"] + second["width_us"] / 2) / 1e6, value))
            begin += sum(second["width_us"] for second in trial["series"] or ())
            ends.append(begin / 1e6)
        if points:
            lines.append(Line(name, look[name], tuple(points), gaps=tuple(ends[:-1])))
    return lines


def _over_time(lines: Sequence[Line], title: str, unit: Unit) -> str:
    last = max(x for line in lines for x, _ in line.points)
    step = next(step for step in _SECONDS if last / step <= _SECOND_TICKS)
    ticks = [(float(second), f"{second:g} s") for second in range(0, math.floor(last) + 1, step)]
    say = wording.time if unit is Unit.TIME else wording.rate
    return plot.plot(
        lines,
        title=title,
        description=_described(lines, "result.json", say),
        axis=Axis("measured time of the arm", ticks, 0.0, max(last, 1.0)),
        unit=unit,
        dots=lambda name, x, y: f"{name}, second {x:.1f}: {say(y)}",
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
    centre, half = WIDTH / 2, (WIDTH - left - right) / 2

    def place(favour: float) -> float:
        share = math.log(favour) / math.log(reach)
        return centre + half * max(-1.0, min(1.0, share))

    drawing = begun(
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
            add_line(drawing, (x, top), (x, floor), "grid")
            add_text(drawing, f"{factor:g}x", (x, floor + 14), "tick", "middle")
    add_line(drawing, (centre, top - 4), (centre, floor), "even", width="1.5")
    add_text(drawing, "same", (centre, floor + 14), "tick", "middle")
    add_text(drawing, "< baseline better", (left, 11), "tick", "start")
    add_text(drawing, "candidate better >", (WIDTH - right, 11), "tick", "end")
    for number, (comparison, judgement) in enumerate(shown):
        y = top + step * number
        group = SubElement(drawing, "g", {"class": f"j-{judgement.name.lower()}"})
        favour = None if judgement is Judgement.INSUFFICIENT else _favour(comparison)
        name = verdict.metric(comparison["metric"])
        add_text(group, name, (left, y + 15), "name", "start")
        if favour is None:
            add_text(group, "insufficient data", (WIDTH - right, y + 15), "value", "end")
            continue
        low, middle, high = favour
        SubElement(group, "title").text = f"{name}: {judgement}, {wording.change(comparison['ratio'])}"
        add_text(group, f"{wording.change(comparison['ratio'])}", (WIDTH - right, y + 15), "value", "end")
        add_line(group, (place(low), y + 29), (place(high), y + 29), "interval", width="3")
        for end in (low, high):
            add_line(group, (place(end), y + 24), (place(end), y + 34), "interval", width="2")
        _marker(group, judgement, place(middle), y + 29)
    return markup(drawing)


def _marker(group: Element, judgement: Judgement, x: float, y: float) -> None:
    """Told apart by shape as well as by colour: better is a disc, worse a square, neither a ring."""
    if judgement is Judgement.SLOWER:
        box = {"x": rounded(x - 5), "y": rounded(y - 5), "width": "10", "height": "10", "class": "marker"}
        SubElement(group, "rect", box)
    else:
        add_circle(group, (x, y), "5.5", "marker")


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
            lines.append(Line(name, look[name], placed, thin_from=_nines_of_thin(count)))
    if not lines:
        return ""
    furthest = max(x for line in lines for x, _ in line.points)
    ticks = _readable([(x, label) for x, label in _NINES if x <= furthest], furthest)
    return plot.plot(
        lines,
        title=title,
        description=_described(lines, "the tables"),
        axis=Axis("percentile, evenly spaced in nines", ticks, 0.0, max(furthest, 1.0)),
    )


def _nines(percentile: float, count: int) -> float:
    """Where a percentile is placed: 0 for 0, 1 for 90%, 2 for 99%; the maximum where the last sample is."""
    last = math.log10(max(count, 10))
    beyond = 1 - percentile / 100
    return last if beyond <= 0 else min(-math.log10(beyond), last)


def _readable(ticks: Sequence[tuple[float, str]], furthest: float) -> list[tuple[float, str]]:
    """The ticks that have room for their labels; whole nines come first, then the median, then nought."""
    scale = (WIDTH - LEFT - RIGHT) / max(furthest, 1.0)
    kept: list[tuple[float, str]] = []
    for x, label in [tick for tick in ticks if tick[0] >= 1] + [tick for tick in ticks if tick[0] < 1][::-1]:
        if all(
            abs(x - other) * scale > _TICK_LETTER * (len(label) + len(taken)) / 2 + _TICK_GAP for other, taken in kept
        ):
            kept.append((x, label))
    return kept


def _nines_of_thin(count: int) -> float:
    return max(0.0, math.log10(count / wording.THIN_SAMPLES)) if count else 0.0


def _described(
    lines: Sequence[Line], where: str = "the table below", say: Callable[[float], str] = wording.time
) -> str:
    said = [
        f"{line.name}: from {say(min(y for _, y in line.points))} to {say(max(y for _, y in line.points))}"
        for line in lines
    ]
    return f"{'; '.join(said)}. The figures are in {where}."
