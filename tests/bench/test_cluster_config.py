from typing import Any

import pytest

from wsbench.arms import HopProtocol
from wsbench.cluster_config import cluster, loopback
from wsbench.mesh_policy import ConnectionPool

OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
POOL = ConnectionPool(
    connect_timeout="3s",
    idle_timeout="60s",
    max_connection_duration="600s",
    max_connections=1,
    max_pending_requests=2,
    max_requests=3,
    max_retries=4,
    max_requests_per_connection=5,
    max_concurrent_streams=6,
)


def options(made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = made["typed_extension_protocol_options"][OPTIONS]
    return found


@pytest.mark.parametrize(
    ("protocol", "explicit"),
    [
        (HopProtocol.HTTP1, {"http_protocol_options": {}}),
        (HopProtocol.HTTP2, {"http2_protocol_options": {"max_concurrent_streams": 6}}),
        (HopProtocol.HTTP3, {"http3_protocol_options": {"allow_extended_connect": True}}),
    ],
)
def test_a_connection_pool_is_made_as_istio_makes_it(protocol: HopProtocol, explicit: dict[str, Any]) -> None:
    made = cluster("c", 80, POOL, protocol)
    assert made["connect_timeout"] == "3s"
    assert list(made["circuit_breakers"]["thresholds"][0].values()) == [1, 2, 3, 4]
    assert options(made)["common_http_protocol_options"] == {
        "idle_timeout": "60s",
        "max_requests_per_connection": 5,
        "max_connection_duration": "600s",
    }
    assert options(made)["explicit_http_config"] == explicit


def test_nothing_said_is_istios_default_but_for_the_idle_timeout_of_the_lab() -> None:
    made = cluster("c", 80, ConnectionPool(), HopProtocol.HTTP2)
    assert set(made["circuit_breakers"]["thresholds"][0].values()) == {4294967295}
    assert options(made)["common_http_protocol_options"] == {"idle_timeout": "0.5s"}
    assert options(made)["explicit_http_config"] == {"http2_protocol_options": {}}
    assert "transport_socket" not in made
    assert cluster("c", 80, ConnectionPool(), HopProtocol.HTTP2, {"name": "tls"})["transport_socket"] == {"name": "tls"}


def test_the_clients_protocol_is_passed_on_where_a_rule_says_so() -> None:
    made = cluster("c", 80, ConnectionPool(use_client_protocol=True), HopProtocol.HTTP1)
    assert set(options(made)["use_downstream_protocol_config"]) == {"http_protocol_options", "http2_protocol_options"}


def test_addresses_are_on_loopback() -> None:
    assert loopback(7)["socket_address"] == {"address": "127.0.0.1", "port_value": 7}
    assert loopback(0, "UDP")["socket_address"]["protocol"] == "UDP"
