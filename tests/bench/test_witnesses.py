"""Witnesses of hops that are encrypted, tunnelled, or have a sidecar on one side only; the others are in test_proof."""

import json
from typing import Any

import pytest

from wsbench.access_log import AccessRecord, parse_line
from wsbench.arms import ARMS, Claim, HopProtocol, Transport
from wsbench.envoy_config import INBOUND_STAT_PREFIX, OUTBOUND_CLUSTER, OUTBOUND_STAT_PREFIX
from wsbench.log_summary import LogSummary
from wsbench.mesh_policy import CLIENT_SPIFFE_ID
from wsbench.witnesses import Evidence, Stance, Traces, WitnessName, from_counters, from_handshakes, from_log

SHORT = {HopProtocol.HTTP1: "http1", HopProtocol.HTTP2: "http2", HopProtocol.HTTP3: "http3"}
HOPS = [name for name, arm in ARMS.items() if arm.has_sidecars and not arm.claim.refused_status]


def line(code: int, **fields: Any) -> AccessRecord:
    return parse_line(json.dumps({"protocol": None, "response_code": code, "response_flags": "UC", **fields}))


def server_line(claim: Claim, **changes: Any) -> AccessRecord:
    tls = {"downstream_tls_version": "TLSv1.3", "downstream_peer_uri_san": CLIENT_SPIFFE_ID} if claim.encrypted else {}
    return line(claim.opened_status, **{"protocol": claim.hop_protocol, **tls, **changes})


def client_line(claim: Claim) -> AccessRecord:
    return line(101, protocol="HTTP/1.1", upstream_protocol=claim.hop_protocol)


def counted(claim: Claim, count: int, connections: int) -> tuple[dict[str, int], dict[str, int]]:
    """What the sidecars count, as seen on Envoy 1.40."""
    assert claim.hop_protocol is not None
    short, family = SHORT[claim.hop_protocol], claim.opened_status // 100
    client = {f"cluster.{OUTBOUND_CLUSTER}.upstream_cx_{short}_total": connections}
    if claim.transport in (Transport.MTLS, Transport.HBONE):
        client[f"cluster.{OUTBOUND_CLUSTER}.ssl.handshake"] = connections
    if claim.transport is Transport.HBONE:
        client[f"tcp.{OUTBOUND_STAT_PREFIX}.downstream_cx_total"] = count
    else:
        client[f"http.{OUTBOUND_STAT_PREFIX}.downstream_cx_upgrades_total"] = count
        client[f"http.{OUTBOUND_STAT_PREFIX}.downstream_rq_1xx"] = count
    server = {
        f"http.{INBOUND_STAT_PREFIX}.downstream_cx_upgrades_total": count,
        f"http.{INBOUND_STAT_PREFIX}.downstream_rq_{family}xx": count,
        f"http.{INBOUND_STAT_PREFIX}.downstream_rq_{short}_total": count,
        f"http.{INBOUND_STAT_PREFIX}.downstream_cx_{short}_total": connections,
    }
    return client, server


def evidence(claim: Claim, count: int = 8, connections: int = 1) -> Evidence:
    client, server = counted(claim, count, connections)
    return Evidence(
        Traces(LogSummary.of([client_line(claim)] * count), client) if claim.sidecars.at_client else None,
        Traces(LogSummary.of([server_line(claim)] * count), server) if claim.sidecars.at_server else None,
    )


@pytest.mark.parametrize("name", HOPS)
def test_the_log_of_a_hop_as_claimed_supports(name: str) -> None:
    claim = ARMS[name].claim
    found = from_log(claim, 8, evidence(claim))
    assert (found.verdict, found.says, found.websockets) == (Stance.SUPPORTS, claim.hop_protocol, 8), found
    at_server = claim.sidecars.at_server
    assert found.witness is (WitnessName.ACCESS_LOG if at_server else WitnessName.CLIENT_ACCESS_LOG)
    assert (CLIENT_SPIFFE_ID in found.detail) is claim.encrypted
    assert from_log(claim, 8, None).verdict is Stance.SILENT


