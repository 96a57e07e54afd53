"""From what was seen to a verdict: every step with its outcome, reason and remedies, and whether the need is met."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from wsbench.arms import HopProtocol
from wsbench.check.explanations import Surroundings, explain
from wsbench.check.observation import Step, Trouble, find
from wsbench.check.remedies import Remedy
from wsbench.check.sidecar_views import clues_of, hop_protocol, is_client_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsbench.check.address import Address
    from wsbench.check.observation import Observation
    from wsbench.check.sidecar_views import Clue, LogView, SidecarView

_WEBSOCKET = (Step.PING, Step.TEXT, Step.BINARY)
ORDER: tuple[tuple[Step, HopProtocol | None], ...] = (
    (Step.TCP, None),
    (Step.TLS, None),
    *((step, HopProtocol.HTTP1) for step in (Step.UPGRADE, *_WEBSOCKET, Step.IDLE, Step.CLOSE)),
    *(
        (step, HopProtocol.HTTP2)
        for step in (
            Step.CONNECTION,
            Step.SETTING,
            Step.TUNNEL,
            *_WEBSOCKET,
            Step.STREAMS,
            Step.IDLE,
            Step.CLOSE,
        )
    ),
)


class Outcome(StrEnum):
    """Of a step. UNSURE is an echo that did not come, from a server that need not echo."""

    WORKS = "works"
    DOES_NOT = "does not"
    UNSURE = "cannot say"
    NOT_TRIED = "not tried"


class Need(StrEnum):
    """What the exit code is to say: WebSockets over which version of HTTP have to work."""

    ANY = "any"
    HTTP1 = "http1"
    HTTP2 = "http2"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Finding:
    """One step. ``elapsed_s`` is None where it was not tried."""

    step: Step
    over: HopProtocol | None
    outcome: Outcome
    reason: str
    remedies: tuple[Remedy, ...] = ()
    elapsed_s: float | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything about one URL. ``client_side``: it is a client's sidecar that listens there."""

    address: Address
    need: Need
    findings: tuple[Finding, ...]
    clues: tuple[Clue, ...]
    server: str | None
    client_side: bool

    def works(self, over: HopProtocol) -> bool:
        """Whether a WebSocket opens over this version of HTTP, and nothing that was tried fails."""
        return self.opens(over) and all(
            finding.outcome is not Outcome.DOES_NOT for finding in self.findings if finding.over in (over, None)
        )

    def opens(self, over: HopProtocol) -> bool:
        """Whether a handshake succeeds."""
        opening = (Step.UPGRADE if over is HopProtocol.HTTP1 else Step.TUNNEL, over)
        return any((of.step, of.over) == opening and of.outcome is Outcome.WORKS for of in self.findings)

    @property
    def met(self) -> bool:
        """Whether what is needed works."""
        http1, http2 = self.works(HopProtocol.HTTP1), self.works(HopProtocol.HTTP2)
        return {
            Need.ANY: http1 or http2,
            Need.HTTP1: http1,
            Need.HTTP2: http2,
            Need.BOTH: http1 and http2,
        }[self.need]

    @property
    def culprit(self) -> Clue | None:
        """The Envoy that says itself that it refuses; None where none does, or works what has to."""
        if self.works(HopProtocol.HTTP1) and (self.client_side or self.works(HopProtocol.HTTP2)):
            return None
        # A sidecar may lack what is not the reason of what failed: it has to mend just that.
        opening = Step.TUNNEL if self.opens(HopProtocol.HTTP1) else Step.UPGRADE
        mends = {remedy for finding in self.findings if finding.step is opening for remedy in finding.remedies}
        return next((clue for clue in self.clues if clue.remedy in mends - {Remedy.DO_NOT_UPGRADE}), None)

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """All of them, each once: those of the steps, then what the sidecars add."""
        of_steps = (remedy for finding in self.findings for remedy in finding.remedies)
        of_clues = (clue.remedy for clue in self.clues if clue.remedy is not None and self.culprit is not None)
        named = dict.fromkeys((*of_steps, *of_clues))
        # To keep a hop on HTTP/1.1 is no remedy where it is HTTP/2 and works.
        if Remedy.ALLOW_CONNECT not in named:
            named.pop(Remedy.DO_NOT_UPGRADE, None)
        return tuple(named)

    @property
    def verdict(self) -> str:
        """In one sentence."""
        http1, http2 = HopProtocol.HTTP1, HopProtocol.HTTP2
        if self.works(http1) and self.client_side:
            return "WebSockets work over HTTP/1.1, which is what applications speak to their sidecar."
        if self.works(http1) and self.works(http2):
            return "WebSockets work over HTTP/1.1 and over HTTP/2."
        if not self.opens(http1) and not self.opens(http2):
            return "WebSockets do not work here."
        return f"Over HTTP/1.1 WebSockets {self._worded(http1)}; over HTTP/2 they {self._worded(http2)}."

    def _worded(self, over: HopProtocol) -> str:
        if self.works(over):
            return "work"
        if not self.opens(over):
            return "do not work"
        bad = [str(of.step) for of in self.findings if of.over is over and of.outcome is Outcome.DOES_NOT]
        return f"open, but fail at: {', '.join(bad)}"


def diagnose(
    address: Address,
    need: Need,
    observations: Sequence[Observation],
    views: tuple[SidecarView, ...] = (),
    logs: tuple[LogView, ...] = (),
) -> Diagnosis:
    """The diagnosis of everything that was seen."""
    host, port = address.host, address.port
    around = Surroundings(observations, hop_protocol(views, host, port), is_client_side(views, port))
    findings = tuple(
        _finding(step, over, observations, around)
        for step, over in ORDER
        if (step is not Step.TLS or address.tls) and (step is not Step.IDLE or _was_tried(step, observations))
    )
    clues = clues_of(views, logs, host, port, client_side=around.client_side)
    return Diagnosis(address, need, findings, clues, around.server, around.client_side)


def _finding(
    step: Step, over: HopProtocol | None, observations: Sequence[Observation], around: Surroundings
) -> Finding:
    seen = find(observations, step, over)
    if seen is None:
        return Finding(step, over, Outcome.NOT_TRIED, _why_not(over, observations))
    if seen.failure is None:
        remedies = (Remedy.SEND_KEY,) if seen.needs_key else ()
        return Finding(step, over, Outcome.WORKS, seen.said, remedies, seen.elapsed_s)
    explanation = explain(seen, around)
    outcome = Outcome.UNSURE if seen.failure.trouble is Trouble.NO_ECHO else Outcome.DOES_NOT
    return Finding(step, over, outcome, explanation.reason, explanation.remedies, seen.elapsed_s)


def _why_not(over: HopProtocol | None, observations: Sequence[Observation]) -> str:
    """The step that everything after it needs is the last that failed before."""
    order = {key: place for place, key in enumerate(ORDER)}
    failed = [
        seen
        for seen in observations
        if seen.failure is not None and seen.over in (over, None) and seen.step is not Step.SETTING
    ]
    if not failed:
        return ""
    first = min(failed, key=lambda seen: order[seen.step, seen.over])
    return (
        f"needs {first.step}" if first.failure and first.failure.trouble is not Trouble.NO_ECHO else "no echo of text"
    )


def _was_tried(step: Step, observations: Sequence[Observation]) -> bool:
    return any(seen.step is step for seen in observations)
