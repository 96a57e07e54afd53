"""The forest: every comparison of a pair as an interval, better to the right whatever the metric."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from wsbench.report import reading, verdict, wording
from wsbench.report.reading import Judgement
from wsbench.report.svg import WIDTH, add_circle, add_line, add_text, begun, markup, rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsbench import document

_FAVOURS = (1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1000.0)


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
        words = add_text(group, wording.change(comparison["ratio"]), (WIDTH - right, y + 15), "value", "end")
        within = SubElement(words, "tspan", {"class": "within"})
        within.text = f" ({wording.interval(comparison['ci_low'], comparison['ci_high'])})"
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
