"""Envoy bootstrap configurations, shaped as Istio shapes a sidecar's.

Pure: from frozen settings to plain data, the same every time. Names, timeouts and the access log follow Istio
(pilot/pkg/networking/core: ``listener_builder.go``, ``listener_inbound.go``; and pilot/pkg/model/telemetry_logging.go);
what an arm changes is only the hop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wsbench import tls_config
from wsbench.arms import HopProtocol, Transport
from wsbench.cluster_config import cluster, loopback
from wsbench.mesh_policy import CONTAINER_PORT, HOST, NAMESPACE, SERVICE_PORT, Direction

if TYPE_CHECKING:
    from wsbench.identities import Identities
    from wsbench.mesh_policy import MeshPolicy

OUTBOUND_CLUSTER = f"outbound|{SERVICE_PORT}||{HOST}"
INBOUND_CLUSTER = f"inbound|{CONTAINER_PORT}||"
OUTBOUND_STAT_PREFIX = f"outbound_0.0.0.0_{SERVICE_PORT}"
INBOUND_STAT_PREFIX = f"inbound_0.0.0.0_{CONTAINER_PORT}"
LISTENER = "websockets"
HOP_PROTOCOL_HEADER = "x-wsbench-hop-protocol"

_TYPES = "type.googleapis.com/envoy"

# The fields of the article's log lines, the two that Istio has added since (EnvoyJSONLogFormatIstio), and four of our
# own that say what carries the hop: as the server's sidecar sees its downstream, and the client's its upstream.
_ACCESS_LOG_FIELDS = {
    "authority": "%REQ(:AUTHORITY)%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_peer_uri_san": "%DOWNSTREAM_PEER_URI_SAN%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "downstream_tls_version": "%DOWNSTREAM_TLS_VERSION%",
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
    "upstream_protocol": "%UPSTREAM_PROTOCOL%",
    "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "upstream_tls_version": "%UPSTREAM_TLS_VERSION%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "user_agent": "%REQ(USER-AGENT)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
}


@dataclass(frozen=True, slots=True)
class SidecarSettings:
    """Where a sidecar writes its access log, and the loopback port that it sends on to."""

    access_log: str
    upstream_port: int


@dataclass(frozen=True, slots=True)
class Hop:
    """What the sidecars of an arm have to agree on. ``identities`` may be None where the hop is plaintext."""

    policy: MeshPolicy
    transport: Transport = Transport.PLAINTEXT
    identities: Identities | None = None

    @property
    def protocol(self) -> HopProtocol:
        """What the client's sidecar will speak, which may be contrary to what the arm claims."""
        if self.transport is Transport.QUIC:
            return HopProtocol.HTTP3
        if self.transport is Transport.HBONE or self.policy.pool.h2_upgrade:
            return HopProtocol.HTTP2
        return HopProtocol.HTTP1

    @property
    def upstream_socket(self) -> dict[str, Any] | None:
        """The client's end; None for plaintext."""
        if self.identities is None:
            return None
        return tls_config.upstream(self.transport, self.protocol, self.identities.client)

    @property
    def downstream_socket(self) -> dict[str, Any] | None:
        """The server's end; None for plaintext."""
        return None if self.identities is None else tls_config.downstream(self.transport, self.identities.server)


def client_sidecar(settings: SidecarSettings, hop: Hop) -> dict[str, Any]:
    """The sidecar beside the driver: outbound listener, and the cluster that ``h2UpgradePolicy`` acts on."""
    if hop.transport is Transport.HBONE:
        network_filter = _tunnelling_proxy(settings.access_log)
    else:
        route = {"name": "default", "match": {"prefix": "/"}, "route": {"cluster": OUTBOUND_CLUSTER, "timeout": "0s"}}
        manager = _manager(OUTBOUND_STAT_PREFIX, settings.access_log, _virtual_host(OUTBOUND_CLUSTER, route))
        network_filter = _manager_filter(hop.policy.patched(manager, Direction.OUTBOUND))
    return _bootstrap(
        node="client-sidecar",
        listener=_listener(Direction.OUTBOUND, [{"filters": [network_filter]}]),
        clusters=[
            cluster(OUTBOUND_CLUSTER, settings.upstream_port, hop.policy.pool, hop.protocol, hop.upstream_socket)
        ],
    )


def server_sidecar(settings: SidecarSettings, hop: Hop) -> dict[str, Any]:
    """The sidecar beside the echo server: inbound listener, which accepts CONNECT only if a patch says so.

    It tells the server which protocol the hop spoke, in a header that replaces whatever the client may have sent.
    """
    if hop.transport is Transport.HBONE:
        manager = _terminating_manager(settings.access_log)
    else:
        manager = hop.policy.patched(_inbound_manager(settings.access_log, hop), Direction.INBOUND)
    return _bootstrap(
        node="server-sidecar",
        listener=_listener(
            Direction.INBOUND, _inbound_chains(_manager_filter(manager), hop), quic=hop.transport is Transport.QUIC
        ),
        clusters=[cluster(INBOUND_CLUSTER, settings.upstream_port, hop.policy.pool, HopProtocol.HTTP1)],
    )


