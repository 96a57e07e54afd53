"""Transport sockets of the hop: Istio's mTLS, HBONE's, and QUIC's.

Pure: from identities (paths of PEM files) to plain data. Istio's side of it: pilot/pkg/networking/core,
``cluster_tls.go`` (outbound) and ``filterchain_options.go`` (which inbound filter chain takes which connection); and
pilot/pkg/security/authn/utils (inbound). Files stand in for its secret discovery service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsbench.arms import HopProtocol, Transport
from wsbench.mesh_policy import HOST, SERVER_SPIFFE_ID, SERVICE_PORT, TRUST_DOMAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsbench.identities import Identity

ISTIO_ALPN = ("istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2")
"""What a client's sidecar may offer; Istio's permissive inbound takes a connection for mTLS by one of these."""

SNI = f"outbound_.{SERVICE_PORT}_._.{HOST}"

_TYPES = "type.googleapis.com/envoy.extensions.transport_sockets"
_VERSIONS = {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}
# SupportedCiphers of utils.go: for TLS 1.2 alone, the suites of 1.3 are not configurable in Envoy.
_CIPHERS = [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
]
# Outbound, what Istio's own filter ``istio.alpn`` writes over the cluster's list (istio/proxy, source/extensions/
# filters/http/alpn): Envoy as released has no such filter, and between sidecars it always comes to these.
_OUTBOUND_ALPN = {
    HopProtocol.HTTP1: ["istio-http/1.1", "istio", "http/1.1"],
    HopProtocol.HTTP2: ["istio-h2", "istio", "h2"],
}


def upstream(transport: Transport, protocol: HopProtocol, identity: Identity) -> dict[str, Any]:
    """The socket of the client's end, which accepts nobody but the server's service account."""
    expected = {"exact": SERVER_SPIFFE_ID}
    if transport is Transport.QUIC:
        context = {"sni": HOST, "common_tls_context": _common(identity, expected, ["h3"])}
        return _socket("quic", "quic.v3.QuicUpstreamTransport", {"upstream_tls_context": context})
    if transport is Transport.HBONE:
        context = {"common_tls_context": _common(identity, expected, ["h2"])}
    else:
        context = {"sni": SNI, "common_tls_context": _common(identity, expected, _OUTBOUND_ALPN[protocol])}
    return _socket("tls", "tls.v3.UpstreamTlsContext", context)


def downstream(transport: Transport, identity: Identity) -> dict[str, Any]:
    """The socket of the server's end, which accepts any identity of its trust domain and nobody without one.

    Over QUIC a client without one is accepted: Envoy cannot ask for it before 1.40, and refuses a configuration that
    does. From 1.40 on a certificate that is shown is checked.
    """
    alpn = {Transport.QUIC: ["h3"], Transport.HBONE: ["h2"]}.get(transport, ["h2", "http/1.1"])
    common = _common(identity, {"prefix": f"spiffe://{TRUST_DOMAIN}/"}, alpn)
    if transport is Transport.QUIC:
        context = {"downstream_tls_context": {"common_tls_context": common}}
        return _socket("quic", "quic.v3.QuicDownstreamTransport", context)
    common["tls_params"] = {**_VERSIONS, "cipher_suites": _CIPHERS}
    return _socket(
        "tls", "tls.v3.DownstreamTlsContext", {"require_client_certificate": True, "common_tls_context": common}
    )


def _socket(name: str, of_type: str, context: dict[str, Any]) -> dict[str, Any]:
    return {"name": f"envoy.transport_sockets.{name}", "typed_config": {"@type": f"{_TYPES}.{of_type}", **context}}


def _common(identity: Identity, peer: dict[str, str], alpn: Sequence[str]) -> dict[str, Any]:
    return {
        "tls_params": dict(_VERSIONS),
        "tls_certificates": [
            {
                "certificate_chain": {"filename": str(identity.certificate)},
                "private_key": {"filename": str(identity.key)},
            }
        ],
        "validation_context": {
            "trusted_ca": {"filename": str(identity.authority)},
            "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": peer}],
        },
        "alpn_protocols": list(alpn),
    }
