"""Envoy clusters, shaped as Istio shapes a sidecar's: what an Envoy sends on to, and how.

Pure. Istio's side of it: ``pilot/pkg/networking/core/cluster_traffic_policy.go``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsbench.arms import HopProtocol

if TYPE_CHECKING:
    from wsbench.mesh_policy import ConnectionPool

_HOP_IDLE_TIMEOUT = "0.5s"
_UNLIMITED = 4294967295
_TYPES = "type.googleapis.com/envoy"


def loopback(port: int, protocol: str = "TCP") -> dict[str, Any]:
    """An address on 127.0.0.1; port 0 to listen on is the kernel's choice."""
    address: dict[str, Any] = {"address": "127.0.0.1", "port_value": port}
    return {"socket_address": address if protocol == "TCP" else {"protocol": protocol, **address}}


def cluster(
    name: str, port: int, pool: ConnectionPool, protocol: HopProtocol, transport_socket: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A cluster of one endpoint on loopback."""
    content = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": pool.connect_timeout or "10s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": loopback(port)}}]}],
        },
        # Istio's defaults: without them the 1,025th WebSocket would be refused.
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": pool.max_connections or _UNLIMITED,
                    "max_pending_requests": pool.max_pending_requests or _UNLIMITED,
                    "max_requests": pool.max_requests or _UNLIMITED,
                    "max_retries": pool.max_retries or _UNLIMITED,
                }
            ]
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": _common_options(pool),
                **_protocol(pool, protocol),
            }
        },
    }
    return content if transport_socket is None else {**content, "transport_socket": transport_socket}


def _common_options(pool: ConnectionPool) -> dict[str, Any]:
    # An hour by default: the next trial's first WebSocket would find the last one's HTTP/2 connection, and what a
    # tunnel costs that has to be opened would never be seen. No stream is cut by this.
    options: dict[str, Any] = {"idle_timeout": pool.idle_timeout or _HOP_IDLE_TIMEOUT}
    if pool.max_requests_per_connection is not None:
        options["max_requests_per_connection"] = pool.max_requests_per_connection
    if pool.max_connection_duration is not None:
        options["max_connection_duration"] = pool.max_connection_duration
    return options


def _protocol(pool: ConnectionPool, protocol: HopProtocol) -> dict[str, Any]:
    if pool.use_client_protocol:
        return {"use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}}
    if protocol is HopProtocol.HTTP1:
        return {"explicit_http_config": {"http_protocol_options": {}}}
    if protocol is HopProtocol.HTTP3:
        # RFC 9220: both ends have to say so (SETTINGS_ENABLE_CONNECT_PROTOCOL).
        return {"explicit_http_config": {"http3_protocol_options": {"allow_extended_connect": True}}}
    streams = pool.max_concurrent_streams
    return {"explicit_http_config": {"http2_protocol_options": {"max_concurrent_streams": streams} if streams else {}}}
