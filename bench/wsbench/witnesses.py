"""The witnesses: what independent sources say of one trial's hop, each held against the claim.

Pure. They know nothing of each other: the access log of the sidecar that ends the hop, the counters of every Envoy in
the way, and the header in which the echo server repeats what its sidecar told it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from wsbench.arms import HopProtocol, Transport
from wsbench.envoy_config import INBOUND_STAT_PREFIX, OUTBOUND_CLUSTER, OUTBOUND_STAT_PREFIX
from wsbench.log_summary import SWITCHING_PROTOCOLS, LineKind
from wsbench.mesh_policy import CLIENT_SPIFFE_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wsbench.arms import Claim
    from wsbench.log_summary import LogSummary

_SAYS_MIXED = "mixed"
_TLS_VERSIONS = ("TLSv1.2", "TLSv1.3")
# In the names of Envoy's counters.
_SHORT = {HopProtocol.HTTP1: "http1", HopProtocol.HTTP2: "http2", HopProtocol.HTTP3: "http3"}


class WitnessName(StrEnum):
    """The independent sources. The client's log is heard where no sidecar is at the server."""

    ACCESS_LOG = "server_access_log"
    CLIENT_ACCESS_LOG = "client_access_log"
    COUNTERS = "envoy_counters"
    HANDSHAKE = "handshake_header"


