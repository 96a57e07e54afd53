"""Claims, witnesses, verdicts: what an arm says its hop speaks, held against what it really spoke.

Pure. Three witnesses that know nothing of each other testify over every trial: the server sidecar's access log, the
counters of both Envoys, and the header in which the echo server repeats what its sidecar told it. They must agree with
the claim, and on the number of WebSockets.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from wsbench.arms import Claim, HopProtocol
from wsbench.envoy_config import INBOUND_STAT_PREFIX, OUTBOUND_CLUSTER, OUTBOUND_STAT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wsbench.access_log import AccessRecord

    _Kind = tuple[str | None, int | None, str | None]

SWITCHING_PROTOCOLS = 101
# Downstream protocol error: the sidecar took the stream for malformed (Envoy docs, access log response flags).
_DPE = "DPE"
_SAYS_MIXED = "mixed"


class WitnessName(StrEnum):
    """The independent sources."""

    ACCESS_LOG = "server_access_log"
    COUNTERS = "envoy_counters"
    HANDSHAKE = "handshake_header"


class Stance(StrEnum):
    """What a witness's word means for the claim."""

    SUPPORTS = "supports"
    CONTRADICTS = "contradicts"
    SILENT = "silent"


class Verdict(StrEnum):
    """The outcome. An arm without proof is not a result."""

    PROVED = "proved"
    DISPROVED = "disproved"
    UNPROVED = "unproved"


@dataclass(frozen=True, slots=True)
class Testimony:
    """What one witness said: the hop's protocol, of how many WebSockets, and a line of its own words if it has one."""

    witness: WitnessName
    verdict: Stance
    says: str | None
    websockets: int
    detail: str
    sample: str | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """The verdict over one or more trials, and every witness's word."""

    verdict: Verdict
    summary: str
    testimonies: tuple[Testimony, ...]


@dataclass(frozen=True, slots=True)
class LogSummary:
    """New lines of one access log: how many of each (protocol, response code, flags), and the first of each."""

    lines: Mapping[_Kind, int] = field(default_factory=lambda: MappingProxyType({}))
    samples: Mapping[_Kind, AccessRecord] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, records: Iterable[AccessRecord]) -> LogSummary:
        """Count records."""
        return cls().plus(records)

    def plus(self, records: Iterable[AccessRecord]) -> LogSummary:
        """The same with further records; of each kind only the first is kept."""
        lines, samples = Counter(self.lines), dict(self.samples)
        for record in records:
            kind = (record.protocol, record.response_code, record.response_flags)
            lines[kind] += 1
            samples.setdefault(kind, record)
        return LogSummary(dict(lines), samples)

    def sample(self, wanted: Callable[[AccessRecord], bool] = lambda _: True) -> AccessRecord | None:
        """The first line of a kind that is wanted; None where there is none."""
        return next(filter(wanted, self.samples.values()), None)

    @property
    def count(self) -> int:
        """All lines."""
        return sum(self.lines.values())

    def answered(self, code: int) -> int:
        """Lines of this response code, of any protocol."""
        return sum(count for (_, answered, _), count in self.lines.items() if answered == code)

    def having(self, protocol: str | None, code: int | None) -> int:
        """Lines of this protocol and response code."""
        return sum(count for (of, answered, _), count in self.lines.items() if of == protocol and answered == code)

    @property
    def in_words(self) -> str:
        """As in ``64 x HTTP/2 101``."""
        kinds: Counter[str] = Counter()
        for (protocol, code, flags), count in self.lines.items():
            kinds[f"{protocol or 'no protocol'} {code} {flags if code != SWITCHING_PROTOCOLS else ''}".strip()] += count
        return ", ".join(f"{count} x {kind}" for kind, count in sorted(kinds.items())) or "no line"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the sidecars left of one trial: their new log lines, and by how much their counters rose."""

    client_log: LogSummary
    server_log: LogSummary
    client_counters: Mapping[str, int]
    server_counters: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Upgrades that were refused: with which status, how many, why, and what to do."""

    status: int
    count: int
    reason: str
    remedy: str


