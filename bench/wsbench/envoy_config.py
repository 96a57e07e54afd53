"""Envoy bootstrap configurations, shaped as Istio shapes a sidecar's.

Pure: from frozen settings to plain data, the same every time. Names, circuit breakers, timeouts and the access log
follow Istio (pilot/pkg/networking/core: ``listener_builder.go``, ``cluster_traffic_policy.go``; and
pilot/pkg/model/telemetry_logging.go); what an arm changes is only the hop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wsbench.mesh_policy import CONTAINER_PORT, HOST, NAMESPACE, SERVICE_PORT, Direction

if TYPE_CHECKING:
    from wsbench.mesh_policy import ConnectionPool, MeshPolicy

OUTBOUND_CLUSTER = f"outbound|{SERVICE_PORT}||{HOST}"
INBOUND_CLUSTER = f"inbound|{CONTAINER_PORT}||"
OUTBOUND_STAT_PREFIX = f"outbound_0.0.0.0_{SERVICE_PORT}"
INBOUND_STAT_PREFIX = f"inbound_0.0.0.0_{CONTAINER_PORT}"
LISTENER = "websockets"
HOP_PROTOCOL_HEADER = "x-wsbench-hop-protocol"

_HOP_IDLE_TIMEOUT = "0.5s"
_UNLIMITED = 4294967295
_TYPES = "type.googleapis.com/envoy"

# The fields of the article's log lines, and the two that Istio has added since (EnvoyJSONLogFormatIstio).
_ACCESS_LOG_FIELDS = {
    "authority": "%REQ(:AUTHORITY)%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "duration": "%DURATION%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "response_code": "%RESPONSE_CODE%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "response_flags": "%RESPONSE_FLAGS%",
    "route_name": "%ROUTE_NAME%",
    "start_time": "%START_TIME%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "user_agent": "%REQ(USER-AGENT)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
}


@dataclass(frozen=True, slots=True)
class SidecarSettings:
    """Where a sidecar writes its access log, and the loopback port that it sends on to."""

    access_log: str
    upstream_port: int


def client_sidecar(settings: SidecarSettings, policy: MeshPolicy) -> dict[str, Any]:
    """The sidecar beside the driver: outbound listener, and the cluster that ``h2UpgradePolicy`` acts on."""
    return _bootstrap(
        node="client-sidecar",
        listener=_listener(
            policy,
            Direction.OUTBOUND,
            stat_prefix=OUTBOUND_STAT_PREFIX,
            cluster=OUTBOUND_CLUSTER,
            access_log=settings.access_log,
            request_headers={},
        ),
        cluster=_cluster(OUTBOUND_CLUSTER, settings.upstream_port, policy.pool, http2=policy.pool.h2_upgrade),
    )


def server_sidecar(settings: SidecarSettings, policy: MeshPolicy) -> dict[str, Any]:
    """The sidecar beside the echo server: inbound listener, which accepts CONNECT only if a patch says so.

    It tells the server which protocol the hop spoke, in a header that replaces whatever the client may have sent.
    """
    return _bootstrap(
        node="server-sidecar",
        listener=_listener(
            policy,
            Direction.INBOUND,
            stat_prefix=INBOUND_STAT_PREFIX,
            cluster=INBOUND_CLUSTER,
            access_log=settings.access_log,
            request_headers={HOP_PROTOCOL_HEADER: "%PROTOCOL%"},
        ),
        cluster=_cluster(INBOUND_CLUSTER, settings.upstream_port, policy.pool, http2=False),
    )


def _bootstrap(node: str, listener: dict[str, Any], cluster: dict[str, Any]) -> dict[str, Any]:
    return {
        "node": {"id": node, "cluster": NAMESPACE},
        # Port 0: the kernel picks, Envoy tells. No port is looked for first and lost to somebody else meanwhile.
        "admin": {"address": _loopback(0)},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


def _listener(
    policy: MeshPolicy,
    direction: Direction,
    *,
    stat_prefix: str,
    cluster: str,
    access_log: str,
    request_headers: dict[str, str],
) -> dict[str, Any]:
    manager = {
        "@type": f"{_TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": stat_prefix,
        "codec_type": "AUTO",
        # Istio sets both: a WebSocket that says nothing for a while is not to be cut.
        "stream_idle_timeout": "0s",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "access_log": [_access_log(access_log)],
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_TYPES}.extensions.filters.http.router.v3.Router"},
            }
        ],
        "route_config": {
            "name": stat_prefix,
            "virtual_hosts": [_virtual_host(cluster, request_headers)],
            "validate_clusters": True,
        },
    }
    return {
        "name": LISTENER,
        "traffic_direction": direction.upper(),
        "address": _loopback(0),
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": policy.patched(manager, direction),
                    }
                ]
            }
        ],
    }


def _virtual_host(cluster: str, request_headers: dict[str, str]) -> dict[str, Any]:
    return {
        "name": cluster,
        "domains": ["*"],
        "request_headers_to_add": [
            {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for key, value in request_headers.items()
        ],
        # No retry policy: a repeated upgrade would hide in the latency, and as a second line and count. Istio's default
        # one (connect-failure, refused-stream, ...; 2 retries) does not retry the trap's reset: it is 503 all the same.
        "routes": [{"name": "default", "match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s"}}],
    }


def _access_log(path: str) -> dict[str, Any]:
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": f"{_TYPES}.extensions.access_loggers.file.v3.FileAccessLog",
            "path": path,
            "log_format": {"json_format": _ACCESS_LOG_FIELDS},
        },
    }


def _cluster(name: str, port: int, pool: ConnectionPool, *, http2: bool) -> dict[str, Any]:
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": pool.connect_timeout or "10s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _loopback(port)}}]}],
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
                **_protocol(pool, http2=http2),
            }
        },
    }


def _common_options(pool: ConnectionPool) -> dict[str, Any]:
    # An hour by default: the next trial's first WebSocket would find the last one's HTTP/2 connection, and what a
    # tunnel costs that has to be opened would never be seen. No stream is cut by this.
    options: dict[str, Any] = {"idle_timeout": pool.idle_timeout or _HOP_IDLE_TIMEOUT}
    if pool.max_requests_per_connection is not None:
        options["max_requests_per_connection"] = pool.max_requests_per_connection
    if pool.max_connection_duration is not None:
        options["max_connection_duration"] = pool.max_connection_duration
    return options


def _protocol(pool: ConnectionPool, *, http2: bool) -> dict[str, Any]:
    if pool.use_client_protocol:
        return {"use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}}
    if not http2:
        return {"explicit_http_config": {"http_protocol_options": {}}}
    streams = pool.max_concurrent_streams
    return {"explicit_http_config": {"http2_protocol_options": {"max_concurrent_streams": streams} if streams else {}}}


def _loopback(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
