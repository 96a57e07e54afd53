"""Both texts in which an Envoy tells its counters, as real ones told them (test_pod_sidecar reads real ones)."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench.cluster_stats import Cluster, Counts, StatsError, from_admin, from_prometheus, stats_filter

HOST = "websockets-server.wsbench.svc.cluster.local"
SERVER = Cluster(HOST, 8080)


def admin(*stats: tuple[str, int]) -> str:
    return json.dumps({"stats": [{"name": name, "value": value} for name, value in stats]})


@pytest.mark.parametrize("delimiter", [";", ""], ids=["today's Istio", "older Istio"])
def test_the_admins_names_with_and_without_istios_delimiter(delimiter: str) -> None:
    prefix = f"cluster.outbound|8080||{HOST}{delimiter}."
    found = from_admin(
        admin(
            (f"{prefix}upstream_cx_http2_total", 3),
            (f"{prefix}upstream_rq_101", 64),
            (f"{prefix}external.upstream_rq_101", 99),
            (f"{prefix}upstream_cx_length_ms_total", 5),
            ("cluster.inbound|80||;.upstream_cx_http1_total", 7),
            ("cluster.xds-grpc;.upstream_cx_http2_total", 1),
        )
    )
    assert found == {SERVER: Counts({"upstream_cx_http2_total": 3, "upstream_rq_101": 64})}


def test_a_histogram_among_the_admins_stats_is_none_of_ours() -> None:
    text = json.dumps({"stats": [{"histograms": {"supported_quantiles": []}}]})
    assert from_admin(text) == {}


@pytest.mark.parametrize("text", ["", "hello", "[]", '{"stats": 5}', '{"stats": [{"value": 1}]}', '{"stats": ["x"]}'])
def test_what_is_not_an_admins_answer_is_said(text: str) -> None:
    with pytest.raises(StatsError, match="no statistics of an Envoy"):
        from_admin(text)


METRICS = """\
# TYPE envoy_cluster_upstream_cx_http1_total counter
envoy_cluster_upstream_cx_http1_total{LABEL="outbound|8080|v1|HOST"} 2
envoy_cluster_upstream_cx_http1_total{LABEL="xds-grpc"} 9
# TYPE envoy_cluster_upstream_rq_total counter
envoy_cluster_upstream_rq_total{LABEL="outbound|8080|v1|HOST"} 66
# TYPE envoy_cluster_upstream_rq counter
envoy_cluster_upstream_rq{LABEL="outbound|8080|v1|HOST",CODE="101"} 64
envoy_cluster_upstream_rq{LABEL="outbound|8080|v1|HOST",CODE="503"} 2
envoy_cluster_upstream_rq{LABEL="outbound|8080|v1|HOST",CODE_class="1xx"} 64
# TYPE envoy_cluster_upstream_cx_active gauge
envoy_cluster_upstream_cx_active{LABEL="outbound|8080|v1|HOST"} 5
# TYPE envoy_cluster_upstream_cx_length_ms histogram
envoy_cluster_upstream_cx_length_ms_bucket{LABEL="outbound|8080|v1|HOST",le="+Inf"} 5
envoy_cluster_upstream_cx_length_ms_sum{LABEL="outbound|8080|v1|HOST"} 9.5
envoy_cluster_upstream_cx_length_ms_count{LABEL="outbound|8080|v1|HOST"} 5
# TYPE envoy_server_live gauge
envoy_server_live{} 1
"""


@pytest.mark.parametrize(
    ("label", "code"), [("cluster_name", "response_code"), ("envoy_cluster_name", "envoy_response_code")]
)
def test_prometheus_text_with_istios_tags_and_with_envoys(label: str, code: str) -> None:
    text = METRICS.replace("LABEL", label).replace("CODE", code).replace("HOST", HOST)
    assert from_prometheus(text) == {
        Cluster(HOST, 8080, "v1"): Counts(
            {
                "upstream_cx_http1_total": 2,
                "upstream_rq_total": 66,
                "upstream_rq_101": 64,
                "upstream_cx_active": 5,
            }
        )
    }


def test_a_code_that_no_tag_cuts_out_is_read_too() -> None:
    name = "envoy_cluster_upstream_rq_101"
    text = f'# TYPE {name} counter\n{name}{{cluster_name="outbound|8080||{HOST}"}} 4\n'
    assert from_prometheus(text) == {SERVER: Counts({"upstream_rq_101": 4})}


@pytest.mark.parametrize("text", ['envoy_cluster_x{a="', "envoy_cluster_upstream_rq_total{} many"])
def test_what_is_no_metrics_is_said(text: str) -> None:
    with pytest.raises(StatsError, match="no metrics in Prometheus' text format"):
        from_prometheus(text)


@given(
    port=st.integers(1, 65535),
    subset=st.sampled_from(["", "v1"]),
    host=st.from_regex(r"[a-z][a-z.-]{0,30}[a-z]", fullmatch=True),
)
def test_a_clusters_name_survives_the_way_there_and_back(port: int, subset: str, host: str) -> None:
    cluster = Cluster(host, port, subset)
    assert Cluster.named(str(cluster)) == cluster
    assert Cluster.named(f"{cluster};") == cluster


@pytest.mark.parametrize(
    "name", ["", "xds-grpc", "inbound|80||", "outbound|x||h", "outbound|80|h", "PassthroughCluster"]
)
def test_other_clusters_are_not_istios_outbound_ones(name: str) -> None:
    assert Cluster.named(name) is None


def test_the_filter_asks_for_one_port_and_what_is_read() -> None:
    pattern = re.compile(stats_filter(8080))
    assert pattern.search(f"cluster.outbound|8080|v1|{HOST};.upstream_cx_http2_total")
    assert not pattern.search(f"cluster.outbound|18080||{HOST};.upstream_cx_http2_total")
    assert not pattern.search(f"cluster.outbound|8080||{HOST};.upstream_cx_rx_bytes_total")


def test_a_counter_that_was_not_told_counts_nothing_and_is_missing() -> None:
    counts = Counts({"upstream_rq_total": 0})
    assert (counts.get("upstream_rq_total"), counts.get("upstream_rq_101")) == (0, 0)
    assert counts.missing(["upstream_rq_total", "upstream_rq_101"]) == ["upstream_rq_101"]
