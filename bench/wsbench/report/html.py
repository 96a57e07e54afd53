"""report.html: one self-contained page, no network, no script. Layout in ``report.html.j2``, drawings in ``chart``."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from wsbench.arms import Outcome
from wsbench.report import chart, plot, reading, tables, verdict, wording
from wsbench.report.headroom import headroom
from wsbench.report.throughput import throughput

if TYPE_CHECKING:
    from jinja2 import Template

    from wsbench import document

_OPEN_FORESTS = 6


def render(result: document.Result) -> str:
    """The whole page. Everything in the result is untrusted: the template escapes it, the charts escape theirs."""
    result = reading.cleaned(result)
    said = verdict.of(result)
    forests = _forests(result, said)
    lost = tables.losses(result)
    return template(
        "report.html.j2"
    ).render(
        result=result,
        alerts=reading.alerts(result, result["arms"]),
        verdict=said,
        interval_name=tables.interval_name(result),
        setting=tables.setting(result),
        legend=[(name, Markup(plot.swatch(style))) for name, style in _drawn(result).items()],  # noqa: S704
        round_trip_curves=Markup(chart.round_trip_curves(result)),  # noqa: S704
        connect_curves=Markup(chart.connect_curves(result)),  # noqa: S704
        round_trips=tables.round_trips(result),
        throughput=throughput(result),
        connects=tables.connects(result),
        losses=lost,
        lossless=bool(lost.rows) and not any(cell.mark is tables.Mark.BAD for row in lost.rows for cell in row.cells),
        refusals=[
            (name, reading.refusal(arm), arm["refusal"])
            for name, arm in result["arms"].items()
            if reading.outcome(arm) is Outcome.REFUSED and arm["refusal"] is not None
        ],
        comparisons=tables.comparisons(result),
        forests=forests[:_OPEN_FORESTS],
        more_forests=forests[_OPEN_FORESTS:],
        proofs=[
            (name, arm, reading.claim(arm), reading.standing(arm), reading.standing_words(arm))
            for name, arm in result["arms"].items()
        ],
        costs=tables.costs(result),
        headroom=headroom(result),
        rounds_chart=Markup(chart.rounds(result)),  # noqa: S704
        latency_over_time=Markup(chart.latency_over_time(result)),  # noqa: S704
        rate_over_time=Markup(chart.rate_over_time(result)),  # noqa: S704
        rounds=tables.rounds(result),
        plan=tables.plan(result),
        environment=tables.environment(result),
        how_to_read=tables.how_to_read(result),
    )


def _drawn(result: document.Result) -> dict[str, plot.Style]:
    """The arms that are in the charts, in a legend's order."""
    return {name: style for name, style in chart.styles(result).items() if reading.stands(result["arms"][name])}


def _forests(result: document.Result, said: verdict.Verdict) -> list[tuple[str, str, Markup]]:
    """A drawing for every pair that is compared, that of the verdict first."""
    pairs = list(dict.fromkeys((found["baseline"], found["candidate"]) for found in result["comparisons"]))
    pairs.sort(key=lambda pair: pair != (said.baseline, said.candidate))
    drawings = ((baseline, candidate, chart.forest(result, baseline, candidate)) for baseline, candidate in pairs)
    return [(baseline, candidate, Markup(drawing)) for baseline, candidate, drawing in drawings if drawing]  # noqa: S704


@cache
def template(name: str) -> Template:
    """A page's template; what it is given is escaped."""
    environment = Environment(
        loader=PackageLoader("wsbench.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["counted"] = wording.counted
    environment.filters["sentence"] = reading.sentence
    return environment.get_template(name)