@pytest.mark.parametrize("name", [name for name in HOPS if ARMS[name].claim.sidecars.at_server])
@pytest.mark.parametrize(
    "changes",
    [
        {"downstream_tls_version": None},
        {"downstream_tls_version": "TLSv1.1"},
        {"downstream_peer_uri_san": None},
        {"downstream_peer_uri_san": "spiffe://cluster.local/ns/wsbench/sa/somebody-else"},
        {"protocol": "HTTP/1.0"},
    ],
    ids=str,
)
def test_one_line_carried_otherwise_contradicts_and_is_shown(name: str, changes: dict[str, Any]) -> None:
    claim = ARMS[name].claim
    if not claim.encrypted and "protocol" not in changes:
        changes = {"downstream_tls_version": "TLSv1.3"}
    lines = [server_line(claim)] * 7 + [server_line(claim, **changes)]
    found = from_log(claim, 8, Evidence(None, Traces(LogSummary.of(lines), {})))
    if claim.transport is Transport.QUIC and changes == {"downstream_peer_uri_san": None}:
        # Envoy asks a client for its name over QUIC only since 1.40.
        assert found.verdict is Stance.SUPPORTS
        return
    assert found.verdict is Stance.CONTRADICTS
    assert found.sample == lines[-1].raw


def test_the_clients_log_tells_what_it_spoke_upstream_not_what_it_was_spoken_to() -> None:
    claim = ARMS["clientonly"].claim
    lines = [line(101, protocol="HTTP/1.1", upstream_protocol="HTTP/2")] * 8
    found = from_log(claim, 8, Evidence(Traces(LogSummary.of(lines), {}), None))
    assert (found.verdict, found.says) == (Stance.CONTRADICTS, "HTTP/2")


@pytest.mark.parametrize("name", HOPS)
@pytest.mark.parametrize("connections", [0, 1, 8])
def test_counters_as_claimed_support(name: str, connections: int) -> None:
    claim = ARMS[name].claim
    found = from_counters(claim, 8, 0, evidence(claim, connections=connections))
    assert (found.verdict, found.websockets) == (Stance.SUPPORTS, 8), found


@pytest.mark.parametrize("name", HOPS)
@pytest.mark.parametrize("other", HOPS)
def test_counters_of_another_hop_contradict(name: str, other: str) -> None:
    claim, built = ARMS[name].claim, ARMS[other].claim
    found = from_counters(claim, 8, 0, evidence(built)).verdict
    if claim.sidecars is not built.sidecars:
        # Of a side that is not there nothing is heard; what a side more has counted is not asked for.
        assert found is not Stance.SUPPORTS or claim.hop_protocol is built.hop_protocol
    else:
        assert found is (Stance.SUPPORTS if claim == built else Stance.CONTRADICTS)


def test_a_connection_without_a_handshake_contradicts_mtls_and_one_with_it_plaintext() -> None:
    handshake = f"cluster.{OUTBOUND_CLUSTER}.ssl.handshake"
    for name, count in (("http1+mtls", 0), ("http1+mtls", 9), ("http1", 8)):
        claim = ARMS[name].claim
        client, server = counted(claim, 8, 8)
        counters = Evidence(Traces(LogSummary(), {**client, handshake: count}), Traces(LogSummary(), server))
        assert from_counters(claim, 8, 0, counters).verdict is Stance.CONTRADICTS, name


def test_a_tunnel_that_took_more_than_the_driver_opened_contradicts() -> None:
    claim = ARMS["hbone"].claim
    assert from_counters(claim, 7, 0, evidence(claim)).verdict is Stance.CONTRADICTS
    assert from_counters(claim, 8, 0, evidence(claim)).verdict is Stance.SUPPORTS
    assert from_counters(claim, 8, 0, Evidence(None, None)).verdict is Stance.SILENT


@pytest.mark.parametrize("name", ["hbone", "clientonly", "direct"])
def test_where_no_proxy_reads_the_handshake_at_the_server_none_must_have_written_a_header(name: str) -> None:
    claim = ARMS[name].claim
    assert from_handshakes(claim, 8, {"": 8}).verdict is Stance.SUPPORTS
    assert from_handshakes(claim, 8, {"": 7, "HTTP/1.1": 1}).verdict is Stance.CONTRADICTS
