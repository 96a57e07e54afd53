"""The verdict: one or two sentences in the reader's terms, never better than the intervals allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsbench import proof
from wsbench.arms import Outcome, name_of, version_of, way_of
from wsbench.report import reading, wording
from wsbench.report.reading import Judgement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsbench import document

METRICS = {
    "achieved_rate": "messages per second",
    "goodput_mb_per_s": "goodput",
    "service_time.p50_us": "p50 round trip",
    "service_time.p99_us": "p99 round trip",
    "response_time.p50_us": "p50 response time",
    "response_time.p99_us": "p99 response time",
    "connect.p50_us": "p50 connect",
}
_SPOKEN = {
    "http1": "HTTP/1.1",
    "http2": "HTTP/2",
    "http1+mtls": "HTTP/1.1 over mTLS",
    "http2+mtls": "HTTP/2 over mTLS",
    "hbone": "HBONE",
    "http3": "HTTP/3",
}
# The question of the mesh: asked in plaintext where both were measured so, else under mTLS.
_QUESTIONS = (("http1", "http2"), ("http1+mtls", "http2+mtls"))


@dataclass(frozen=True, slots=True)
class Point:
    """One comparison of the verdict, in words; ``baseline`` and ``candidate`` are the arms' own figures."""

    metric: str
    judgement: Judgement
    change: str
    interval: str
    baseline: str
    candidate: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """``title`` decides, ``detail`` says by how much and how sure, ``evidence`` what proves it. Texts may be empty.

    ``judgement`` is None where the points disagree (a trade) or there is nothing to compare.
    """

    judgement: Judgement | None
    title: str
    detail: str
    evidence: str
    points: tuple[Point, ...] = ()
    baseline: str = ""
    candidate: str = ""


def of(result: document.Result, pair: tuple[str, str] | None = None) -> Verdict:
    """The verdict on a pair: of ``http2`` and ``http1`` where both are there, else the first that stands."""
    pair = pair or _pair(result)
    if pair is None:
        return _nothing_to_compare(result)
    baseline, candidate = pair
    judged = judgements(result, baseline, candidate)
    if not judged or any(judgement is Judgement.VOID for _, judgement in judged):
        return _void(result, baseline, candidate)
    judgement, title = _decide(result, baseline, candidate, judged)
    return Verdict(
        judgement=judgement,
        title=title,
        detail=_detail(judged, len(result["comparisons"])),
        evidence=_evidence(result, baseline, candidate),
        points=tuple(_point(result, comparison, judgement) for comparison, judgement in judged),
        baseline=baseline,
        candidate=candidate,
    )


def judgements(result: document.Result, baseline: str, candidate: str) -> list[tuple[document.Comparison, Judgement]]:
    """Every comparison of a pair with what it allows to be said."""
    return [
        (comparison, reading.judge(result, comparison))
        for comparison in result["comparisons"]
        if (comparison["baseline"], comparison["candidate"]) == (baseline, candidate)
    ]


def questions(result: document.Result) -> list[tuple[str, str]]:
    """The pairs of arms of which a mesh has to choose one, the verdict's first; none where none was measured.

    In plaintext before mTLS; of several Envoys the last one named first.
    """
    versions = list(dict.fromkeys(version_of(name) for name in result["arms"]))[::-1]
    asked = [(name_of(this, version), name_of(that, version)) for version in versions for this, that in _QUESTIONS]
    return [pair for pair in asked if all(name in result["arms"] for name in pair)]


def metric(name: str) -> str:
    """A metric of ``comparisons`` in words."""
    return METRICS.get(name, name)


def spoken(name: str) -> str:
    """An arm as a sentence calls it."""
    words, version = _SPOKEN.get(way_of(name), way_of(name)), version_of(name)
    return f"{words} on Envoy {version}" if version else words


def _pair(result: document.Result) -> tuple[str, str] | None:
    return next(iter(questions(result)), None) or next(
        (
            (comparison["baseline"], comparison["candidate"])
            for comparison in result["comparisons"]
            if reading.judge(result, comparison) is not Judgement.VOID
        ),
        None,
    )


