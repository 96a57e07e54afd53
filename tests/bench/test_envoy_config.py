import json
from typing import Any

import pytest

from wsbench.arms import ARMS, HopPolicy
from wsbench.envoy_config import INBOUND_CLUSTER, OUTBOUND_CLUSTER, SidecarSettings, client_sidecar, server_sidecar

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


def both(hop: HopPolicy) -> list[dict[str, Any]]:
    return [client_sidecar(SETTINGS, hop), server_sidecar(SETTINGS, hop)]


@pytest.mark.parametrize(
    ("h2_upgrade", "options"), [(True, "http2_protocol_options"), (False, "http_protocol_options")]
)
def test_h2_upgrade_policy_acts_on_the_clients_cluster_alone(h2_upgrade: bool, options: str) -> None:
    client, server = both(HopPolicy(h2_upgrade=h2_upgrade, allow_connect=True))
    assert list(http_options(client)) == [options]
    assert list(http_options(server)) == ["http_protocol_options"]


@pytest.mark.parametrize("allow_connect", [True, False])
def test_allow_connect_acts_on_the_servers_connection_manager_alone(allow_connect: bool) -> None:
    client, server = both(HopPolicy(h2_upgrade=True, allow_connect=allow_connect))
    assert manager_of(server)["http2_protocol_options"].get("allow_connect", False) is allow_connect
    assert "http2_protocol_options" not in manager_of(client)


def test_names_are_istios() -> None:
    client, server = both(HopPolicy(h2_upgrade=True, allow_connect=True))
    assert (
        cluster_of(client)["name"] == OUTBOUND_CLUSTER == "outbound|8080||websockets-server.wsbench.svc.cluster.local"
    )
    assert cluster_of(server)["name"] == INBOUND_CLUSTER == "inbound|80||"


@pytest.mark.parametrize("arm", [arm for arm in ARMS.values() if arm.hop], ids=lambda arm: arm.name)
def test_every_sidecar(arm: Any) -> None:
    for bootstrap in both(arm.hop):
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


@pytest.mark.parametrize("arm", [arm for arm in ARMS.values() if arm.hop], ids=lambda arm: arm.name)
def test_the_same_settings_give_the_same_configuration_and_the_kernel_picks_every_port(arm: Any) -> None:
    assert json.dumps(both(arm.hop)) == json.dumps(both(arm.hop))
    for bootstrap in both(arm.hop):
        places = [bootstrap["admin"], *bootstrap["static_resources"]["listeners"]]
        assert [place["address"]["socket_address"]["port_value"] for place in places] == [0, 0]


def test_the_server_sidecar_overwrites_what_a_client_says_of_the_hop() -> None:
    _, server = both(HopPolicy(h2_upgrade=True, allow_connect=True))
    (added,) = manager_of(server)["route_config"]["virtual_hosts"][0]["request_headers_to_add"]
    assert added["header"] == {"key": "x-wsbench-hop-protocol", "value": "%PROTOCOL%"}
    assert added["append_action"] == "OVERWRITE_IF_EXISTS_OR_ADD"
