from collections.abc import Mapping

import pytest

from wsbench.access_log import AccessRecord, parse_line
from wsbench.arms import ARMS, Claim, HopProtocol
from wsbench.envoy_config import INBOUND_STAT_PREFIX, OUTBOUND_CLUSTER, OUTBOUND_STAT_PREFIX
from wsbench.log_summary import LogSummary
from wsbench.proof import Proof, Verdict, judge, merge, refusal_of
from wsbench.witnesses import Evidence, Stance, Traces, WitnessName

HTTP1, HTTP2 = ARMS["http1"].claim, ARMS["http2"].claim
BLOCKED = ARMS["http2-blocked"].claim
DIRECT = ARMS["direct"].claim


def record(protocol: str | None, code: int, flags: str = "UC", details: str = "via_upstream") -> AccessRecord:
    return parse_line(
        f'{{"protocol":"{protocol or "-"}","response_code":{code},"response_flags":"{flags}",'
        f'"response_code_details":"{details}"}}'
    )


def counters(protocol: HopProtocol, count: int, connections: int) -> tuple[dict[str, int], dict[str, int]]:
    """What the client's and the server's sidecar count for ``count`` WebSockets, as seen on Envoy 1.40."""
    short = "http2" if protocol is HopProtocol.HTTP2 else "http1"
    client = {
        f"http.{OUTBOUND_STAT_PREFIX}.downstream_cx_upgrades_total": count,
        f"http.{OUTBOUND_STAT_PREFIX}.downstream_rq_1xx": count,
        f"cluster.{OUTBOUND_CLUSTER}.upstream_cx_{short}_total": connections,
    }
    server = {
        f"http.{INBOUND_STAT_PREFIX}.downstream_cx_upgrades_total": count,
        f"http.{INBOUND_STAT_PREFIX}.downstream_rq_1xx": count,
        f"http.{INBOUND_STAT_PREFIX}.downstream_rq_{short}_total": count,
        f"http.{INBOUND_STAT_PREFIX}.downstream_cx_{short}_total": connections,
    }
    return client, server


def evidence(protocol: HopProtocol, count: int, connections: int | None = None, lines: int | None = None) -> Evidence:
    client, server = counters(protocol, count, count if connections is None else connections)
    return Evidence(
        Traces(LogSummary.of([record("HTTP/1.1", 101)] * count), client),
        Traces(LogSummary.of([record(protocol, 101)] * (count if lines is None else lines)), server),
    )


def judged(
    claim: Claim | None,
    opened: int,
    found: Evidence | None,
    seen: Mapping[str, int],
    refused: Mapping[int, int] | None = None,
) -> Proof:
    return judge(claim, opened=opened, refused=refused or {}, hop_protocols=seen, evidence=found)


def stances(proof: Proof) -> dict[WitnessName, Stance]:
    return {testimony.witness: testimony.verdict for testimony in proof.testimonies}


@pytest.mark.parametrize(
    ("claim", "found", "seen"),
    [
        (HTTP1, evidence(HopProtocol.HTTP1, 64), {"HTTP/1.1": 64}),
        (HTTP2, evidence(HopProtocol.HTTP2, 64, connections=1), {"HTTP/2": 64}),
        # The shared connection of the trial before: no new one.
        (HTTP2, evidence(HopProtocol.HTTP2, 64, connections=0), {"HTTP/2": 64}),
    ],
)
def test_three_witnesses_that_agree_prove(claim: Claim, found: Evidence, seen: dict[str, int]) -> None:
    proof = judged(claim, 64, found, seen)
    assert proof.verdict is Verdict.PROVED
    assert set(stances(proof).values()) == {Stance.SUPPORTS}
    assert len(proof.testimonies) == 3
    assert {testimony.websockets for testimony in proof.testimonies} == {64}
    assert {testimony.says for testimony in proof.testimonies} == {claim.hop_protocol}
    assert "all 3 witnesses agree on 64 WebSockets" in proof.summary


def test_a_hop_that_spoke_the_other_protocol_is_disproved_by_all_three() -> None:
    proof = judged(HTTP2, 64, evidence(HopProtocol.HTTP1, 64), {"HTTP/1.1": 64})
    assert proof.verdict is Verdict.DISPROVED
    assert set(stances(proof).values()) == {Stance.CONTRADICTS}
    assert "server_access_log says HTTP/1.1" in proof.summary


@pytest.mark.parametrize(
    ("found", "seen", "liar"),
    [
        (evidence(HopProtocol.HTTP2, 64, 1), {"HTTP/2": 63, "HTTP/1.1": 1}, WitnessName.HANDSHAKE),
        (evidence(HopProtocol.HTTP2, 64, 1), {"HTTP/1.1": 64}, WitnessName.HANDSHAKE),
        (evidence(HopProtocol.HTTP2, 63, 1, lines=64), {"HTTP/2": 64}, WitnessName.COUNTERS),
        (evidence(HopProtocol.HTTP2, 64, 1, lines=65), {"HTTP/2": 64}, WitnessName.ACCESS_LOG),
    ],
)
def test_one_witness_that_contradicts_disproves(found: Evidence, seen: dict[str, int], liar: WitnessName) -> None:
    proof = judged(HTTP2, 64, found, seen)
    assert proof.verdict is Verdict.DISPROVED
    assert [witness for witness, stance in stances(proof).items() if stance is Stance.CONTRADICTS] == [liar]