def judge(
    claim: Claim | None,
    *,
    opened: int,
    refused: Mapping[int, int],
    hop_protocols: Mapping[str, int],
    evidence: Evidence | None,
) -> Proof:
    """The proof of one trial.

    ``opened`` WebSockets and ``refused`` (by status) are the driver's own count; ``hop_protocols`` counts what the
    handshakes' header said, under "" where it was absent. ``claim`` None is a target's, which claims nothing.
    """
    if claim is None:
        seen = _handshake_words(hop_protocols)
        testimony = Testimony(
            WitnessName.HANDSHAKE, Stance.SILENT, _one(hop_protocols), opened, f"no claim to hold it against: {seen}"
        )
        return Proof(Verdict.UNPROVED, "a target claims nothing of its hop", (testimony,))
    if claim.refused_status is not None:
        return verdict_on(claim, opened, _refusal_testimonies(claim, opened, refused, evidence))
    if not opened:
        return Proof(Verdict.UNPROVED, f"claimed {_claim_words(claim)}, but no WebSocket was opened", ())
    testimonies = [from_handshakes(claim, opened, hop_protocols)]
    if claim.hop_protocol is not None:
        testimonies = [
            _from_log(claim.hop_protocol, opened, evidence),
            _from_counters(claim.hop_protocol, opened, sum(refused.values()), evidence),
            *testimonies,
        ]
    return verdict_on(claim, opened, testimonies)


def merge(proofs: Sequence[Proof]) -> Proof:
    """The proof of an arm over all its trials: as strong as its weakest."""
    if not proofs:
        return Proof(Verdict.UNPROVED, "no trial was made", ())
    verdicts = [proof.verdict for proof in proofs]
    worst = next(verdict for verdict in (Verdict.DISPROVED, Verdict.UNPROVED, Verdict.PROVED) if verdict in verdicts)
    decisive = next(proof for proof in proofs if proof.verdict is worst)
    testimonies = tuple(
        _merged([testimony for proof in proofs for testimony in proof.testimonies if testimony.witness is witness])
        for witness in WitnessName
        if any(testimony.witness is witness for proof in proofs for testimony in proof.testimonies)
    )
    share = verdicts.count(worst)
    return Proof(worst, f"{decisive.summary} ({share} of {len(proofs)} trials)", testimonies)


def refusal_of(refused: Mapping[int, int], evidence: Evidence | None) -> Refusal | None:
    """Why upgrades were refused, from the sidecars' logs; None where none were."""
    if not refused:
        return None
    status, count = max(refused.items(), key=lambda item: item[1])
    # Lines of the refusals: there may be others, of the WebSockets that opened.
    client = evidence.client_log.sample(lambda line: line.response_code == status) if evidence else None
    server = evidence.server_log.sample(lambda line: line.response_code != SWITCHING_PROTOCOLS) if evidence else None
    reasons = []
    if client is not None:
        reasons.append(f"client sidecar: {client.response_code_details} (flags {client.response_flags})")
    if server is not None:
        reasons.append(
            f"server sidecar: {server.protocol}, {server.response_code_details} (flags {server.response_flags})"
        )
    blocked = server is not None and server.protocol == HopProtocol.HTTP2 and _DPE in (server.response_flags or "")
    return Refusal(
        status,
        count,
        "; ".join(reasons) or "the target did not say",
        "The server's sidecar does not accept extended CONNECT (RFC 8441). Either apply an EnvoyFilter that sets "
        "http2_protocol_options.allow_connect: true on the connection manager of the workload's SIDECAR_INBOUND, or "
        "set h2UpgradePolicy: DO_NOT_UPGRADE in the DestinationRule of its host."
        if blocked
        else "See the sidecars' access logs in the output folder, or the logs of the target.",
    )


# -- the witnesses


def _from_log(claimed: HopProtocol, opened: int, evidence: Evidence | None) -> Testimony:
    name = WitnessName.ACCESS_LOG
    if evidence is None:
        return Testimony(name, Stance.SILENT, None, 0, "no access log at hand")
    log = evidence.server_log
    switched = {protocol: log.having(protocol, SWITCHING_PROTOCOLS) for protocol, _, _ in log.lines}
    websockets = sum(switched.values())
    says = _one({protocol or "": count for protocol, count in switched.items() if count})
    # A line that contradicts is the one to show.
    sample = (
        log.sample(lambda line: line.response_code == SWITCHING_PROTOCOLS and line.protocol != claimed)
        or log.sample(lambda line: line.response_code == SWITCHING_PROTOCOLS)
        or log.sample()
    )
    detail = f"{log.in_words}; the driver opened {opened}"
    if websockets == 0:
        stance = Stance.SILENT if log.count == 0 else Stance.CONTRADICTS
    else:
        stance = Stance.SUPPORTS if says == claimed and websockets == opened else Stance.CONTRADICTS
        if says == claimed and websockets < opened:
            stance, detail = Stance.SILENT, f"{detail}: lines are missing"
    return Testimony(name, stance, says, websockets, detail, sample.raw if sample else None)


