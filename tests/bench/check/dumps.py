"""Configuration dumps shaped as Istio's sidecars show them."""

from __future__ import annotations

from typing import Any

_TYPES = "type.googleapis.com/envoy"
HOST = "echo.demo.svc.cluster.local"


def manager(stat_prefix: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{_TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": stat_prefix,
            "upgrade_configs": [{"upgrade_type": "websocket"}],
            **fields,
        },
    }


def routes(name: str, *clusters: str) -> dict[str, Any]:
    hosts = [{"name": of, "domains": ["*"], "routes": [{"route": {"cluster": of}}]} for of in clusters]
    return {"name": name, "virtual_hosts": hosts}


def cluster(name: str, options: dict[str, Any] | None) -> dict[str, Any]:
    if options is None:
        return {"cluster": {"name": name}}
    key = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {"cluster": {"name": name, "typed_extension_protocol_options": {key: options}}}


HTTP2: dict[str, Any] = {"explicit_http_config": {"http2_protocol_options": {}}}


def dump(*, allow_connect: bool = False) -> dict[str, Any]:
    """Of one Envoy that is both: a server's sidecar of port 80, and a client's of the port 8080 of two hosts."""
    extra = {"http2_protocol_options": {"allow_connect": True}} if allow_connect else {}
    inbound = manager("inbound_0.0.0.0_80", route_config=routes("inbound|80||", "inbound|80||"), **extra)
    outbound = manager("outbound_0.0.0.0_8080", rds={"route_config_name": "8080"})
    return {
        "configs": [
            {"@type": f"{_TYPES}.admin.v3.BootstrapConfigDump", "bootstrap": {}},
            {
                "@type": f"{_TYPES}.admin.v3.ClustersConfigDump",
                "static_clusters": [cluster("inbound|80||", None)],
                "dynamic_active_clusters": [
                    cluster(f"outbound|8080||{HOST}", HTTP2),
                    cluster("outbound|8080||other.demo.svc.cluster.local", {"explicit_http_config": {}}),
                    cluster("follows", {"use_downstream_protocol_config": {}}),
                    cluster("asks", {"auto_config": {}}),
                    cluster("quic", {"explicit_http_config": {"http3_protocol_options": {}}}),
                ],
            },
            {
                "@type": f"{_TYPES}.admin.v3.ListenersConfigDump",
                "static_listeners": [{"listener": {"name": "stats", "address": {}, "filter_chains": []}}],
                "dynamic_listeners": [
                    {
                        "name": "virtualInbound",
                        "active_state": {
                            "listener": {
                                "name": "virtualInbound",
                                "traffic_direction": "INBOUND",
                                "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15006}},
                                # In plain and with mutual TLS.
                                "filter_chains": [
                                    {"filter_chain_match": {"destination_port": 80}, "filters": [inbound]},
                                    {"filter_chain_match": {"destination_port": 80}, "filters": [inbound]},
                                ],
                                "default_filter_chain": {"filters": [{"name": "tcp", "typed_config": {"@type": "x"}}]},
                            }
                        },
                    },
                    {
                        "name": "0.0.0.0_8080",
                        "active_state": {
                            "listener": {
                                "name": "0.0.0.0_8080",
                                "traffic_direction": "OUTBOUND",
                                "address": {"socket_address": {"address": "0.0.0.0", "port_value": 8080}},
                                "default_filter_chain": {"filters": [outbound]},
                            }
                        },
                    },
                    {"name": "warming", "warming_state": {}},
                ],
            },
            {
                "@type": f"{_TYPES}.admin.v3.RoutesConfigDump",
                "dynamic_route_configs": [
                    {
                        "route_config": routes(
                            "8080", f"outbound|8080||{HOST}", "outbound|8080||other.demo.svc.cluster.local"
                        )
                    }
                ],
            },
        ]
    }