@pytest.mark.parametrize(
    ("found", "seen", "silent"),
    [
        (None, {"HTTP/2": 64}, {WitnessName.ACCESS_LOG, WitnessName.COUNTERS}),
        (evidence(HopProtocol.HTTP2, 64, 1), {"": 64}, {WitnessName.HANDSHAKE}),
        (evidence(HopProtocol.HTTP2, 64, 1, lines=0), {"HTTP/2": 64}, {WitnessName.ACCESS_LOG}),
        (evidence(HopProtocol.HTTP2, 64, 1, lines=60), {"HTTP/2": 64}, {WitnessName.ACCESS_LOG}),
    ],
)
def test_a_missing_word_leaves_it_unproved(
    found: Evidence | None, seen: dict[str, int], silent: set[WitnessName]
) -> None:
    proof = judged(HTTP2, 64, found, seen)
    assert proof.verdict is Verdict.UNPROVED
    assert {witness for witness, stance in stances(proof).items() if stance is Stance.SILENT} == silent


def test_direct_is_proved_by_no_proxy_having_spoken_and_disproved_by_one_that_did() -> None:
    assert judged(DIRECT, 64, None, {"": 64}).verdict is Verdict.PROVED
    assert judged(DIRECT, 64, None, {"": 63, "HTTP/1.1": 1}).verdict is Verdict.DISPROVED


@pytest.mark.parametrize("claim", [HTTP1, HTTP2, DIRECT])
def test_where_nothing_was_opened_nothing_is_proved_or_disproved(claim: Claim) -> None:
    proof = judged(claim, 0, evidence(HopProtocol.HTTP1, 0), {}, {503: 64})
    assert proof.verdict is Verdict.UNPROVED
    assert "no WebSocket was opened" in proof.summary


def test_a_target_claims_nothing_whatever_it_says() -> None:
    for seen in ({"": 64}, {"HTTP/2": 64}):
        proof = judged(None, 64, None, seen)
        assert proof.verdict is Verdict.UNPROVED
        assert set(stances(proof).values()) == {Stance.SILENT}


def with_refusals(protocol: HopProtocol, opened: int, refused: int) -> Evidence:
    """Some opened and some that the echo server answered with 400, as seen on Envoy 1.40: it counts a request and an
    upgrade for each that is asked for, and only its 1xx for those that opened."""
    client, server = counters(protocol, opened + refused, 1 if protocol is HopProtocol.HTTP2 else opened + refused)
    client[f"http.{OUTBOUND_STAT_PREFIX}.downstream_rq_1xx"] = opened
    server[f"http.{INBOUND_STAT_PREFIX}.downstream_rq_1xx"] = opened
    return Evidence(
        Traces(LogSummary.of([record("HTTP/1.1", 400, "-")] * refused + [record("HTTP/1.1", 101)] * opened), client),
        Traces(LogSummary.of([record(protocol, 400, "-")] * refused + [record(protocol, 101)] * opened), server),
    )


@pytest.mark.parametrize("claim", [HTTP1, HTTP2])
def test_a_few_refusals_do_not_disprove_what_the_others_spoke(claim: Claim) -> None:
    assert claim.hop_protocol is not None
    found = with_refusals(claim.hop_protocol, 5, 3)
    proof = judged(claim, 5, found, {claim.hop_protocol: 5}, {400: 3})
    assert proof.verdict is Verdict.PROVED, proof
    assert {testimony.websockets for testimony in proof.testimonies} == {5}
    log = next(testimony for testimony in proof.testimonies if testimony.witness is WitnessName.ACCESS_LOG)
    assert '"response_code":101' in (log.sample or "")


@pytest.mark.parametrize("refused", [{}, {400: 2}])
def test_requests_that_no_driver_made_disprove_and_the_numbers_are_told(refused: dict[int, int]) -> None:
    found = with_refusals(HopProtocol.HTTP2, 5, 3)
    proof = judged(HTTP2, 5, found, {"HTTP/2": 5}, refused)
    assert proof.verdict is Verdict.DISPROVED
    # It is not the protocol that is wrong: "says HTTP/2" would explain nothing.
    assert "8 HTTP/2 requests" in proof.summary
    assert "the driver opened 5" in proof.summary


def test_a_101_too_few_disproves_even_where_as_many_were_asked_for() -> None:
    found = evidence(HopProtocol.HTTP2, 64, 1)
    assert found.client is not None
    short = {**found.client.counters, f"http.{OUTBOUND_STAT_PREFIX}.downstream_rq_1xx": 63}
    proof = judged(HTTP2, 64, Evidence(Traces(found.client.log, short), found.server), {"HTTP/2": 64})
    assert proof.verdict is Verdict.DISPROVED


