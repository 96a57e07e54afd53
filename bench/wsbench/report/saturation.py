"""What a search for the load that a hop can carry tells: the words, the tables, the curve with its knee."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from wsbench.figures import PERCENTILES
from wsbench.report import html, markdown, plot, reading, tables, terminal, wording
from wsbench.report.chart import Chart, charted
from wsbench.report.plot import Axis, Line
from wsbench.report.tables import Cell, Mark, Row, Table
from wsbench.report.terminal import Detail
from wsbench.saturation import CapacityVerdict, Limit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console, RenderableType

    from wsbench.saturation_document import Arm, Capacity, Comparison, Saturation, Step

_ENDED_BY = {
    Limit.DRIVER: "driver-bound: the driver was at its limit",
    Limit.SERVER: "server-bound: the echo server was at its limit",
    Limit.CLIENT_SIDECAR: "the client's sidecar used up its cores",
    Limit.SERVER_SIDECAR: "the server's sidecar used up its cores",
    Limit.MACHINE: "machine-bound: all its CPUs were in use",
    Limit.LATENCY: "latency; no part had used up its cores",
    Limit.HIGHEST_RATE: "the highest rate that was to be tried",
    Limit.LOWEST_RATE: "not even the lowest rate tried was carried",
    Limit.UNFINISHED: "the search was cut short",
}


def print_summary(found: Saturation, console: Console, detail: Detail = Detail.FULL) -> None:
    """The summary on a terminal."""
    terminal.print_within(Group(*_parts(reading.cleaned(found), detail)), console)


def render_markdown(found: Saturation) -> str:
    """The report as a comment on a pull request."""
    return "\n".join(_lines(reading.cleaned(found))) + "\n"


def render_html(found: Saturation) -> str:
    """The report as a page of its own."""
    found = reading.cleaned(found)
    look = _styles(found)
    return html.template("saturation.html.j2").render(
        found=found,
        alerts=reading.alerts(found, found["arms"]),
        title=headline(found),
        setting=setting(found),
        legend=[(name, html.drawn(plot.swatch(look[name]))) for name in _standing(found)],
        curve=curve(found),
        curve_name=f"{_measure(found)} of the response time over the rate",
        capacities=capacities(found),
        comparisons=comparisons(found),
        steps=[steps(found, name) for name in found["arms"]],
        proofs=[(name, reading.claim(arm), arm) for name, arm in found["arms"].items()],
        environment=tables.environment(found),
        objectives=objectives(found),
    )


def headline(found: Saturation) -> str:
    """The answer in one line."""
    told = [one for one in found["comparisons"] if (one["baseline"], one["candidate"]) == ("http1", "http2")]
    told = told or found["comparisons"][:1]
    if told and told[0]["verdict"] != CapacityVerdict.OPEN:
        one = told[0]
        if one["verdict"] == CapacityVerdict.NO_DIFFERENCE:
            return f"No difference shown: {one['baseline']} and {one['candidate']} carry the same load"
        return f"{one['candidate']} {one['verdict']} than {one['baseline']}: {_times(one)} its load"
    standing = _standing(found)
    if not standing:
        return "No arm has a capacity that stands"
    return "; ".join(f"{name} {in_words(capacity)}" for name, capacity in standing.items())


def in_words(capacity: Capacity) -> str:
    """What an arm carries."""
    low, high = capacity["low"], capacity["high"]
    if low is None:
        return "carries nothing that was tried" if high is None else f"carries less than {wording.rate(high)}/s"
    if high is None:
        return f"carries at least {wording.rate(low)}/s"
    return f"carries {wording.rate(low)}/s, not {wording.rate(high)}/s"


def setting(found: Saturation) -> str:
    """What was asked, in one line."""
    plan = found["plan"]
    return (
        f"{objectives(found)}, at most {plan['max_lost'] * 100:.3g}% of the messages lost; "
        f"{wording.counted(plan['connections'], 'connection')}, {plan['payload_bytes']:,}-byte messages, "
        f"{plan['pattern']}; trials of {wording.span(plan['duration_us'])}, "
        f"brackets within {plan['resolution'] * 100:.3g}%"
    )


def objectives(found: Saturation) -> str:
    """What had to hold."""
    return ", ".join(
        f"p{one['percentile']:g} under {wording.span(one['limit_us'])}" for one in found["plan"]["objectives"]
    )


def capacities(found: Saturation) -> Table:
    """What every arm carries, and what ended the search."""
    rows = []
    for name, arm in found["arms"].items():
        capacity = arm["capacity"]
        if capacity is None or not reading.stands(arm):
            rows.append(Row(name, note=_absence(arm), grave=True))
            continue
        carried = [step for step in arm["steps"] if step["rate"] == capacity["low"] and step["carried"]]
        rows.append(
            Row(
                name,
                (
                    Cell(_ENDED_BY[Limit(capacity["limit"])]),
                    Cell(wording.rate(capacity["low"]), Mark.GOOD),
                    Cell(wording.rate(capacity["high"]) if capacity["high"] else "not known"),
                    *(Cell(wording.time(_typical(carried, key))) for key in ("p50_us", "p99_us")),
                    *(_core(carried, part) for part in ("driver", "client_sidecar", "server_sidecar", "server")),
                ),
            )
        )
    return Table(
        "The load that is carried",
        ("arm", "what ended it", "carried/s", "not/s", "p50", "p99", "driver", "client sc", "server sc", "server"),
        tuple(rows),
        words=1,
        note="Carried, not: the ends of the bracket, each decided by a majority of trials. p50 and p99 of the response "
        "time, and the cores that every part (sc: sidecar) used, at the rate carried. 'not known': what ended the "
        "search was not the hop's, which may carry more.",
    )


def comparisons(found: Saturation) -> Table:
    """Bracket against bracket."""
    rows = []
    mark = {CapacityVerdict.MORE: Mark.GOOD, CapacityVerdict.LESS: Mark.BAD}
    for one in found["comparisons"]:
        verdict = CapacityVerdict(one["verdict"])
        name = f"{one['candidate']} against {one['baseline']}"
        rows.append(Row(name, (Cell(verdict.value, mark.get(verdict, Mark.FAINT)), Cell(_times(one)))))
    note = (
        "Times: from the candidate's carried over the baseline's not carried, to the other way round. These are ends "
    )
    note += "of brackets, not confidence intervals: what both share, as a busy machine, shifts both."
    return Table("Comparisons", ("candidate against baseline", "verdict", "times its load"), tuple(rows), 1, note)


def steps(found: Saturation, name: str) -> Table:
    """Every trial of an arm, by rate."""
    rows = []
    for step in sorted(found["arms"][name]["steps"], key=lambda step: (step["rate"], step["round"])):
        missed = ", ".join(step["missed"])
        rows.append(
            Row(
                wording.rate(step["rate"]),
                (
                    Cell("carried" if step["carried"] else missed, Mark.PLAIN if step["carried"] else Mark.BAD),
                    Cell(wording.whole(step["round"])),
                    Cell(wording.rate(step["achieved_rate"])),
                    *(Cell(wording.time(step["response_time"][key])) for key in ("p50_us", "p99_us", "p999_us")),
                    Cell(wording.time(step["send_lag"]["p99_us"])),
                    Cell(wording.whole(step["unanswered"] + step["unsent"] + step["mismatched"])),
                    *(_core([step], part) for part in ("driver", "client_sidecar", "server_sidecar", "server")),
                    _core([step], "machine"),
                ),
            )
        )
    columns = (
        "rate/s", "found", "round", "achieved/s", "p50", "p99", "p99.9", "send lag p99", "lost", "driver", "client sc",
        "server sc", "server", "machine",
    )  # fmt: skip
    return Table(f"Every trial of {name}", columns, tuple(rows), 1)


def curve(found: Saturation) -> Chart | None:
    """The latency of the first objective over the rate, an arm a line, a ring where it was last carried; or None."""
    key, look = _key(found), _styles(found)
    lines = []
    for name, capacity in _standing(found).items():
        by_rate: dict[float, list[Step]] = {}
        for step in found["arms"][name]["steps"]:
            by_rate.setdefault(step["rate"], []).append(step)
        heights = {rate: _typical(tried, key) for rate, tried in by_rate.items()}
        points = {f"{wording.rate(rate)}/s": (math.log10(rate), value) for rate, value in heights.items() if value}
        low = capacity["low"]
        knee = heights.get(low) if low is not None else None
        words = f"{name}: {wording.rate(low)}/s carried, {_measure(found)} {wording.time(knee)}"
        rings = ((math.log10(low), knee, words),) if low is not None and knee else ()
        if points:
            stops, places = zip(*sorted(points.items(), key=lambda item: item[1]), strict=True)
            lines.append(Line(name, look[name], places, stops, rings=rings))
    if not lines:
        return None
    first = min(x for line in lines for x, _ in line.points)
    last = max(x for line in lines for x, _ in line.points)
    limit_us = found["plan"]["objectives"][0]["limit_us"]
    return charted(
        lines,
        title=f"{_measure(found)} of the response time over the rate",
        description="; ".join(f"{name} {in_words(capacity)}" for name, capacity in _standing(found).items()),
        axis=Axis("messages per second, log scale", _rate_ticks(first, last), first, max(last, first + 0.1)),
        head="rate",
        dots=True,
        rules=[(limit_us, f"{_measure(found)} under {wording.span(limit_us)}")],
    )


def _parts(found: Saturation, detail: Detail) -> Iterator[RenderableType]:
    yield from terminal.alerted(reading.alerts(found, found["arms"]))
    yield Text(f"{headline(found)}.", style="bold")
    if detail is Detail.VERDICT:
        return
    yield terminal.indented(Text(setting(found), style="dim"))
    yield from terminal.tabulated(capacities(found))
    yield from terminal.tabulated(comparisons(found))
    yield from terminal.heading("Proof")
    for name, arm in found["arms"].items():
        proved = _proved(arm) if detail is Detail.FULL else f"{reading.claim(arm)}: {reading.standing_words(arm)}"
        yield terminal.indented(Text(f"{name} claims {proved}"))
    yield from terminal.warned(found["warnings"])
    yield from terminal.heading("Run it again")
    yield terminal.indented(Text(found["command"]))


def _lines(found: Saturation) -> Iterator[str]:
    yield from markdown.alerted(reading.alerts(found, found["arms"]))
    yield f"### {markdown.text(headline(found))}"
    yield ""
    yield f"<sub>{markdown.text(setting(found))}</sub>"
    yield ""
    yield from markdown.titled(capacities(found))
    yield from markdown.titled(comparisons(found))
    for name, arm in found["arms"].items():
        yield f"- {markdown.code(name)} claims {markdown.text(_proved(arm))}"
    yield ""
    for warning in found["warnings"]:
        yield f"- {markdown.text(warning)}"
    yield ""
    for name in found["arms"]:
        table = steps(found, name)
        yield from markdown.folded(markdown.html_code(table.title), markdown.tabulated(table))
    yield from markdown.block(found["command"], "sh")


def _standing(found: Saturation) -> Mapping[str, Capacity]:
    """The capacities that may be shown."""
    return {
        name: arm["capacity"]
        for name, arm in found["arms"].items()
        if arm["capacity"] is not None and reading.stands(arm)
    }


def _proved(arm: Arm) -> str:
    summary = reading.sentence(arm["proof"]["summary"])
    return f"{reading.claim(arm)}: {reading.standing_words(arm)}. {summary}"


def _absence(arm: Arm) -> str:
    if reading.standing(arm) == "disproved":
        return "DISPROVED: it has no capacity"
    return f"FAILED: {reading.failure(arm)}"


def _styles(found: Saturation) -> dict[str, plot.Style]:
    return plot.styles({name: arm["kind"] for name, arm in found["arms"].items()})


def _key(found: Saturation) -> str:
    first = found["plan"]["objectives"][0]["percentile"]
    return next(key for key, percentile in PERCENTILES.items() if percentile == first)


def _measure(found: Saturation) -> str:
    return f"p{found['plan']['objectives'][0]['percentile']:g}"


def _times(one: Comparison) -> str:
    low, high = one["ratio_low"], one["ratio_high"]
    if low is None and high is None:
        return wording.NOTHING
    if low is None or high is None:
        return f"at least {low:.2f}x" if low is not None else f"at most {high:.2f}x"
    return f"{low:.2f}x to {high:.2f}x"


def _typical(tried: list[Step], key: str) -> float | None:
    """The median over trials."""
    values = [value for step in tried if isinstance(value := step["response_time"].get(key), int | float)]
    return statistics.median(values) if values else None


def _core(tried: list[Step], part: str) -> Cell:
    values = [value for step in tried if isinstance(value := step["cpu_cores"].get(part), int | float)]
    return Cell(f"{statistics.median(values):.2f}" if values else wording.NOTHING)


def _rate_ticks(first: float, last: float) -> list[tuple[float, str]]:
    """1, 2 and 5 of every decade; whole decades where there are too many."""
    decades = range(math.floor(first), math.ceil(last) + 1)
    rates = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
    ticks = [(math.log10(rate), f"{rate / 1000:g}k" if rate >= 1000 else f"{rate:g}") for rate in rates]
    inside = [tick for tick in ticks if first - 1e-9 <= tick[0] <= last + 1e-9]
    return inside if len(inside) <= 9 else [tick for tick in inside if tick[1].startswith("1")]
