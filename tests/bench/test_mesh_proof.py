"""A target's claim, held against its own sidecar's counters and the handshakes: every stance, and its words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from wsbench.arms import Claim, HopProtocol
from wsbench.cluster_stats import Cluster, ClusterStats, Counts
from wsbench.mesh_proof import SHOW_COUNTERS, Destination, SidecarEvidence, judge_target
from wsbench.proof import Proof, Verdict
from wsbench.witnesses import Stance

DOMAIN = "wsbench.svc.cluster.local"
SERVER = Cluster(f"websockets-server.{DOMAIN}", 8080)
HERE = Destination("websockets-server", 8080, (DOMAIN, "svc.cluster.local", "cluster.local"))
HTTP1, HTTP2 = HopProtocol.HTTP1, HopProtocol.HTTP2
K8S = Path(__file__).parents[2] / "k8s"


def counts(http1: int = 0, http2: int = 0, requests: int = 0, switched: int | None = None, **more: int) -> Counts:
    told = {"upstream_cx_http1_total": http1, "upstream_cx_http2_total": http2, "upstream_rq_total": requests, **more}
    return Counts(told if switched is None else {**told, "upstream_rq_101": switched})


def seen(
    after: Counts, before: Counts | None = None, *, active: int | None = None, cluster: Cluster = SERVER
) -> SidecarEvidence:
    return SidecarEvidence(
        "own sidecar",
        {} if before is None else {cluster: before},
        None if active is None else {cluster: Counts({"upstream_cx_active": active})},
        {cluster: after},
    )


def judged(
    evidence: SidecarEvidence,
    claim: HopProtocol = HTTP2,
    *,
    opened: int = 8,
    refused: Mapping[int, int] | None = None,
    header: Mapping[str, int] | None = None,
    destination: Destination = HERE,
) -> Proof:
    said = {str(claim): opened} if header is None else header
    return judge_target(
        Claim(claim), destination, opened=opened, refused=refused or {}, hop_protocols=said, evidence=evidence
    )


SILENT, SUPPORTS, CONTRADICTS = Stance.SILENT, Stance.SUPPORTS, Stance.CONTRADICTS
CASES: list[tuple[str, HopProtocol, Counts, Counts | None, Stance, str | None, str]] = [
    # What, claim, after, before; the stance of the counters, what they say, words.
    ("first trial", HTTP2, counts(0, 1, 8, 8), None, SUPPORTS, "HTTP/2", "0 new HTTP/1.1 and 1 new HTTP/2 connections"),
    ("each its own", HTTP1, counts(8, 0, 8, 8), None, SUPPORTS, "HTTP/1.1", "8 requests, 8 x 101; the driver opened 8"),
    ("open from before", HTTP2, counts(0, 1, 16, 16), counts(0, 1, 8, 8), SUPPORTS, "HTTP/2", "(1 HTTP/2 before)"),
    ("idle ones used again", HTTP1, counts(9, 0, 16, 16), counts(8, 0, 8, 8), SUPPORTS, "HTTP/1.1", "1 new HTTP/1.1"),
    ("101s not told", HTTP2, counts(0, 1, 8), None, SUPPORTS, "HTTP/2", "8 requests; the driver"),
    ("retried", HTTP2, counts(0, 1, 10, 8), None, SUPPORTS, "HTTP/2", "10 requests, 8 x 101"),
    (
        "the policy was changed since",
        HTTP2,
        counts(5, 2, 16, 16),
        counts(5, 1, 8, 8),
        SUPPORTS,
        "HTTP/2",
        "1 new HTTP/2",
    ),
    ("the other protocol", HTTP2, counts(8, 0, 8, 8), None, CONTRADICTS, "HTTP/1.1", "8 new HTTP/1.1"),
    ("the other way round", HTTP1, counts(0, 1, 8, 8), None, CONTRADICTS, "HTTP/2", "1 new HTTP/2"),
    ("some of either", HTTP2, counts(1, 1, 8, 8), None, CONTRADICTS, "mixed: HTTP/1.1, HTTP/2", "1 new HTTP/1.1"),
    (
        "a third protocol",
        *(HTTP2, counts(0, 0, 8, 8, upstream_cx_http3_total=1), None),
        *(CONTRADICTS, "HTTP/3", "1 new HTTP/3 connections"),
    ),
    (
        "an older connection of the other protocol",
        *(HTTP1, counts(0, 1, 16, 16), counts(0, 1, 8, 8)),
        *(CONTRADICTS, "HTTP/2", "all were opened before the trial"),
    ),
    (
        "older connections of both",
        *(HTTP2, counts(3, 1, 16, 16), counts(3, 1, 8, 8)),
        *(SILENT, "mixed: HTTP/1.1, HTTP/2", "more than one protocol were opened before"),
    ),
    (
        "too few of HTTP/1.1 beside an older one of HTTP/2",
        *(HTTP1, counts(3, 1, 16, 16), counts(0, 1, 8, 8)),
        *(SILENT, "HTTP/1.1", "more than one protocol"),
    ),
    ("some went elsewhere", HTTP2, counts(0, 1, 5, 5), None, SILENT, "HTTP/2", "not all of them passed here"),
    ("others used it", HTTP2, counts(0, 1, 9, 9), None, SILENT, "HTTP/2", "others in this pod used it meanwhile"),
    ("others, where 101s are not told", HTTP2, counts(0, 1, 9), None, SILENT, "HTTP/2", "others in this pod used it"),
    ("no HTTP in it", HTTP2, counts(0, 0, 8, 8), None, SILENT, None, "it counted no connection of HTTP"),
    ("restarted", HTTP2, counts(0, 1, 2, 2), counts(0, 4, 32, 32), SILENT, "HTTP/2", "it began to count anew"),
]


@pytest.mark.parametrize(
    ("claim", "after", "before", "stance", "says", "words"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_what_the_counters_mean_for_the_claim(
    claim: HopProtocol, after: Counts, before: Counts | None, stance: Stance, says: str | None, words: str
) -> None:
    proof = judged(seen(after, before), claim)
    counters, header = proof.testimonies
    assert (counters.verdict, counters.says) == (stance, says)
    assert words in counters.detail
    assert header.verdict is SUPPORTS
    verdict = {SUPPORTS: Verdict.PROVED, CONTRADICTS: Verdict.DISPROVED, SILENT: Verdict.UNPROVED}
    assert proof.verdict is verdict[stance]


def test_refused_upgrades_are_among_the_requests_where_101s_are_not_told() -> None:
    assert judged(seen(counts(0, 1, 10)), refused={503: 2}).verdict is Verdict.PROVED
    assert judged(seen(counts(0, 1, 11)), refused={503: 2}).verdict is Verdict.UNPROVED


def test_the_hops_connections_under_load_are_told() -> None:
    (counters, _) = judged(seen(counts(0, 1, 8, 8), active=1)).testimonies
    assert ", 1 open under load, " in counters.detail
    assert counters.websockets == 8


def test_the_clusters_of_all_subsets_are_one_hop() -> None:
    subsets = [Cluster(SERVER.host, 8080, name) for name in ("v1", "v2")]
    after: ClusterStats = {cluster: counts(0, 1, 4, 4) for cluster in subsets}
    proof = judged(SidecarEvidence("own sidecar", {}, None, after))
    assert proof.verdict is Verdict.PROVED
    assert "clusters outbound|8080|v1|" in proof.testimonies[0].detail
    after[subsets[1]] = counts(1, 0, 4, 4)
    assert judged(SidecarEvidence("own sidecar", {}, None, after)).verdict is Verdict.DISPROVED


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (counts(upstream_cx_active=1), counts(upstream_cx_active=0), 1),
        (counts(upstream_cx_active=0), counts(upstream_cx_active=1), 0),
        # Nobody had used the cluster: there was nothing to tell.
        (None, counts(upstream_cx_active=1), 0),
        # Hidden.
        (None, counts(), None),
    ],
)
def test_a_hop_is_fresh_where_no_connection_was_open(before: Counts | None, after: Counts, found: int | None) -> None:
    assert seen(after, before).open_before(HERE) == found


def test_nothing_is_known_of_the_hop_without_counters() -> None:
    assert SidecarEvidence.none("own sidecar", " not found").open_before(HERE) is None
    after = {other(f"s.{namespace}.svc.x"): counts(upstream_cx_active=1) for namespace in "ab"}
    assert SidecarEvidence("own sidecar", {}, None, after).open_before(Destination("s", 8080)) is None


# -- the header


@pytest.mark.parametrize(
    ("header", "stance", "words"),
    [
        ({"HTTP/2": 8}, SUPPORTS, "8 x HTTP/2"),
        ({"": 8}, SILENT, "k8s/mesh/witness-header.yaml"),
        # One of the server's pods may lack the filter: that says nothing of the hop.
        ({"HTTP/2": 5, "": 3}, SILENT, "k8s/mesh/witness-header.yaml"),
        ({"HTTP/1.1": 8}, CONTRADICTS, "8 x HTTP/1.1"),
        ({"HTTP/1.1": 1, "HTTP/2": 7}, CONTRADICTS, "1 x HTTP/1.1"),
        ({"HTTP/1.1": 1, "": 7}, CONTRADICTS, "1 x HTTP/1.1"),
    ],
)
def test_what_the_header_means_for_the_claim(header: Mapping[str, int], stance: Stance, words: str) -> None:
    proof = judged(seen(counts(0, 1, 8, 8)), header=header)
    testimony = proof.testimonies[1]
    assert testimony.verdict is stance
    assert words in testimony.detail
    assert (proof.verdict is Verdict.PROVED) is (stance is SUPPORTS)


def test_the_header_disproves_even_where_the_counters_are_out_of_reach() -> None:
    proof = judged(SidecarEvidence.none("own sidecar", " not found"), header={"HTTP/1.1": 8})
    assert proof.verdict is Verdict.DISPROVED
    assert proof.summary == "claimed HTTP/2 on the hop, but handshake_header says HTTP/1.1"


def test_without_a_websocket_nothing_is_proved() -> None:
    proof = judged(seen(counts(0, 1, 8, 8)), opened=0, header={})
    assert (proof.verdict, proof.testimonies) == (Verdict.UNPROVED, ())


# -- which cluster


def other(host: str, port: int = 8080) -> Cluster:
    return Cluster(host, port)


@pytest.mark.parametrize(
    ("host", "search", "hosts", "found"),
    [
        (SERVER.host, (), [SERVER.host], SERVER.host),
        ("websockets-server", (DOMAIN,), [f"websockets-server.other.{DOMAIN}", SERVER.host], SERVER.host),
        ("s.b", ("a.svc.cluster.local", "svc.cluster.local"), ["s.b.svc.cluster.local"], "s.b.svc.cluster.local"),
        # The pod's own namespace comes first, as for the resolver.
        ("s", ("b.svc.x", "svc.x"), ["s.a.svc.x", "s.b.svc.x"], "s.b.svc.x"),
        # No search domain tells: the only one that begins so.
        ("s", (), ["s.a.svc.x", "server.a.svc.x"], "s.a.svc.x"),
        ("echo.example", (DOMAIN,), ["echo.example"], "echo.example"),
        ("10.0.0.1", (DOMAIN,), [SERVER.host], None),
        ("web", (DOMAIN,), [SERVER.host], None),
    ],
)
def test_the_host_is_completed_as_the_resolver_does(
    host: str, search: tuple[str, ...], hosts: list[str], found: str | None
) -> None:
    known = [other(name) for name in hosts] + [other(SERVER.host, 9090)]
    assert Destination(host, 8080, search).clusters(known) == (() if found is None else (other(found),))


def test_a_name_that_may_be_several_is_ambiguous_and_says_so() -> None:
    after = {other(f"s.{namespace}.svc.x"): counts(0, 1, 8, 8) for namespace in "ab"}
    proof = judged(SidecarEvidence("own sidecar", {}, None, after), destination=Destination("s", 8080))
    assert proof.verdict is Verdict.UNPROVED
    assert "s:8080 may be any of s.a.svc.x, s.b.svc.x: write the whole host name in --target" in proof.summary


# -- what to add


@pytest.mark.parametrize(
    "after", [{}, {other("something.else"): counts(0, 1, 8, 8)}, {SERVER: Counts({"upstream_rq_total": 8})}]
)
def test_hidden_counters_leave_it_unproved_with_the_annotation_to_add(after: Any) -> None:
    proof = judged(SidecarEvidence("own sidecar", {}, None, after))
    assert proof.verdict is Verdict.UNPROVED
    assert "annotation proxy.istio.io/config" in proof.summary
    assert SHOW_COUNTERS in proof.summary


def test_the_annotation_to_add_is_the_manifests() -> None:
    asked = yaml.safe_load(SHOW_COUNTERS)["proxyStatsMatcher"]["inclusionRegexps"]
    for name in ("sidecar-client", "sidecar-server"):
        (patch,) = yaml.safe_load_all((K8S / "mesh" / f"{name}.yaml").read_text())
        annotation = yaml.safe_load(patch["spec"]["template"]["metadata"]["annotations"]["proxy.istio.io/config"])
        assert set(asked) <= set(annotation["proxyStatsMatcher"]["inclusionRegexps"])
    assert (K8S / "mesh" / "witness-header.yaml").is_file()