class Stance(StrEnum):
    """What a witness's word means for the claim."""

    SUPPORTS = "supports"
    CONTRADICTS = "contradicts"
    SILENT = "silent"


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
class Traces:
    """What one sidecar left of a trial: its new log lines, and by how much its counters rose."""

    log: LogSummary
    counters: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the sidecars left of one trial; None of a side that has none."""

    client: Traces | None
    server: Traces | None


def from_log(claim: Claim, opened: int, evidence: Evidence | None) -> Testimony:
    """The log of the sidecar at the hop's end, where there is one: what it took the hop's streams for.

    With no sidecar at the server, the log of the client's: what it spoke upstream.
    """
    at_server = claim.sidecars.at_server
    name = WitnessName.ACCESS_LOG if at_server else WitnessName.CLIENT_ACCESS_LOG
    traces = None if evidence is None else evidence.server if at_server else evidence.client
    if traces is None:
        return Testimony(name, Stance.SILENT, None, 0, "no access log at hand")

    def spoke(kind: LineKind) -> str | None:
        return kind.protocol if at_server else kind.upstream_protocol

    def opens(kind: LineKind) -> bool:
        return kind.response_code == claim.opened_status

    def contradicts(kind: LineKind) -> bool:
        return opens(kind) and not (spoke(kind) == claim.hop_protocol and _carried_as_claimed(claim, kind))

    log = traces.log
    opening = [(kind, count) for kind, count in log.lines.items() if opens(kind)]
    websockets = sum(count for _, count in opening)
    # A line that contradicts is the one to show.
    sample = log.sample(contradicts) or log.sample(opens) or log.sample()
    detail = f"{log.in_words}; the driver opened {opened}"
    if websockets == 0:
        stance = Stance.SILENT if log.count == 0 else Stance.CONTRADICTS
    elif any(contradicts(kind) for kind, _ in opening) or websockets > opened:
        stance = Stance.CONTRADICTS
    elif websockets < opened:
        stance, detail = Stance.SILENT, f"{detail}: lines are missing"
    else:
        stance = Stance.SUPPORTS
    if claim.encrypted and opening:
        peers = sorted({kind.peer or "a client without a name" for kind, _ in opening})
        detail = f"{detail}; under {_one_of(opening)} from {', '.join(peers)}"
    says = one({spoke(kind) or "": count for kind, count in opening})
    return Testimony(name, stance, says, websockets, detail, sample.raw if sample else None)


def from_counters(claim: Claim, opened: int, refused: int, evidence: Evidence | None) -> Testimony:
    """The counters of every Envoy in the way: requests, upgrades, connections and TLS handshakes, by protocol."""
    name = WitnessName.COUNTERS
    said: list[_Count] = []
    sides = claim.sidecars
    if sides.at_server and evidence is not None and evidence.server is not None:
        said.append(_inbound_count(claim, evidence.server.counters, opened, refused))
    if sides.at_client and evidence is not None and evidence.client is not None:
        said.append(_outbound_count(claim, evidence.client.counters, opened, refused))
    if len(said) < sides.at_server + sides.at_client:
        return Testimony(name, Stance.SILENT, None, 0, "no counters at hand")
    ends_hop = said[0]
    detail = f"{'; '.join(count.words for count in said)}; the driver opened {opened}"
    agrees = all(count.agrees for count in said)
    stance = Stance.SUPPORTS if agrees else Stance.CONTRADICTS
    return Testimony(name, stance, one(ends_hop.spoken), ends_hop.websockets, detail)


def from_handshakes(claim: Claim, opened: int, hop_protocols: Mapping[str, int]) -> Testimony:
    """The header of every handshake. Where no sidecar ends the hop, none must have written one."""
    name = WitnessName.HANDSHAKE
    expected = (claim.hop_protocol or "") if claim.told_in_handshake else ""
    told = sum(count for protocol, count in hop_protocols.items() if protocol)
    detail = handshake_words(hop_protocols)
    if expected and not told:
        return Testimony(name, Stance.SILENT, None, 0, f"{detail}: the server's sidecar did not tell it")
    stance = Stance.SUPPORTS if hop_protocols.get(expected, 0) == opened else Stance.CONTRADICTS
    return Testimony(name, stance, one(hop_protocols) or None, opened if not expected else told, detail)


def of_refusal(
    claim: Claim, opened: int, refused: Mapping[int, int], evidence: Evidence | None
) -> tuple[Testimony, ...]:
    """The trap's: every upgrade refused, and the hop's HTTP/2 stream reset by the server sidecar without a 101."""
    count = refused.get(claim.refused_status or 0, 0)
    answers = ", ".join(f"{number} x HTTP {status}" for status, number in sorted(refused.items())) or "none refused"
    agrees = opened == 0 and count > 0 and count == sum(refused.values())
    driver = Testimony(
        WitnessName.HANDSHAKE,
        Stance.SUPPORTS if agrees else Stance.CONTRADICTS,
        f"HTTP {claim.refused_status}" if count else None,
        opened,
        f"{answers}; {opened} opened",
    )
    if evidence is None or evidence.client is None or evidence.server is None:
        return (driver,)
    log, expected = evidence.server.log, sum(refused.values())
    switched, sample = log.answered(SWITCHING_PROTOCOLS), log.sample()
    protocols = log.counted(lambda kind: kind.protocol)
    # One stream refused for a protocol error ends the HTTP/2 connection, and with it those beside it.
    says = one(protocols)
    stance = Stance.SUPPORTS if not switched and says == claim.hop_protocol else Stance.CONTRADICTS
    if not log.count:
        stance = Stance.SILENT
    server = Testimony(WitnessName.ACCESS_LOG, stance, says, switched, log.in_words, sample.raw if sample else None)
    cluster = _reader(evidence.client.counters, f"cluster.{OUTBOUND_CLUSTER}.")
    inbound = _reader(evidence.server.counters, f"http.{INBOUND_STAT_PREFIX}.")
    http1 = cluster("upstream_cx_http1_total") + inbound("downstream_cx_http1_total")
    http2 = cluster("upstream_cx_http2_total")
    upgrades = inbound("downstream_cx_upgrades_total")
    counters = Testimony(
        WitnessName.COUNTERS,
        Stance.SUPPORTS if http2 and not http1 and not upgrades else Stance.CONTRADICTS,
        one({HopProtocol.HTTP1.value: http1, HopProtocol.HTTP2.value: http2}),
        upgrades,
        f"client sidecar: {http2} new HTTP/2 and {http1} HTTP/1.1 connections to the hop for {expected} upgrades asked "
        f"for; server sidecar: {upgrades} upgrades",
    )
    return (server, counters, driver)


def one(counts: Mapping[str, int]) -> str | None:
    """The only key that was counted; "mixed" for several, None for none."""
    seen = [key for key, count in counts.items() if count and key]
    if not seen:
        return None
    return seen[0] if len(seen) == 1 else f"{_SAYS_MIXED}: {', '.join(sorted(seen))}"


def handshake_words(hop_protocols: Mapping[str, int]) -> str:
    """As in ``64 x HTTP/2``."""
    words = [f"{count} x {protocol or 'no header'}" for protocol, count in sorted(hop_protocols.items())]
    return ", ".join(words) or "no handshake"


# -- one log line


def _carried_as_claimed(claim: Claim, kind: LineKind) -> bool:
    if not claim.encrypted:
        return kind.tls_version is None
    # Over QUIC Envoy asks a client for its certificate only since 1.40 (see ``tls_config``).
    stranger = claim.transport is Transport.QUIC and kind.peer is None
    return kind.tls_version in _TLS_VERSIONS and (kind.peer == CLIENT_SPIFFE_ID or stranger)


def _one_of(opening: list[tuple[LineKind, int]]) -> str:
    return one({kind.tls_version or "no TLS": count for kind, count in opening}) or "no TLS"


# -- one Envoy's counters


@dataclass(frozen=True, slots=True)
class _Count:
    """What one Envoy counted: its WebSockets, what they were spoken in, whether it is as claimed."""

    spoken: Mapping[str, int]
    websockets: int
    agrees: bool
    words: str


def _inbound_count(claim: Claim, counters: Mapping[str, int], opened: int, refused: int) -> _Count:
    inbound = _reader(counters, f"http.{INBOUND_STAT_PREFIX}.")
    requests = {protocol: inbound(f"downstream_rq_{short}_total") for protocol, short in _SHORT.items()}
    connections = {protocol: inbound(f"downstream_cx_{short}_total") for protocol, short in _SHORT.items()}
    upgrades, switched = inbound("downstream_cx_upgrades_total"), inbound(_opened_counter(claim))
    mine = requests[_protocol(claim)]
    agrees = (
        switched == opened
        and all(_asked_for(number, opened, refused) for number in (mine, upgrades))
        and _only(claim, requests)
        and _only(claim, connections)
    )
    words = (
        f"server sidecar: {_by_protocol(requests)} requests, {upgrades} upgrades, "
        f"{switched} x {claim.opened_status}, new connections: {_by_protocol(connections)}"
    )
    return _Count(_named(requests), switched, agrees, words)


def _outbound_count(claim: Claim, counters: Mapping[str, int], opened: int, refused: int) -> _Count:
    cluster = _reader(counters, f"cluster.{OUTBOUND_CLUSTER}.")
    connections = {protocol: cluster(f"upstream_cx_{short}_total") for protocol, short in _SHORT.items()}
    handshakes = cluster("ssl.handshake")
    to_hop = f"new connections to the hop: {_by_protocol(connections)}, {handshakes} TLS handshakes"
    agrees = _only(claim, connections) and _handshakes_fit(claim, handshakes, connections[_protocol(claim)])
    if claim.transport is Transport.HBONE:
        # A layer-4 proxy: connections in, streams out, no word of what they carry.
        taken = _reader(counters, f"tcp.{OUTBOUND_STAT_PREFIX}.")("downstream_cx_total")
        agrees = agrees and _asked_for(taken, opened, refused)
        return _Count(_named(connections), taken, agrees, f"client sidecar: {taken} connections taken, {to_hop}")
    outbound = _reader(counters, f"http.{OUTBOUND_STAT_PREFIX}.")
    upgrades, switched = outbound("downstream_cx_upgrades_total"), outbound("downstream_rq_1xx")
    agrees = agrees and switched == opened and _asked_for(upgrades, opened, refused)
    words = f"client sidecar: {upgrades} upgrades, {switched} x 101, {to_hop}"
    return _Count(_named(connections), switched, agrees, words)


def _asked_for(number: int, opened: int, refused: int) -> bool:
    """Envoy counts a request when it is asked for, so as many of the refused ones as came so far may be among them."""
    return opened <= number <= opened + refused


def _only(claim: Claim, counts: Mapping[HopProtocol, int]) -> bool:
    """Nothing of a foreign protocol. Of the own one there may be no new connection: a shared one outlives trials."""
    return not any(count for protocol, count in counts.items() if protocol is not claim.hop_protocol)


def _handshakes_fit(claim: Claim, handshakes: int, connections: int) -> bool:
    """Under mTLS every connection begins with one that succeeds; Envoy counts none of QUIC's."""
    if claim.transport in (Transport.MTLS, Transport.HBONE):
        return min(connections, 1) <= handshakes <= connections
    return handshakes == 0


def _opened_counter(claim: Claim) -> str:
    return f"downstream_rq_{claim.opened_status // 100}xx"


def _protocol(claim: Claim) -> HopProtocol:
    assert claim.hop_protocol is not None, "a hop speaks something"
    return claim.hop_protocol


def _named(counts: Mapping[HopProtocol, int]) -> dict[str, int]:
    return {protocol.value: count for protocol, count in counts.items()}


def _by_protocol(counts: Mapping[HopProtocol, int]) -> str:
    """HTTP/3 is named only where there is any."""
    named = [f"{count} {protocol}" for protocol, count in counts.items() if count or protocol is not HopProtocol.HTTP3]
    return " and ".join(named)


def _reader(counters: Mapping[str, int], prefix: str) -> Callable[[str], int]:
    return lambda name: counters.get(prefix + name, 0)
