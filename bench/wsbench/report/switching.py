"""Switch to HTTP/2, or stay on HTTP/1.1: what the figures speak for, and the reasons that may weigh more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsbench import proof
from wsbench.arms import HopProtocol, Outcome, Transport, version_of
from wsbench.report import reading, verdict, wording
from wsbench.report.reading import Judgement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsbench import document
    from wsbench.report.verdict import Verdict

_STAY, _SWITCH = HopProtocol.HTTP1, HopProtocol.HTTP2


@dataclass(frozen=True, slots=True)
class Advice:
    """``say`` is what the figures speak for; each of ``stay`` is a reason to stay on HTTP/1.1 all the same."""

    say: str
    stay: tuple[str, ...]


def advice(result: document.Result) -> Advice | None:
    """The advice on the question of the mesh; None where a run does not ask it."""
    said = verdict.of(result)
    pair = (said.baseline, said.candidate) if said.candidate else next(iter(verdict.questions(result)), None)
    if pair is None or [result["arms"][name]["claim"]["hop_protocol"] for name in pair] != [_STAY, _SWITCH]:
        return None
    return Advice(_say(result, said), tuple(_reasons(result, *pair)))


def _say(result: document.Result, said: Verdict) -> str:
    doubt = _doubt(result, said)
    if doubt:
        return f"Do not decide on this run: {doubt}."
    if said.judgement is Judgement.FASTER:
        return (
            "For this load the figures speak for HTTP/2: h2UpgradePolicy: UPGRADE on the client's side and "
            "allow_connect on the server's. A reason below may weigh more."
        )
    if said.judgement is Judgement.SLOWER:
        return "For this load the figures speak for staying on HTTP/1.1."
    if said.judgement is None:
        return "The figures do not decide: something is better and something worse. Choose by what your users feel."
    return "For this load the figures show no gain in speed: fewer connections are what a switch has to be worth."


def _doubt(result: document.Result, said: Verdict) -> str:
    """Why nobody should decide on these figures; empty where there is no reason."""
    if said.judgement is Judgement.VOID:
        return "an arm of it has no figures that stand"
    if said.judgement is Judgement.INSUFFICIENT:
        return "it has too few rounds to tell the arms apart"
    if result["too_busy"] is not None:
        return "the machine had other work while it measured"
    if not result["complete"]:
        return "it did not finish"
    pair = (result["arms"][said.baseline], result["arms"][said.candidate])
    proved = all(reading.standing(arm) is proof.Verdict.PROVED for arm in pair)
    return "" if proved else "what the arms spoke is not proved"


def _reasons(result: document.Result, baseline: str, candidate: str) -> Iterator[str]:
    yield from _by_figures(result, baseline, candidate)
    yield from _by_limits(result, candidate)


def _by_figures(result: document.Result, baseline: str, candidate: str) -> Iterator[str]:
    undecided = []
    for comparison, judgement in verdict.judgements(result, baseline, candidate):
        name = verdict.metric(comparison["metric"])
        if judgement is Judgement.SLOWER:
            change = wording.change(comparison["ratio"])
            interval = wording.interval(comparison["ci_low"], comparison["ci_high"])
            yield f"{_capital(name)} is what counts: with HTTP/2 it was {change} ({interval})."
        elif judgement is Judgement.NO_DIFFERENCE:
            undecided.append(name)
    if undecided:
        count = "are what counts" if len(undecided) > 1 else "is what counts"
        names = _capital(wording.listed(undecided))
        yield f"{names} {count}: no difference was shown there; the interval says what is possible."
    before, after = (_cpu_us(result["arms"][name]) for name in (baseline, candidate))
    if before and after and after > before:
        yield (
            f"CPU is what you pay for: a message took {wording.amount(after)} us of it in all processes with HTTP/2, "
            f"{wording.amount(before)} us with HTTP/1.1 (no interval is known of these)."
        )


def _by_limits(result: document.Result, candidate: str) -> Iterator[str]:
    """What no run on one machine can show, in the figures of this one."""
    websockets = wording.counted(result["plan"]["connections"], "WebSocket")
    connections = verdict.hop_connections(result["arms"][candidate])
    shared = (
        f"{websockets} shared {wording.counted(connections, 'TCP connection')}" if connections else "WebSockets share"
    )
    yield (
        f"Packets are lost between the nodes: {shared} in this run, and all of a connection wait for one lost packet. "
        "There was no loss in this run."
    )
    yield (
        "You cannot keep the EnvoyFilter with allow_connect in every server's sidecar, through every change of the "
        f"proxy's version: without it every upgrade is refused with 503{_trap(result, candidate)}."
    )
    if result["plan"]["connections"] > 1:
        yield (
            f"Two pods have far fewer than {websockets} between them: then few share a connection, and what sharing "
            "gained here is not shown for you. Run again with your own --connections."
        )
    threads = wording.counted(result["plan"]["envoy_concurrency"], "worker thread")
    yield (
        "A few pairs of pods carry all the traffic: Envoy serves a TCP connection, with all its streams, in one worker "
        f"thread. Each sidecar had {threads} in this run."
    )
    if not any(arm["claim"]["transport"] == Transport.MTLS and reading.stands(arm) for arm in result["arms"].values()):
        yield "The mesh encrypts its hops: this run measured none with mTLS. Add --arms http1+mtls,http2+mtls."


def _trap(result: document.Result, candidate: str) -> str:
    """That this run shows the trap, where it does."""
    for name, arm in result["arms"].items():
        refused = arm["refusal"]
        if refused and reading.outcome(arm) is Outcome.REFUSED and version_of(name) == version_of(candidate):
            return f", as {wording.counted(refused['count'], 'WebSocket')} of {name} were in this run"
    return ""


def _cpu_us(arm: document.ArmResult) -> float | None:
    """CPU time per message of all processes; None where one is not known."""
    processes = (arm["driver"], *reading.sidecars(arm), arm["server"])
    known = [process["cpu_us_per_message"] if process else None for process in processes]
    return None if None in known else sum(part or 0.0 for part in known)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