def _from_counters(claimed: HopProtocol, opened: int, refused: int, evidence: Evidence | None) -> Testimony:
    name = WitnessName.COUNTERS
    if evidence is None:
        return Testimony(name, Stance.SILENT, None, 0, "no counters at hand")
    inbound = _reader(evidence.server_counters, f"http.{INBOUND_STAT_PREFIX}.")
    outbound = _reader(evidence.client_counters, f"http.{OUTBOUND_STAT_PREFIX}.")
    cluster = _reader(evidence.client_counters, f"cluster.{OUTBOUND_CLUSTER}.")
    http1, http2 = inbound("downstream_rq_http1_total"), inbound("downstream_rq_http2_total")
    upgrades = (outbound("downstream_cx_upgrades_total"), inbound("downstream_cx_upgrades_total"))
    switched = (outbound("downstream_rq_1xx"), inbound("downstream_rq_1xx"))
    detail = (
        f"server sidecar: {http1} HTTP/1.1 and {http2} HTTP/2 requests, {upgrades[1]} upgrades, {switched[1]} x 101, "
        f"{inbound('downstream_cx_http1_total')} new HTTP/1.1 and {inbound('downstream_cx_http2_total')} new HTTP/2 "
        f"connections; client sidecar: {upgrades[0]} upgrades, {switched[0]} x 101, "
        f"{cluster('upstream_cx_http1_total')} new HTTP/1.1 and "
        f"{cluster('upstream_cx_http2_total')} new HTTP/2 connections to the hop; the driver opened {opened}"
    )
    says = _one({HopProtocol.HTTP1.value: http1, HopProtocol.HTTP2.value: http2})
    mine, other = (http2, http1) if claimed is HopProtocol.HTTP2 else (http1, http2)
    # A shared HTTP/2 connection outlives trials, so only the foreign protocol's new connections tell something.
    foreign = "http1" if claimed is HopProtocol.HTTP2 else "http2"
    foreign_connections = cluster(f"upstream_cx_{foreign}_total") + inbound(f"downstream_cx_{foreign}_total")
    # Envoy counts a request and an upgrade when they are asked for, so among them are as many of the refused ones as
    # came so far; the 101s it counts are the WebSockets.
    asked_for = all(opened <= asked <= opened + refused for asked in (mine, *upgrades))
    agrees = switched == (opened, opened) and asked_for and other == 0 and foreign_connections == 0
    return Testimony(name, Stance.SUPPORTS if agrees else Stance.CONTRADICTS, says, switched[1], detail)


def from_handshakes(claim: Claim, opened: int, hop_protocols: Mapping[str, int]) -> Testimony:
    """The word of the header in the 101s (``hop_protocols`` as in ``judge``)."""
    name = WitnessName.HANDSHAKE
    expected = claim.hop_protocol or ""
    told = sum(count for protocol, count in hop_protocols.items() if protocol)
    detail = _handshake_words(hop_protocols)
    if expected and not told:
        return Testimony(name, Stance.SILENT, None, 0, f"{detail}: the server's sidecar did not tell it")
    stance = Stance.SUPPORTS if hop_protocols.get(expected, 0) == opened else Stance.CONTRADICTS
    return Testimony(name, stance, _one(hop_protocols) or None, opened if not expected else told, detail)


def _refusal_testimonies(
    claim: Claim, opened: int, refused: Mapping[int, int], evidence: Evidence | None
) -> list[Testimony]:
    """The trap's: every upgrade refused, and the hop's HTTP/2 stream reset by the server sidecar without a 101."""
    assert claim.refused_status is not None
    count = refused.get(claim.refused_status, 0)
    answers = ", ".join(f"{number} x HTTP {status}" for status, number in sorted(refused.items())) or "none refused"
    agrees = opened == 0 and count > 0 and count == sum(refused.values())
    driver = Testimony(
        WitnessName.HANDSHAKE,
        Stance.SUPPORTS if agrees else Stance.CONTRADICTS,
        f"HTTP {claim.refused_status}" if count else None,
        opened,
        f"{answers}; {opened} opened",
    )
    if evidence is None:
        return [driver]
    log, expected = evidence.server_log, sum(refused.values())
    switched, sample = log.answered(SWITCHING_PROTOCOLS), log.sample()
    streams = sum(number for (protocol, _, _), number in log.lines.items() if protocol == claim.hop_protocol)
    # One stream refused for a protocol error ends the HTTP/2 connection, and with it those beside it.
    says = _one({protocol or "": number for (protocol, _, _), number in log.lines.items()})
    stance = Stance.SUPPORTS if streams and not switched and says == claim.hop_protocol else Stance.CONTRADICTS
    if not log.count:
        stance = Stance.SILENT
    server = Testimony(WitnessName.ACCESS_LOG, stance, says, switched, log.in_words, sample.raw if sample else None)
    cluster = _reader(evidence.client_counters, f"cluster.{OUTBOUND_CLUSTER}.")
    inbound = _reader(evidence.server_counters, f"http.{INBOUND_STAT_PREFIX}.")
    http1 = cluster("upstream_cx_http1_total") + inbound("downstream_cx_http1_total")
    http2 = cluster("upstream_cx_http2_total")
    upgrades = inbound("downstream_cx_upgrades_total")
    counters = Testimony(
        WitnessName.COUNTERS,
        Stance.SUPPORTS if http2 and not http1 and not upgrades else Stance.CONTRADICTS,
        _one({HopProtocol.HTTP1.value: http1, HopProtocol.HTTP2.value: http2}),
        upgrades,
        f"client sidecar: {http2} new HTTP/2 and {http1} HTTP/1.1 connections to the hop for {expected} upgrades asked "
        f"for; server sidecar: {upgrades} upgrades",
    )
    return [server, counters, driver]


