import json
from typing import Any

import pytest

from tests.bench.samples import policy
from wsbench.envoy_config import INBOUND_CLUSTER, OUTBOUND_CLUSTER, SidecarSettings, client_sidecar, server_sidecar
from wsbench.mesh_policy import ConnectionPool, MeshPolicy

SETTINGS = SidecarSettings("/somewhere/access.log", 4321)
ARTICLE_FIELDS = {
    "authority",
    "bytes_received",
    "bytes_sent",
    "downstream_local_address",
    "downstream_remote_address",
    "duration",
    "method",
    "path",
    "protocol",
    "request_id",
    "requested_server_name",
    "response_code",
    "response_flags",
    "route_name",
    "start_time",
    "upstream_cluster",
    "upstream_host",
    "upstream_local_address",
    "upstream_service_time",
    "upstream_transport_failure_reason",
    "user_agent",
    "x_forwarded_for",
}


def manager_of(bootstrap: dict[str, Any]) -> dict[str, Any]:
    manager: dict[str, Any] = bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0][
        "typed_config"
    ]
    return manager


def cluster_of(bootstrap: dict[str, Any]) -> dict[str, Any]:
    cluster: dict[str, Any] = bootstrap["static_resources"]["clusters"][0]
    return cluster


def http_options(bootstrap: dict[str, Any]) -> dict[str, Any]:
    options = cluster_of(bootstrap)["typed_extension_protocol_options"]
    explicit: dict[str, Any] = options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]["explicit_http_config"]
    return explicit


def both(found: MeshPolicy) -> list[dict[str, Any]]:
    return [client_sidecar(SETTINGS, found), server_sidecar(SETTINGS, found)]


@pytest.mark.parametrize(
    ("overlay", "options"), [("http2", "http2_protocol_options"), ("http1", "http_protocol_options")]
)
def test_h2_upgrade_policy_acts_on_the_clients_cluster_alone(overlay: str, options: str) -> None:
    client, server = both(policy(overlay))
    assert list(http_options(client)) == [options]
    assert list(http_options(server)) == ["http_protocol_options"]


@pytest.mark.parametrize(("overlay", "accepted"), [("http2", True), ("http2-blocked", False)])
def test_allow_connect_acts_on_the_servers_connection_manager_alone(overlay: str, accepted: bool) -> None:
    client, server = both(policy(overlay))
    assert manager_of(server).get("http2_protocol_options", {}).get("allow_connect", False) is accepted
    assert "http2_protocol_options" not in manager_of(client)


def test_a_connection_pool_is_made_as_istio_makes_it() -> None:
    pool = ConnectionPool(
        h2_upgrade=True,
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
    client, server = both(MeshPolicy(pool))
    for bootstrap in (client, server):
        cluster = cluster_of(bootstrap)
        assert cluster["connect_timeout"] == "3s"
        assert list(cluster["circuit_breakers"]["thresholds"][0].values()) == [1, 2, 3, 4]
        (options,) = cluster["typed_extension_protocol_options"].values()
        assert options["common_http_protocol_options"] == {
            "idle_timeout": "60s",
            "max_requests_per_connection": 5,
            "max_connection_duration": "600s",
        }
    assert http_options(client) == {"http2_protocol_options": {"max_concurrent_streams": 6}}
    assert http_options(server) == {"http_protocol_options": {}}


def test_the_clients_protocol_is_passed_on_where_a_rule_says_so() -> None:
    for bootstrap in both(MeshPolicy(ConnectionPool(use_client_protocol=True))):
        (options,) = cluster_of(bootstrap)["typed_extension_protocol_options"].values()
        assert set(options["use_downstream_protocol_config"]) == {"http_protocol_options", "http2_protocol_options"}


def test_names_are_istios() -> None:
    client, server = both(policy("http2"))
    assert (
        cluster_of(client)["name"] == OUTBOUND_CLUSTER == "outbound|8080||websockets-server.wsbench.svc.cluster.local"
    )
    assert cluster_of(server)["name"] == INBOUND_CLUSTER == "inbound|80||"


@pytest.mark.parametrize("overlay", ["http1", "http2", "http2-blocked"])
def test_every_sidecar(overlay: str) -> None:
    for bootstrap in both(policy(overlay)):
        manager = manager_of(bootstrap)
        assert manager["stream_idle_timeout"] == "0s"
        assert manager["upgrade_configs"] == [{"upgrade_type": "websocket"}]
        assert manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["timeout"] == "0s"
        fields = manager["access_log"][0]["typed_config"]["log_format"]["json_format"]
        assert fields.keys() >= ARTICLE_FIELDS | {"response_code_details", "connection_termination_details"}
        assert set(cluster_of(bootstrap)["circuit_breakers"]["thresholds"][0].values()) == {4294967295}
        # Nothing listens beyond loopback.
        addresses = [part.split('"')[0] for part in json.dumps(bootstrap).split('"address": "')[1:]]
        assert set(addresses) == {"127.0.0.1"}


@pytest.mark.parametrize("overlay", ["http1", "http2", "http2-blocked"])
def test_the_same_settings_give_the_same_configuration_and_the_kernel_picks_every_port(overlay: str) -> None:
    assert json.dumps(both(policy(overlay))) == json.dumps(both(policy(overlay)))
    for bootstrap in both(policy(overlay)):
        places = [bootstrap["admin"], *bootstrap["static_resources"]["listeners"]]
        assert [place["address"]["socket_address"]["port_value"] for place in places] == [0, 0]


def test_the_server_sidecar_overwrites_what_a_client_says_of_the_hop() -> None:
    _, server = both(policy("http2"))
    (added,) = manager_of(server)["route_config"]["virtual_hosts"][0]["request_headers_to_add"]
    assert added["header"] == {"key": "x-wsbench-hop-protocol", "value": "%PROTOCOL%"}
    assert added["append_action"] == "OVERWRITE_IF_EXISTS_OR_ADD"
