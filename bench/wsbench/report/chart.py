"""The curves of report.html and the tables behind them: what is drawn of a result. How, is ``plot``'s business."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsbench.report import plot, reading, tables, wording
from wsbench.report.plot import LEFT, RIGHT, Axis, Line, Unit
from wsbench.report.svg import WIDTH
from wsbench.report.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wsbench import document

_NINES = ((0.0, "0"), (0.30103, "50%"), (1.0, "90%"), (2.0, "99%"), (3.0, "99.9%"), (4.0, "99.99%"), (5.0, "99.999%"))
_TICK_LETTER, _TICK_GAP = 6.5, 8.0
_SECONDS, _SECOND_TICKS = (1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600, 7200, 36000, 10**9), 8
_MOST_POINTS, _MOST_OF_ALL = 600, 3600
"""By second, of one arm and of all: a drawing has no room for more, and a page of many long rounds would grow large."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, and the same figures as a table for those who cannot see it or want to copy them."""

    drawing: str
    table: Table


def styles(result: document.Result) -> dict[str, plot.Style]:
    """The style of every arm, in the order of the result."""
    return plot.styles({name: arm["kind"] for name, arm in result["arms"].items()})


def round_trip_curves(result: document.Result) -> Chart | None:
    """Percentile curves of the latency that counts; None where there is none."""
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


def connect_curves(result: document.Result) -> Chart | None:
    """Percentile curves of connect latency; None where there is none."""
    curves = {
        name: (arm["curves"]["connect"], arm["connect"]["count"])
        for name, arm in result["arms"].items()
        if reading.stands(arm)
    }
    return _curves(result, curves, "Connect latency by percentile")


def rounds(result: document.Result) -> Chart | None:
    """The p50 of every arm by round; None where there is none."""
    open_loop = reading.open_loop(result)
    look = styles(result)
    lines = []
    for name, arm in result["arms"].items():
        points = {
            trial["round"]: latency["p50_us"]
            for trial in arm["rounds"]
            if (latency := reading.round_trip(trial, open_loop=open_loop)) is not None
        }
        known = {number: value for number, value in points.items() if value}
        if reading.stands(arm) and known:
            placed = tuple((float(number), value) for number, value in known.items())
            lines.append(Line(name, look[name], placed, tuple(f"round {number}" for number in known)))
    if not lines:
        return None
    numbers = sorted({number for line in lines for number, _ in line.points})
    every = max(1, math.ceil(len(numbers) / 12))
    ticks = [(number, f"{number:.0f}") for number in numbers[::every]]
    kind = "response time" if open_loop else "round trip"
    return charted(
        lines,
        title=f"p50 {kind} by round",
        axis=Axis("round", ticks, numbers[0], max(numbers[-1], numbers[0] + 1)),
        head="round",
        dots=True,
    )


def latency_over_time(result: document.Result) -> Chart | None:
    """The p99 of every second measured, round after round; None where there is none."""
    kind = "response time" if reading.open_loop(result) else "round trip"
    return _over_time(result, _highest_p99, f"p99 {kind} by second", Unit.TIME)


def rate_over_time(result: document.Result) -> Chart | None:
    """The messages of every second measured, round after round; None where there is none."""
    return _over_time(result, _rate, "Messages by second", Unit.RATE)


def _highest_p99(seconds: Sequence[document.Second]) -> float | None:
    return max((second["p99_us"] for second in seconds if second["p99_us"]), default=None)


def _rate(seconds: Sequence[document.Second]) -> float:
    return sum(second["received"] for second in seconds) * 1e6 / sum(second["width_us"] for second in seconds)


