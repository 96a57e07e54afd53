from typing import Any

import pytest

from tests.bench.samples import IDENTITIES
from wsbench.arms import HopProtocol, Transport
from wsbench.tls_config import ISTIO_ALPN, downstream, upstream

# (what the client offers, what the server accepts), as Istio and ztunnel have them.
ALPN: dict[tuple[Transport, HopProtocol], tuple[list[str], list[str]]] = {
    (Transport.MTLS, HopProtocol.HTTP1): (["istio-http/1.1", "istio", "http/1.1"], ["h2", "http/1.1"]),
    (Transport.MTLS, HopProtocol.HTTP2): (["istio-h2", "istio", "h2"], ["h2", "http/1.1"]),
    (Transport.HBONE, HopProtocol.HTTP2): (["h2"], ["h2"]),
    (Transport.QUIC, HopProtocol.HTTP3): (["h3"], ["h3"]),
}


def context(socket: dict[str, Any]) -> dict[str, Any]:
    config = socket["typed_config"]
    found: dict[str, Any] = config.get("upstream_tls_context") or config.get("downstream_tls_context") or config
    return found


@pytest.mark.parametrize("kind", ALPN)
def test_both_ends_name_their_protocols_and_agree_on_one(kind: tuple[Transport, HopProtocol]) -> None:
    transport, protocol = kind
    offered = context(upstream(transport, protocol, IDENTITIES.client))["common_tls_context"]["alpn_protocols"]
    accepted = context(downstream(transport, IDENTITIES.server))["common_tls_context"]["alpn_protocols"]
    assert (offered, accepted) == ALPN[kind]
    assert len(set(offered) & set(accepted)) == 1
    # By one of these Istio's permissive inbound knows a sidecar from a stranger.
    assert bool(set(offered) & set(ISTIO_ALPN)) is (transport is Transport.MTLS)


@pytest.mark.parametrize("kind", ALPN)
def test_each_end_shows_its_certificate_and_checks_the_others(kind: tuple[Transport, HopProtocol]) -> None:
    transport, protocol = kind
    client = context(upstream(transport, protocol, IDENTITIES.client))["common_tls_context"]
    server = context(downstream(transport, IDENTITIES.server))
    # Envoy before 1.40 refuses to be asked for that over QUIC.
    assert server.get("require_client_certificate", False) is (transport is not Transport.QUIC)
    expected = {"exact": "spiffe://cluster.local/ns/wsbench/sa/websockets-server"}
    for common, matcher in (
        (client, expected),
        (server["common_tls_context"], {"prefix": "spiffe://cluster.local/"}),
    ):
        assert common["tls_certificates"][0]["private_key"] == {"filename": "/somewhere/own.key"}
        validation = common["validation_context"]
        assert validation["trusted_ca"] == {"filename": "/somewhere/root-cert.pem"}
        assert validation["match_typed_subject_alt_names"] == [{"san_type": "URI", "matcher": matcher}]
        assert common["tls_params"]["tls_minimum_protocol_version"] == "TLSv1_2"


def test_the_server_name_is_istios() -> None:
    assert (
        context(upstream(Transport.MTLS, HopProtocol.HTTP2, IDENTITIES.client))["sni"]
        == "outbound_.8080_._.websockets-server.wsbench.svc.cluster.local"
    )
    assert "sni" not in context(upstream(Transport.HBONE, HopProtocol.HTTP2, IDENTITIES.client))
