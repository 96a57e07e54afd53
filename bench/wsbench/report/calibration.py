"""A calibration study for readers: a table, Markdown, and a drawing of every run's interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

from rich.table import Table
from rich.text import Text

from wsbench.calibration import SURE_PLANTED, judge_run
from wsbench.report import verdict, wording
from wsbench.statistics import CONFIDENCE, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from wsbench.calibration import CalibrationPlan, CandidateSummary, Judged, Rate, Study, StudyRun

_COLUMNS = ("against base", "claim a difference", "found", "wrong", "p50 ratio")
_WIDTH, _LEFT, _RIGHT, _PANEL, _TOP = 760.0, 60.0, 16.0, 150.0, 24.0
_COLOURS = {Verdict.FASTER: "#0b6b3a", Verdict.SLOWER: "#a8201a"}
_UNDECIDED = "#6b7580"


def print_summary(study: Study, summaries: Sequence[CandidateSummary], console: Console) -> None:
    """A table of what the study found, and whether the promises hold."""
    console.print(Text(headline(summaries), style="bold"))
    console.print(Text(setting(study), style="dim"))
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in _COLUMNS:
        table.add_column(column, no_wrap=True)
    for summary in summaries:
        table.add_row(*_row(summary))
    console.print(table)
    for summary in summaries:
        console.print(Text(by_metric(summary), style="dim"))


def markdown(study: Study, summaries: Sequence[CandidateSummary]) -> str:
    """The same, as a page."""
    lines = [
        f"**{headline(summaries)}**",
        "",
        setting(study),
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "|" + " :-- |" * len(_COLUMNS),
        *(f"| {' | '.join(_row(summary))} |" for summary in summaries),
        "",
        *(f"- {by_metric(summary)}" for summary in summaries),
    ]
    return "\n".join(lines) + "\n"


def headline(summaries: Sequence[CandidateSummary]) -> str:
    """Whether the promises hold, in one line."""
    broken = [summary for summary in summaries if not summary.holds]
    if broken:
        return "The promises do NOT hold: " + "; ".join(_broken(summary) for summary in broken) + "."
    runs = max((summary.claims.runs for summary in summaries), default=0)
    return f"In {wording.counted(runs, 'run')} the comparison was no more often wrong than it says."


def by_metric(summary: CandidateSummary) -> str:
    """The claims of each metric."""
    claims = ", ".join(
        f"{verdict.metric(metric)} {faster} faster and {slower} slower"
        for metric, (faster, slower) in summary.by_metric.items()
        if faster or slower
    )
    return f"claims, {summary.name}: {claims or 'none'}"


def setting(study: Study) -> str:
    """What was run, in one line."""
    plan, rate = study.plan, study.plan.rate
    load = "closed loop" if rate is None else f"open loop, {rate:,.0f} messages/s"
    busy = [run.busy for run in study.runs if run.busy is not None]
    steal = [run.steal for run in study.runs if run.steal is not None]
    machine = (
        f"; machine busy {min(busy):.0%} to {max(busy):.0%}, steal up to {max(steal):.1%}" if busy and steal else ""
    )
    return (
        f"{wording.counted(len(study.runs), 'run')} of {plan.rounds} rounds, {wording.span(plan.duration_ns / 1000)} "
        f"trials, {plan.connections} connections of {plan.payload_bytes} bytes, {load}; floor p50 "
        f"{wording.time(study.floor_ns / 1000)}; {len(plan.metrics)} comparisons a run{machine}."
    )


def run_in_words(plan: CalibrationPlan, run: StudyRun) -> str:
    """What a run claims of each candidate."""
    return ", ".join(f"{name} {_claims(judge_run(plan, run, name))}" for name in plan.candidates)


def drawing(study: Study) -> str:
    """Every run's interval of the p50 ratio: a panel a candidate, in rising order, coloured where a claim is made."""
    names = study.plan.candidates
    height = _PANEL * len(names) + 10
    svg = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_WIDTH:g} {height:g}",
            "width": f"{_WIDTH:g}",
            "height": f"{height:g}",
            "font-family": "system-ui, sans-serif",
            "font-size": "12",
        },
    )
    SubElement(svg, "rect", {"width": "100%", "height": "100%", "fill": "#fff"})
    for place, (name, planted) in enumerate(zip(names, (0.0, *study.plan.planted), strict=True)):
        first = [judge_run(study.plan, run, name) for run in study.runs]
        metric = next(metric for metric in study.plan.metrics if metric.endswith("_time.p50_us"))
        _panel(svg, _PANEL * place, name, planted, [one for run in first for one in run if one.metric == metric])
    return tostring(svg, encoding="unicode") + "\n"


