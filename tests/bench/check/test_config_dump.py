from typing import Any

import pytest

from tests.bench.check.dumps import HOST, cluster, dump
from wsbench.check.config_dump import Upstream, read_config_dump


def test_managers_of_a_sidecar_in_istio() -> None:
    config = read_config_dump(dump())
    inbound, again, outbound = config.managers
    assert inbound == again
    assert inbound.in_words == 'listener "virtualInbound" (inbound), connection manager "inbound_0.0.0.0_80"'
    assert (inbound.inbound, inbound.allow_connect, inbound.websocket, inbound.ports) == (
        True,
        False,
        True,
        frozenset({80}),
    )
    assert (outbound.inbound, outbound.ports) == (False, frozenset({8080}))
    assert outbound.clusters == {f"outbound|8080||{HOST}", "outbound|8080||other.demo.svc.cluster.local"}
    assert read_config_dump(dump(allow_connect=True)).managers[0].allow_connect


def test_what_clusters_speak() -> None:
    assert read_config_dump(dump()).clusters == {
        "inbound|80||": Upstream.HTTP1,
        f"outbound|8080||{HOST}": Upstream.HTTP2,
        "outbound|8080||other.demo.svc.cluster.local": Upstream.HTTP1,
        "follows": Upstream.DOWNSTREAM,
        "asks": Upstream.AUTO,
        "quic": Upstream.HTTP3,
    }
    old = cluster("old", None)
    old["cluster"]["http2_protocol_options"] = {}
    content = {"configs": [{"@type": "x.ClustersConfigDump", "static_clusters": [old]}]}
    assert read_config_dump(content).clusters == {"old": Upstream.HTTP2}


def test_an_upgrade_may_be_switched_off_or_on_for_a_route() -> None:
    content = dump()
    listeners = content["configs"][2]["dynamic_listeners"][0]["active_state"]["listener"]["filter_chains"]
    inbound = listeners[0]["filters"][0]["typed_config"]
    inbound["upgrade_configs"] = [{"upgrade_type": "WebSocket", "enabled": False}]
    assert not read_config_dump(content).managers[0].websocket
    inbound["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["upgrade_configs"] = [
        {"upgrade_type": "websocket"}
    ]
    assert read_config_dump(content).managers[0].websocket


def test_a_listener_of_port_0_has_the_port_it_is_bound_to() -> None:
    content = dump()
    outbound = content["configs"][2]["dynamic_listeners"][1]["active_state"]["listener"]
    outbound["address"]["socket_address"]["port_value"] = 0
    assert read_config_dump(content, {"0.0.0.0_8080": 40123}).managers[2].ports == {40123}


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"configs": {}},
        {"configs": [1]},
        {"configs": [{"@type": ".ClustersConfigDump", "static_clusters": [{}]}]},
    ],
)
def test_what_is_no_config_dump(content: Any) -> None:
    with pytest.raises(ValueError, match="config dump"):
        read_config_dump(content)