def where(result: document.Result, *names: str) -> str:
    """The reach of a sentence: the lab is one machine, a target may be anywhere."""
    return "In this run" if any(result["arms"][name]["kind"] == "target" for name in names) else "On this machine"


def _decide(
    result: document.Result,
    baseline: str,
    candidate: str,
    judged: Sequence[tuple[document.Comparison, Judgement]],
) -> tuple[Judgement | None, str]:
    by_judgement = {
        judgement: [metric(comparison["metric"]) for comparison, found in judged if found is judgement]
        for judgement in Judgement
    }
    faster, slower = by_judgement[Judgement.FASTER], by_judgement[Judgement.SLOWER]
    undecided, unknown = by_judgement[Judgement.NO_DIFFERENCE], by_judgement[Judgement.INSUFFICIENT]
    this, that, place = spoken(candidate), spoken(baseline), where(result, baseline, candidate)
    if len(unknown) == len(judged):
        rounds = wording.counted(max(comparison["rounds"] for comparison, _ in judged), "paired round")
        return Judgement.INSUFFICIENT, f"Insufficient data: {rounds} cannot tell {this} from {that}. Run more rounds."
    rest = ""
    if faster or slower:
        rest += f"; no difference shown in {wording.listed(undecided)}" if undecided else ""
    rest += f"; insufficient data for {wording.listed(unknown)}" if unknown else ""
    if faster and slower:
        return None, (
            f"A trade: {_inside(place)}, {this} was faster than {that} in {wording.listed(faster)}, "
            f"but slower in {wording.listed(slower)}{rest}."
        )
    if faster or slower:
        word, metrics = ("faster", faster) if faster else ("slower", slower)
        judgement = Judgement.FASTER if faster else Judgement.SLOWER
        return judgement, f"{place}, {this} was {word} than {that} in {wording.listed(metrics)}{rest}."
    title = f"{place}, no difference was shown between {this} and {that} in {wording.listed(undecided)}{rest}."
    return Judgement.NO_DIFFERENCE, title


def _inside(place: str) -> str:
    return place[0].lower() + place[1:]


def _detail(judged: Sequence[tuple[document.Comparison, Judgement]], shown: int) -> str:
    hold = held(judged, shown)
    decided = [
        f"{metric(comparison['metric'])} {wording.change(comparison['ratio'])} "
        f"({wording.interval(comparison['ci_low'], comparison['ci_high'])})"
        for comparison, judgement in judged
        if judgement in {Judgement.FASTER, Judgement.SLOWER}
    ]
    open_ = [
        f"{metric(comparison['metric'])} {wording.interval(comparison['ci_low'], comparison['ci_high'])}"
        for comparison, judgement in judged
        if judgement is Judgement.NO_DIFFERENCE
    ]
    if decided:
        return f"Over all rounds: {', '.join(decided)}; {hold}."
    if open_:
        return f"That is not proof that they are equal; what the data leave possible: {', '.join(open_)} ({hold})."
    return ""


def held(judged: Sequence[tuple[document.Comparison, Judgement]], shown: int) -> str:
    """What the intervals hold for, of a run that shows so many."""
    share = wording.confidence(judged[0][0]["confidence"])
    return f"{share} intervals, widened so that all {shown} hold at once" if shown > 1 else f"{share} interval"


def _point(result: document.Result, comparison: document.Comparison, judgement: Judgement) -> Point:
    return Point(
        metric=metric(comparison["metric"]),
        judgement=judgement,
        change=wording.change(comparison["ratio"]),
        interval=wording.interval(comparison["ci_low"], comparison["ci_high"]),
        baseline=_figure(result["arms"][comparison["baseline"]], comparison["metric"]),
        candidate=_figure(result["arms"][comparison["candidate"]], comparison["metric"]),
    )


def _figure(arm: document.ArmResult, name: str) -> str:
    """An arm's own figure of a metric, over all its rounds."""
    if name == "achieved_rate":
        return wording.rate(arm["achieved_rate"])
    if name == "goodput_mb_per_s":
        return goodput(arm)
    what, _, percentile = name.partition(".")
    latency = arm.get(what)
    if not isinstance(latency, dict):
        return wording.NOTHING
    value = latency.get(percentile)
    return wording.time(value) if isinstance(value, int | float) else wording.NOTHING