# -- from words to a verdict


def verdict_on(claim: Claim, opened: int, testimonies: Sequence[Testimony]) -> Proof:
    """The proof that these testimonies make: one that contradicts disproves, one that is silent leaves it unproved."""
    contradicting = [testimony for testimony in testimonies if testimony.verdict is Stance.CONTRADICTS]
    silent = [testimony for testimony in testimonies if testimony.verdict is Stance.SILENT]
    claimed = _claim_words(claim)
    if contradicting:
        words = "; ".join(_objection(claim, testimony) for testimony in contradicting)
        return Proof(Verdict.DISPROVED, f"claimed {claimed}, but {words}", tuple(testimonies))
    if silent:
        words = "; ".join(f"{testimony.witness}: {testimony.detail}" for testimony in silent)
        return Proof(Verdict.UNPROVED, f"claimed {claimed}, not proved: {words}", tuple(testimonies))
    number = {1: "one witness agrees", 2: "both witnesses agree"}.get(
        len(testimonies), f"all {len(testimonies)} witnesses agree"
    )
    of = f" on {opened} WebSockets" if opened else ""
    return Proof(Verdict.PROVED, f"{claimed}: {number}{of}", tuple(testimonies))


def _objection(claim: Claim, testimony: Testimony) -> str:
    """What contradicts: another protocol, or the same one with other numbers."""
    other_protocol = claim.refused_status is None and testimony.says not in (None, claim.hop_protocol)
    return f"{testimony.witness} says {testimony.says if other_protocol else testimony.detail}"


def _claim_words(claim: Claim) -> str:
    if claim.hop_protocol is None:
        return "no proxy in the way"
    if claim.refused_status is not None:
        return f"every {claim.hop_protocol} upgrade refused with {claim.refused_status}"
    return f"{claim.hop_protocol} on the hop"


def _merged(testimonies: Sequence[Testimony]) -> Testimony:
    stances = [testimony.verdict for testimony in testimonies]
    worst = next(stance for stance in (Stance.CONTRADICTS, Stance.SILENT, Stance.SUPPORTS) if stance in stances)
    decisive = next(testimony for testimony in testimonies if testimony.verdict is worst)
    said = Counter(testimony.says for testimony in testimonies if testimony.says is not None)
    return Testimony(
        decisive.witness,
        worst,
        _one({says: count for says, count in said.items() if says}),
        sum(testimony.websockets for testimony in testimonies),
        decisive.detail
        if len(testimonies) == 1
        else f"in each of {len(testimonies)} trials as in this: {decisive.detail}"
        if worst is Stance.SUPPORTS
        else decisive.detail,
        decisive.sample,
    )


def _one(counts: Mapping[str, int]) -> str | None:
    """The only key that was counted; "mixed" for several, None for none."""
    seen = [key for key, count in counts.items() if count and key]
    if not seen:
        return None
    return seen[0] if len(seen) == 1 else f"{_SAYS_MIXED}: {', '.join(sorted(seen))}"


def _handshake_words(hop_protocols: Mapping[str, int]) -> str:
    words = [f"{count} x {protocol or 'no header'}" for protocol, count in sorted(hop_protocols.items())]
    return ", ".join(words) or "no handshake"


def _reader(counters: Mapping[str, int], prefix: str) -> Callable[[str], int]:
    return lambda name: counters.get(prefix + name, 0)