def _row(summary: CandidateSummary) -> tuple[str, ...]:
    planted = f"+{summary.planted:.0%}" if summary.planted else "same URL"
    return (
        f"{summary.name} ({planted})",
        _rate(summary.claims),
        _rate(summary.found) if summary.found else wording.NOTHING,
        wording.whole(summary.wrong),
        f"{summary.ratio:.3f}" if summary.ratio else wording.NOTHING,
    )


def _rate(rate: Rate) -> str:
    return f"{rate.count} ({rate.low:.0%} to {rate.high:.0%})"


def _broken(summary: CandidateSummary) -> str:
    if summary.found is None:
        return (
            f"{summary.claims.count} of {summary.claims.runs} runs claim a difference between equals, more than "
            f"{1 - CONFIDENCE:.0%}"
        )
    if summary.wrong:
        return f"{summary.wrong} claims that {summary.name} was faster than without its delay"
    return f"+{SURE_PLANTED:.0%} and more must be found in 95%, {summary.name} was in {_rate(summary.found)}"


def _claims(judged: Sequence[Judged]) -> str:
    claims = [
        f"{verdict.metric(one.metric)} {one.verdict}"
        for one in judged
        if one.verdict in {Verdict.FASTER, Verdict.SLOWER}
    ]
    return wording.listed(claims) or "no difference"


def _panel(svg: Element, top: float, name: str, planted: float, judged: Sequence[Judged]) -> None:
    shown = sorted(
        (one for one in judged if one.estimate.ratio and one.estimate.low and one.estimate.high),
        key=lambda one: one.estimate.ratio or 0,
    )
    what = f"+{planted:.0%} of the floor planted" if planted else "the same URL"
    title = f"{name}, {what}: p50 ratio to base, one line a run"
    SubElement(svg, "text", {"x": f"{_LEFT:g}", "y": f"{top + 16:g}", "font-weight": "600"}).text = title
    if not shown:
        return
    low = min(one.estimate.low or 1 for one in shown)
    high = max(one.estimate.high or 1 for one in shown)
    low, high = min(low, 1 / 1.02), max(high, 1.02)
    floor, ceiling = top + _PANEL - 12, top + _TOP

    def height(ratio: float) -> float:
        return floor - (math.log(ratio) - math.log(low)) / (math.log(high) - math.log(low)) * (floor - ceiling)

    for tick in (low, 1.0, high):
        y = height(tick)
        line = {"x1": f"{_LEFT:g}", "x2": f"{_WIDTH - _RIGHT:g}", "y1": f"{y:.1f}", "y2": f"{y:.1f}"}
        SubElement(svg, "line", {**line, "stroke": "#1a2027" if tick == 1 else "#d5dbe2"})
        SubElement(
            svg, "text", {"x": f"{_LEFT - 8:g}", "y": f"{y + 4:.1f}", "text-anchor": "end", "fill": "#525c68"}
        ).text = f"{tick:.3g}"
    step = (_WIDTH - _LEFT - _RIGHT) / len(shown)
    for place, one in enumerate(shown):
        x = _LEFT + step * (place + 0.5)
        colour = _COLOURS.get(one.verdict, _UNDECIDED)
        ends = {"y1": f"{height(one.estimate.low or 1):.1f}", "y2": f"{height(one.estimate.high or 1):.1f}"}
        SubElement(svg, "line", {"x1": f"{x:.1f}", "x2": f"{x:.1f}", **ends, "stroke": colour, "stroke-width": "1.5"})
        SubElement(
            svg, "circle", {"cx": f"{x:.1f}", "cy": f"{height(one.estimate.ratio or 1):.1f}", "r": "2", "fill": colour}
        )
