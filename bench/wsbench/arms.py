"""The arms: the ways for a message to travel, and what each claims its hop to speak.

An arm is data. What differs between sidecar arms is the hop alone. Between Istio's sidecars the hop is what the
manifests of the arm's overlay (``k8s/overlays``) make of it, in a cluster and in the lab: ``h2UpgradePolicy``
(DestinationRule, acts on the client sidecar's outbound cluster) and ``allow_connect`` (EnvoyFilter, acts on the server
sidecar's inbound connection manager). No manifest makes a hop HBONE or HTTP/3: those arms have no overlay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MTLS_SUFFIX = "+mtls"
_ON = "@"


class HopProtocol(StrEnum):
    """What the hop speaks, in the words of Envoy's ``%PROTOCOL%`` access log operator."""

    HTTP1 = "HTTP/1.1"
    HTTP2 = "HTTP/2"
    HTTP3 = "HTTP/3"


class Transport(StrEnum):
    """What carries the hop's protocol.

    ``MTLS`` is Istio's auto mTLS. ``HBONE`` is mTLS as well, and each stream of the hop is a plain CONNECT that carries
    the bytes of a TCP connection, whatever is spoken in it. ``QUIC`` is TLS 1.3 over UDP; Envoy checks a
    client's certificate there only since 1.40.
    """

    PLAINTEXT = "plaintext"
    MTLS = "mTLS"
    HBONE = "HBONE"
    QUIC = "QUIC"


class Sidecars(StrEnum):
    """Where proxies are, in the words of Istio's performance tests."""

    NONE = "none"
    BOTH = "both"
    CLIENT_ONLY = "clientonly"
    SERVER_ONLY = "serveronly"

    @property
    def at_client(self) -> bool:
        """Whether the client has one."""
        return self in (Sidecars.BOTH, Sidecars.CLIENT_ONLY)

    @property
    def at_server(self) -> bool:
        """Whether the server has one."""
        return self in (Sidecars.BOTH, Sidecars.SERVER_ONLY)


class Outcome(StrEnum):
    """What became of an arm in a run: it has figures, it was refused as it claims, or it was given up."""

    MEASURED = "measured"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Claim:
    """What an arm says of its hop. ``hop_protocol`` is None where there is no hop.

    ``refused_status`` is the HTTP status every upgrade is expected to be refused with; None where WebSockets are
    expected to open.
    """

    hop_protocol: HopProtocol | None
    refused_status: int | None = None
    transport: Transport = Transport.PLAINTEXT
    sidecars: Sidecars = Sidecars.BOTH

    @property
    def encrypted(self) -> bool:
        """Whether the hop is under TLS."""
        return self.transport is not Transport.PLAINTEXT

    @property
    def opened_status(self) -> int:
        """The status with which the hop's stream of a WebSocket opens, in the log of the server's sidecar.

        101 for an upgrade, as Envoy writes it whatever the hop speaks; 200 for HBONE's CONNECT (RFC 9110, 9.3.6).
        """
        return 200 if self.transport is Transport.HBONE else 101

    @property
    def told_in_handshake(self) -> bool:
        """Whether the server's sidecar reads the handshake, and so can tell the hop's protocol in its header."""
        return self.sidecars.at_server and self.transport is not Transport.HBONE


@dataclass(frozen=True, slots=True)
class Arm:
    """One way for a message to travel. ``overlay`` names its manifests; None where none has anything to say.

    ``envoy_version`` is that of its sidecars where it was asked for, None for the Envoy that is at hand.
    """

    name: str
    claim: Claim
    overlay: str | None
    summary: str
    envoy_version: str | None = None

    @property
    def has_sidecars(self) -> bool:
        """Whether any proxy is in the way."""
        return self.claim.sidecars is not Sidecars.NONE

    def on(self, version: str, *, named: bool) -> Arm:
        """The same with sidecars of this version, which is in its name where it is ``named``: ``http2@1.36.2``."""
        return replace(self, name=name_of(self.name, version if named else ""), envoy_version=version)


def way_of(name: str) -> str:
    """The name of an arm without the version of its sidecars."""
    return name.partition(_ON)[0]


def version_of(name: str) -> str:
    """The version of its sidecars in an arm's name; empty where there is none."""
    return name.partition(_ON)[2]


def name_of(way: str, version: str) -> str:
    """The name of a way with sidecars of this version; empty where the version is not told."""
    return f"{way}{_ON}{version}" if version else way


def _arms() -> tuple[Arm, ...]:
    upgrade = Arm(
        "http1",
        Claim(HopProtocol.HTTP1),
        "http1",
        "two sidecars, the hop an HTTP/1.1 upgrade (h2UpgradePolicy: DO_NOT_UPGRADE)",
    )
    tunnel = Arm(
        "http2",
        Claim(HopProtocol.HTTP2),
        "http2",
        "two sidecars, the WebSocket a stream of a shared HTTP/2 connection (UPGRADE and allow_connect)",
    )
    return (
        Arm("direct", Claim(None, sidecars=Sidecars.NONE), None, "driver to echo server, no proxy: the floor"),
        upgrade,
        tunnel,
        Arm(
            "http2-blocked",
            Claim(HopProtocol.HTTP2, refused_status=503),
            "http2-blocked",
            "the trap: UPGRADE without allow_connect; every upgrade is expected to be refused with 503",
        ),
        *(
            Arm(
                f"{arm.name}{MTLS_SUFFIX}",
                Claim(arm.claim.hop_protocol, transport=Transport.MTLS),
                arm.overlay,
                f"{arm.summary}, under Istio's mTLS",
            )
            for arm in (upgrade, tunnel)
        ),
        Arm(
            "hbone",
            Claim(HopProtocol.HTTP2, transport=Transport.HBONE),
            None,
            "ambient: two layer-4 proxies, the connection's bytes in an HTTP/2 CONNECT stream under mTLS",
        ),
        Arm(
            "http3",
            Claim(HopProtocol.HTTP3, transport=Transport.QUIC),
            None,
            "two sidecars, the WebSocket a stream of a shared HTTP/3 connection (RFC 9220); no mesh offers it",
        ),
        Arm(
            "clientonly",
            Claim(HopProtocol.HTTP1, sidecars=Sidecars.CLIENT_ONLY),
            "http1",
            "a sidecar at the client alone, the hop an HTTP/1.1 upgrade",
        ),
        Arm(
            "serveronly",
            Claim(HopProtocol.HTTP1, sidecars=Sidecars.SERVER_ONLY),
            "http1",
            "a sidecar at the server alone, the hop an HTTP/1.1 upgrade",
        ),
    )


ARMS: Mapping[str, Arm] = MappingProxyType({arm.name: arm for arm in _arms()})
