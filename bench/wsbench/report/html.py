"""report.html: one self-contained page, no network. Layout in ``report.html.j2``, drawings in ``chart`` and ``cost``.

The drawings are whole without script. ``page.js`` lets arms be ticked off and read at one place; nothing else runs,
as the page's policy names its hash alone.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from wsbench.arms import Outcome
from wsbench.manifests import shipped
from wsbench.report import answer, bars, chart, cost, forest, plot, reading, switching, tables, verdict, wording
from wsbench.report.headroom import headroom
from wsbench.report.throughput import throughput

if TYPE_CHECKING:
    from jinja2 import Template

    from wsbench import document

_OPEN_FORESTS = 6
_MANIFESTS = ("destination-rule.yaml", "allow-connect.yaml")


def render(result: document.Result) -> str:
    """The whole page. Everything in the result is untrusted: the template escapes it, the charts escape theirs."""
    result = reading.cleaned(result)
    said = verdict.of(result)
    forests = _forests(result, said)
    lost = tables.losses(result)
    advice = switching.advice(result)
    return template("report.html.j2").render(
        result=result,
        alerts=reading.alerts(result, result["arms"]),
        verdict=said,
        answer=answer.sentence(result, said.baseline, said.candidate) if said.candidate else said.title,
        held=_held(result, said),
        others=_others(result, said),
        hops=any(reading.claims(arm) for arm in result["arms"].values()),
        advice=advice,
        interval_name=tables.interval_name(result),
        setting=tables.setting(result),
        legend=[(name, drawn(plot.swatch(style))) for name, style in _drawn(result).items()],
        round_trip_curves=chart.round_trip_curves(result),
        connect_curves=chart.connect_curves(result),
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
        cpu_bars=cost.cpu_bars(result),
        memory_bars=cost.memory_bars(result),
        hop_bars=cost.hop_bars(result),
        cpu_shares=cost.cpu_shares(result),
        processes=[(name, drawn(bars.swatch(place))) for place, name in enumerate(cost.PROCESSES)],
        headroom=headroom(result),
        rounds_chart=chart.rounds(result),
        latency_over_time=chart.latency_over_time(result),
        rate_over_time=chart.rate_over_time(result),
        rounds=tables.rounds(result),
        plan=tables.plan(result),
        environment=tables.environment(result),
        how_to_read=tables.how_to_read(result),
        limits=tables.limits(result),
        manifests=[(name, (shipped("http2") / name).read_text("utf-8")) for name in _MANIFESTS] if advice else [],
    )


def _drawn(result: document.Result) -> dict[str, plot.Style]:
    """The arms that are in the charts, in a legend's order."""
    return {name: style for name, style in chart.styles(result).items() if reading.stands(result["arms"][name])}


def _held(result: document.Result, said: verdict.Verdict) -> str:
    """What the intervals of the points hold for; empty where there is none."""
    judged = verdict.judgements(result, said.baseline, said.candidate)
    return reading.sentence(verdict.held(judged, len(result["comparisons"]))) if said.points else ""


def _others(result: document.Result, said: verdict.Verdict) -> list[str]:
    """The answers on the further pairs of which a mesh has to choose one, as those under mTLS."""
    pairs = [pair for pair in verdict.questions(result) if pair != (said.baseline, said.candidate)]
    return [answer.sentence(result, *pair) for pair in pairs if verdict.judgements(result, *pair)]


def _forests(result: document.Result, said: verdict.Verdict) -> list[tuple[str, str, str]]:
    """A drawing for every pair that is compared, that of the verdict first."""
    pairs = list(dict.fromkeys((found["baseline"], found["candidate"]) for found in result["comparisons"]))
    pairs.sort(key=lambda pair: pair != (said.baseline, said.candidate))
    drawings = ((baseline, candidate, forest.forest(result, baseline, candidate)) for baseline, candidate in pairs)
    return [drawing for drawing in drawings if drawing[-1]]


def drawn(drawing: str) -> Markup:
    """A drawing as a template takes it: ElementTree has escaped all that is in it."""
    return Markup(drawing)  # noqa: S704


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
    script = resources.files("wsbench.report").joinpath("page.js").read_text("utf-8")
    digest = hashlib.sha256(script.encode()).digest()
    environment.globals["script"] = Markup(script)  # noqa: S704
    environment.globals["script_hash"] = f"sha256-{b64encode(digest).decode()}"
    environment.filters["drawn"] = drawn
    environment.filters["counted"] = wording.counted
    environment.filters["sentence"] = reading.sentence
    return environment.get_template(name)