def goodput(figures: document.Figures) -> str:
    """Payload that the server acknowledged: 123 MB/s."""
    value = figures["goodput_mb_per_s"]
    return wording.NOTHING if value is None else f"{wording.amount(value)} MB/s"


def _evidence(result: document.Result, *names: str) -> str:
    arms = [(name, result["arms"][name]) for name in names]
    sentences = []
    proofs = [_proof(name, arm) for name, arm in arms if reading.claims(arm)]
    if proofs:
        sentences.append(wording.listed(proofs) + ".")
    silent = [name for name, arm in arms if arm["kind"] == "target" and not reading.claims(arm)]
    if silent:
        sentences.append(f"No protocol is proved for {wording.listed(silent)}: a target claims nothing of its hop.")
    hops = [
        f"{connections:,} over {spoken(name)}"
        for name, arm in arms
        if (connections := hop_connections(arm)) is not None
    ]
    if len(hops) > 1:
        sentences.append(
            f"Connections on the hop for {wording.counted(result['plan']['connections'], 'WebSocket')}: "
            f"{wording.listed(hops)}."
        )
    return " ".join(sentences)


def hop_connections(arm: document.ArmResult) -> int | None:
    """How many connections the hop used: what the client sidecar opened, else what the server sidecar took."""
    client, server = reading.sidecars(arm)
    opened = client["hop_connections"] if client else None
    return server["hop_connections"] if opened is None and server else opened


def witnesses(arm: document.ArmResult) -> int:
    """How many support what it claims."""
    return sum(witness["verdict"] == "supports" for witness in arm["proof"]["witnesses"])


def _proof(name: str, arm: document.ArmResult) -> str:
    if reading.standing(arm) is not proof.Verdict.PROVED:
        return f"{name} is {reading.standing(arm)}"
    supporting = witnesses(arm)
    by = f" by {wording.counted(supporting, 'witness')}" if supporting else ""
    return f"{name} is proved to speak {reading.hop(arm['claim'])}{by}"


def _void(result: document.Result, *names: str) -> Verdict:
    this, that = spoken(names[1]), spoken(names[0])
    reasons = []
    for name in names:
        arm = result["arms"][name]
        if reading.standing(arm) is proof.Verdict.DISPROVED:
            reasons.append(f"{name} is disproved")
        elif reading.outcome(arm) is Outcome.FAILED:
            reasons.append(f"{name} failed")
        elif reading.outcome(arm) is Outcome.REFUSED:
            reasons.append(f"{name} was refused")
    why = wording.listed(reasons) or "the run holds no comparison of them"
    return Verdict(Judgement.VOID, f"No verdict on {this} against {that}: {why}.", "", "")


def _nothing_to_compare(result: document.Result) -> Verdict:
    standing = {name: arm for name, arm in result["arms"].items() if reading.stands(arm)}
    if not standing:
        return Verdict(Judgement.VOID, "No verdict: no arm has figures that stand.", "", "")
    said = []
    for name, arm in standing.items():
        if reading.one_way(result):
            said.append(f"{name}: {goodput(arm)}, {wording.rate(arm['achieved_rate'])} messages per second")
            continue
        latency = reading.round_trip(arm, open_loop=reading.open_loop(result))
        kind = "response time" if reading.open_loop(result) else "round trip"
        if latency is None or not latency["count"]:
            said.append(f"{name}: no echo was received")
            continue
        said.append(
            f"{name}: p50 {kind} {wording.time(latency['p50_us'])}, p99 {wording.time(latency['p99_us'])}, "
            f"{wording.rate(arm['achieved_rate'])} messages per second"
        )
    title = "Nothing was compared: " + (
        "only one arm has figures." if len(standing) == 1 else "the run holds no comparison that stands."
    )
    return Verdict(None, title, "; ".join(said) + ".", "")