def test_the_line_that_contradicts_is_the_one_that_is_shown() -> None:
    found = evidence(HopProtocol.HTTP2, 64, 1)
    mixed = LogSummary.of([record("HTTP/2", 101)] * 63 + [record("HTTP/1.1", 101)])
    assert found.server is not None
    proof = judged(HTTP2, 64, Evidence(found.client, Traces(mixed, found.server.counters)), {"HTTP/2": 64})
    log = next(testimony for testimony in proof.testimonies if testimony.witness is WitnessName.ACCESS_LOG)
    assert (log.verdict, log.websockets) == (Stance.CONTRADICTS, 64)
    assert '"protocol":"HTTP/1.1"' in (log.sample or "")


def test_a_refusals_reason_comes_from_the_refused_and_not_from_those_that_opened() -> None:
    opened = record("HTTP/1.1", 101, "UC", "via_upstream")
    refused = record("HTTP/1.1", 503, "UF", "upstream_reset_before_response_started")
    found = Evidence(Traces(LogSummary.of([opened, refused]), {}), Traces(LogSummary.of([opened]), {}))
    refusal = refusal_of({503: 1}, found)
    assert refusal is not None
    assert refusal.reason == "client sidecar: upstream_reset_before_response_started (flags UF)"
    assert "allow_connect" not in refusal.remedy


def trap(lines: list[AccessRecord], http2_connections: int = 16, upgrades: int = 0) -> Evidence:
    refused = record("HTTP/1.1", 503, "UC", "upstream_reset_before_response_started")
    return Evidence(
        Traces(
            LogSummary.of([refused] * 64), {f"cluster.{OUTBOUND_CLUSTER}.upstream_cx_http2_total": http2_connections}
        ),
        Traces(LogSummary.of(lines), {f"http.{INBOUND_STAT_PREFIX}.downstream_cx_upgrades_total": upgrades}),
    )


def test_the_trap_is_proved_by_its_refusals() -> None:
    found = trap([record("HTTP/2", 0, "DPE", "http2.invalid.header.field")] * 16)
    proof = judged(BLOCKED, 0, found, {}, {503: 64})
    assert proof.verdict is Verdict.PROVED, proof
    assert "every HTTP/2 upgrade refused with 503" in proof.summary
    refusal = refusal_of({503: 64}, found)
    assert refusal is not None
    assert (refusal.status, refusal.count) == (503, 64)
    assert "DPE" in refusal.reason
    assert "allow_connect" in refusal.remedy
    assert "EnvoyFilter" in refusal.remedy


@pytest.mark.parametrize(
    ("opened", "refused", "found"),
    [
        (1, {503: 63}, trap([record("HTTP/2", 0, "DPE")])),
        (0, {503: 60, 404: 4}, trap([record("HTTP/2", 0, "DPE")])),
        (0, {404: 64}, trap([record("HTTP/2", 0, "DPE")])),
        (0, {503: 64}, trap([record("HTTP/2", 101)])),
        (0, {503: 64}, trap([record("HTTP/1.1", 503)])),
        (0, {503: 64}, trap([record("HTTP/2", 0, "DPE")], upgrades=1)),
        (0, {503: 64}, trap([record("HTTP/2", 0, "DPE")], http2_connections=0)),
    ],
)
def test_a_trap_that_did_not_shut_is_disproved(opened: int, refused: dict[int, int], found: Evidence) -> None:
    assert judged(BLOCKED, opened, found, {"HTTP/2": opened} if opened else {}, refused).verdict is Verdict.DISPROVED


def test_other_refusals_do_not_blame_allow_connect() -> None:
    refusal = refusal_of({404: 3}, None)
    assert refusal is not None
    assert "allow_connect" not in refusal.remedy
    assert refusal_of({}, None) is None


def test_an_arm_is_as_proved_as_its_weakest_trial() -> None:
    good = judged(HTTP2, 64, evidence(HopProtocol.HTTP2, 64, 1), {"HTTP/2": 64})
    unsure = judged(HTTP2, 64, None, {"HTTP/2": 64})
    bad = judged(HTTP2, 64, evidence(HopProtocol.HTTP1, 64), {"HTTP/1.1": 64})
    assert merge([good, good]).verdict is Verdict.PROVED
    assert merge([good, unsure]).verdict is Verdict.UNPROVED
    merged = merge([good, bad, unsure])
    assert merged.verdict is Verdict.DISPROVED
    assert "1 of 3 trials" in merged.summary
    assert stances(merged)[WitnessName.ACCESS_LOG] is Stance.CONTRADICTS
    assert merge([]).verdict is Verdict.UNPROVED
    assert {testimony.websockets for testimony in merge([good, good]).testimonies} == {128}
