"""The arms: the ways for a message to travel, and what each claims its hop to speak.

An arm is data. What differs between sidecar arms is the hop alone, and the hop is described in Istio's two words:
``h2UpgradePolicy`` (DestinationRule, acts on the client sidecar's outbound cluster) and ``allow_connect``
(EnvoyFilter, acts on the server sidecar's inbound connection manager).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class HopProtocol(StrEnum):
    """What the hop speaks, in the words of Envoy's ``%PROTOCOL%`` access log operator."""

    HTTP1 = "HTTP/1.1"
    HTTP2 = "HTTP/2"


class Outcome(StrEnum):
    """What became of an arm in a run: it has figures, it was refused as it claims, or it was given up."""

    MEASURED = "measured"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class HopPolicy:
    """The mesh policy that makes the hop.

    ``h2_upgrade``: the client sidecar's cluster speaks HTTP/2 (Istio: ``h2UpgradePolicy: UPGRADE``).
    ``allow_connect``: the server sidecar accepts extended CONNECT (RFC 8441; Envoy: ``allow_connect``).
    """

    h2_upgrade: bool
    allow_connect: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """What an arm says of its hop. ``hop_protocol`` is None where there is no hop.

    ``refused_status`` is the HTTP status every upgrade is expected to be refused with; None where WebSockets are
    expected to open.
    """

    hop_protocol: HopProtocol | None
    refused_status: int | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """One way for a message to travel. ``hop`` is None where no sidecar is in the way."""

    name: str
    claim: Claim
    hop: HopPolicy | None
    summary: str


ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        arm.name: arm
        for arm in (
            Arm("direct", Claim(None), None, "driver to echo server, no proxy: the floor"),
            Arm(
                "http1",
                Claim(HopProtocol.HTTP1),
                HopPolicy(h2_upgrade=False, allow_connect=True),
                "two sidecars, the hop an HTTP/1.1 upgrade (h2UpgradePolicy: DO_NOT_UPGRADE)",
            ),
            Arm(
                "http2",
                Claim(HopProtocol.HTTP2),
                HopPolicy(h2_upgrade=True, allow_connect=True),
                "two sidecars, the WebSocket a stream of a shared HTTP/2 connection (UPGRADE and allow_connect)",
            ),
            Arm(
                "http2-blocked",
                Claim(HopProtocol.HTTP2, refused_status=503),
                HopPolicy(h2_upgrade=True, allow_connect=False),
                "the trap: UPGRADE without allow_connect; every upgrade is expected to be refused with 503",
            ),
        )
    }
)


def sabotaged(arm: Arm) -> Arm:
    """The same arm with its client sidecar configured contrary to its claim, to see the witnesses catch it.

    Raises ValueError for an arm without sidecars: there is nothing to contradict.
    """
    if arm.hop is None:
        raise ValueError(f"arm {arm.name!r} has no sidecars to sabotage")
    return replace(arm, hop=replace(arm.hop, h2_upgrade=not arm.hop.h2_upgrade))