def _bootstrap(node: str, listener: dict[str, Any], clusters: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "node": {"id": node, "cluster": NAMESPACE},
        # Port 0: the kernel picks, Envoy tells. No port is looked for first and lost to somebody else meanwhile.
        "admin": {"address": loopback(0)},
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }


# -- listeners


def _listener(direction: Direction, chains: list[dict[str, Any]], *, quic: bool = False) -> dict[str, Any]:
    listener: dict[str, Any] = {
        "name": LISTENER,
        "traffic_direction": direction.upper(),
        "address": loopback(0, "UDP" if quic else "TCP"),
        "filter_chains": chains,
    }
    if quic:
        listener["udp_listener_config"] = {"quic_options": {}, "downstream_socket_config": {"prefer_gro": True}}
    if any("filter_chain_match" in chain for chain in chains):
        listener["listener_filters"] = [
            {
                "name": "envoy.filters.listener.tls_inspector",
                "typed_config": {"@type": f"{_TYPES}.extensions.filters.listener.tls_inspector.v3.TlsInspector"},
            }
        ]
    return listener


def _inbound_chains(network_filter: dict[str, Any], hop: Hop) -> list[dict[str, Any]]:
    """Istio's permissive inbound where the hop is mTLS: by what a client offers, mTLS or plaintext."""
    chain: dict[str, Any] = {"filters": [network_filter]}
    socket = hop.downstream_socket
    if socket is None:
        return [chain]
    encrypted = {**chain, "transport_socket": socket}
    if hop.transport is not Transport.MTLS:
        return [encrypted]
    by_alpn = {"transport_protocol": "tls", "application_protocols": list(tls_config.ISTIO_ALPN)}
    return [
        {"name": f"{INBOUND_STAT_PREFIX}_mtls", "filter_chain_match": by_alpn, **encrypted},
        {
            "name": f"{INBOUND_STAT_PREFIX}_plaintext",
            "filter_chain_match": {"transport_protocol": "raw_buffer"},
            **chain,
        },
    ]


# -- network filters


def _inbound_manager(access_log: str, hop: Hop) -> dict[str, Any]:
    route = {"name": "default", "match": {"prefix": "/"}, "route": {"cluster": INBOUND_CLUSTER, "timeout": "0s"}}
    host = _virtual_host(INBOUND_CLUSTER, route)
    host["request_headers_to_add"] = [
        {
            "header": {"key": HOP_PROTOCOL_HEADER, "value": "%PROTOCOL%"},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        }
    ]
    manager = _manager(INBOUND_STAT_PREFIX, access_log, host)
    if hop.transport is Transport.QUIC:
        manager |= {"codec_type": "HTTP3", "http3_protocol_options": {"allow_extended_connect": True}}
    return manager


def _terminating_manager(access_log: str) -> dict[str, Any]:
    """The end of an HBONE tunnel (Istio: ``buildConnectTerminateListener``, and ztunnel's inbound)."""
    upgrade: dict[str, Any] = {"upgrade_type": "CONNECT"}
    route = {
        "name": "default",
        "match": {"connect_matcher": {}},
        "route": {"cluster": INBOUND_CLUSTER, "timeout": "0s", "upgrade_configs": [{**upgrade, "connect_config": {}}]},
    }
    return {
        **_manager(INBOUND_STAT_PREFIX, access_log, _virtual_host(INBOUND_CLUSTER, route)),
        "upgrade_configs": [upgrade],
        "http2_protocol_options": {"allow_connect": True},
    }


def _tunnelling_proxy(access_log: str) -> dict[str, Any]:
    """The beginning of an HBONE tunnel: every TCP connection a CONNECT for where it was going."""
    return {
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": f"{_TYPES}.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": OUTBOUND_STAT_PREFIX,
            "cluster": OUTBOUND_CLUSTER,
            "tunneling_config": {"hostname": f"{HOST}:{CONTAINER_PORT}"},
            # Istio's default for TCP is an hour (ztunnel has none): a WebSocket that says nothing is not to be cut.
            "idle_timeout": "0s",
            "access_log": [_access_log(access_log)],
        },
    }


def _manager_filter(manager: dict[str, Any]) -> dict[str, Any]:
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def _manager(stat_prefix: str, access_log: str, virtual_host: dict[str, Any]) -> dict[str, Any]:
    return {
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
        "route_config": {"name": stat_prefix, "virtual_hosts": [virtual_host], "validate_clusters": True},
    }


def _virtual_host(name: str, route: dict[str, Any]) -> dict[str, Any]:
    # No retry policy: a repeated upgrade would hide in the latency, and as a second line and count. Istio's default
    # one (connect-failure, refused-stream, ...; 2 retries) does not retry the trap's reset: it is 503 all the same.
    return {"name": name, "domains": ["*"], "routes": [route]}


def _access_log(path: str) -> dict[str, Any]:
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": f"{_TYPES}.extensions.access_loggers.file.v3.FileAccessLog",
            "path": path,
            "log_format": {"json_format": _ACCESS_LOG_FIELDS},
        },
    }
