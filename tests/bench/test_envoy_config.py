import json
from typing import Any

import pytest

from tests.bench.samples import IDENTITIES, policy
from wsbench.arms import Transport
from wsbench.envoy_config import INBOUND_CLUSTER, OUTBOUND_CLUSTER, Hop, SidecarSettings, client_sidecar, server_sidecar
from wsbench.mesh_policy import MeshPolicy

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


def both(found: MeshPolicy, transport: Transport = Transport.PLAINTEXT) -> list[dict[str, Any]]:
    hop = Hop(found, transport, None if transport is Transport.PLAINTEXT else IDENTITIES)
    return [client_sidecar(SETTINGS, hop), server_sidecar(SETTINGS, hop)]


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


@pytest.mark.parametrize("overlay", ["http1", "http2"])
def test_under_mtls_the_inbound_takes_sidecars_and_strangers_and_patches_both(overlay: str) -> None:
    client, server = both(policy(overlay), Transport.MTLS)
    (listener,) = server["static_resources"]["listeners"]
    assert [part["name"] for part in listener["listener_filters"]] == ["envoy.filters.listener.tls_inspector"]
    encrypted, plaintext = listener["filter_chains"]
    assert encrypted["filter_chain_match"]["transport_protocol"] == "tls"
    assert "istio-h2" in encrypted["filter_chain_match"]["application_protocols"]
    assert plaintext["filter_chain_match"] == {"transport_protocol": "raw_buffer"}
    assert "transport_socket" in encrypted
    assert "transport_socket" not in plaintext
    assert encrypted["filters"] == plaintext["filters"]
    assert manager_of(server).get("http2_protocol_options", {}).get("allow_connect", False) is (overlay == "http2")
    assert "transport_socket" in cluster_of(client)
    assert "transport_socket" not in cluster_of(server)


def test_http3_is_a_udp_listener_and_both_ends_accept_extended_connect() -> None:
    client, server = both(MeshPolicy(), Transport.QUIC)
    address = server["static_resources"]["listeners"][0]["address"]["socket_address"]
    assert (address["protocol"], address["address"], address["port_value"]) == ("UDP", "127.0.0.1", 0)
    assert "protocol" not in client["static_resources"]["listeners"][0]["address"]["socket_address"]
    assert manager_of(server)["http3_protocol_options"] == {"allow_extended_connect": True}
    assert http_options(client) == {"http3_protocol_options": {"allow_extended_connect": True}}


def test_hbone_is_a_connect_for_the_workloads_own_port() -> None:
    client, server = both(MeshPolicy(), Transport.HBONE)
    proxy = manager_of(client)
    assert proxy["@type"].endswith("tcp_proxy.v3.TcpProxy")
    assert proxy["tunneling_config"] == {"hostname": "websockets-server.wsbench.svc.cluster.local:80"}
    manager = manager_of(server)
    (route,) = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert route["match"] == {"connect_matcher": {}}
    assert manager["upgrade_configs"] == [{"upgrade_type": "CONNECT"}]
    assert list(http_options(client)) == ["http2_protocol_options"]
    # Of layer 4: it has no header to write what the hop spoke into.
    assert "request_headers_to_add" not in manager["route_config"]["virtual_hosts"][0]