def _over_time(
    result: document.Result,
    value_of: Callable[[Sequence[document.Second]], float | None],
    title: str,
    unit: Unit,
) -> Chart | None:
    """A line an arm over the seconds in which it was measured, broken between its rounds."""
    look = styles(result)
    standing = {name: arm for name, arm in result["arms"].items() if reading.stands(arm)}
    longest = max((sum(len(trial["series"] or ()) for trial in arm["rounds"]) for arm in standing.values()), default=0)
    most = min(_MOST_POINTS, _MOST_OF_ALL // max(1, len(standing)))
    together = max(1, math.ceil(longest / max(1, most)))
    lines = []
    for name, arm in standing.items():
        points, ends, begin = {}, [], 0.0
        for trial in arm["rounds"]:
            series = trial["series"] or []
            for at in range(0, len(series), together):
                seconds = series[at : at + together]
                first, width = seconds[0]["start_us"], sum(second["width_us"] for second in seconds)
                if value := value_of(seconds):
                    stop = f"round {trial['round']}, from {first / 1e6:g} s"
                    points[stop] = ((begin + first + width / 2) / 1e6, value)
            begin += sum(second["width_us"] for second in series)
            ends.append(begin / 1e6)
        if points:
            gaps = tuple(ends[:-1])
            lines.append(Line(name, look[name], tuple(points.values()), tuple(points), gaps=gaps))
    if not lines:
        return None
    last = max(x for line in lines for x, _ in line.points)
    step = next(step for step in _SECONDS if last / step <= _SECOND_TICKS)
    ticks = [(float(second), f"{second:g} s") for second in range(0, math.floor(last) + 1, step)]
    if together > 1:
        title += f", {together} seconds a point"
    axis = Axis("measured time of the arm", ticks, 0.0, max(last, 1.0))
    return charted(lines, title=title, axis=axis, head="second", unit=unit, dots=True)


def charted(
    lines: Sequence[Line],
    *,
    title: str,
    axis: Axis,
    head: str,
    unit: Unit = Unit.TIME,
    dots: bool = False,
    description: str = "",
    rules: Sequence[tuple[float, str]] = (),
) -> Chart:
    """Lines drawn, and the table of what they are at every stop; ``head`` names the stops."""
    said = description or "; ".join(
        f"{line.name}: from {unit.say(min(y for _, y in line.points))} to {unit.say(max(y for _, y in line.points))}"
        for line in lines
    )
    drawing = plot.plot(
        lines,
        title=title,
        description=f"{said}. The figures are in the table behind it.",
        axis=axis,
        unit=unit,
        dots=dots,
        rules=rules,
    )
    rows = tuple(
        tables.Row(stop, tuple(tables.Cell(wording.NOTHING if value is None else unit.say(value)) for value in values))
        for stop, values in plot.stops(lines)
    )
    return Chart(drawing, Table(title, (head, *(line.name for line in lines)), rows))


# -- percentile curves


def _curves(
    result: document.Result, curves: Mapping[str, tuple[Sequence[tuple[float, float]], int]], title: str
) -> Chart | None:
    look = styles(result)
    lines = []
    for name, (points, count) in curves.items():
        placed = {
            _percentile(percentile): (_nines(percentile, count), value) for percentile, value in points if value > 0
        }
        if placed:
            thin = _nines_of_thin(count)
            lines.append(Line(name, look[name], tuple(placed.values()), tuple(placed), thin_from=thin))
    if not lines:
        return None
    furthest = max(x for line in lines for x, _ in line.points)
    ticks = _readable([(x, label) for x, label in _NINES if x <= furthest], furthest)
    axis = Axis("percentile, evenly spaced in nines", ticks, 0.0, max(furthest, 1.0))
    return charted(lines, title=title, axis=axis, head="percentile")


def _percentile(percentile: float) -> str:
    """As far as it tells it from its neighbours, which are a tenth of a nine away: p49.9, p99.37, p99.9."""
    if percentile <= 0:
        return "min"
    if percentile >= 100:
        return "max"
    decimals = max(1, 1 - math.floor(math.log10(100 - percentile)))
    return f"p{percentile:.{decimals}f}".rstrip("0").rstrip(".")


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
