"""The arms: the ways for a message to travel, and what each claims its hop to speak.

An arm is data. What differs between sidecar arms is the hop alone, and the hop is what the manifests of the arm's
overlay (``k8s/overlays``) make of it, in a cluster and in the lab: ``h2UpgradePolicy`` (DestinationRule, acts on the
client sidecar's outbound cluster) and ``allow_connect`` (EnvoyFilter, acts on the server sidecar's inbound connection
manager).
"""

from __future__ import annotations

from dataclasses import dataclass
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
class Claim:
    """What an arm says of its hop. ``hop_protocol`` is None where there is no hop.

    ``refused_status`` is the HTTP status every upgrade is expected to be refused with; None where WebSockets are
    expected to open.
    """

    hop_protocol: HopProtocol | None
    refused_status: int | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """One way for a message to travel. ``overlay`` names its manifests; None where no sidecar is in the way."""

    name: str
    claim: Claim
    overlay: str | None
    summary: str

    @property
    def has_sidecars(self) -> bool:
        """Whether there is a hop."""
        return self.overlay is not None


ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        arm.name: arm
        for arm in (
            Arm("direct", Claim(None), None, "driver to echo server, no proxy: the floor"),
            Arm(
                "http1",
                Claim(HopProtocol.HTTP1),
                "http1",
                "two sidecars, the hop an HTTP/1.1 upgrade (h2UpgradePolicy: DO_NOT_UPGRADE)",
            ),
            Arm(
                "http2",
                Claim(HopProtocol.HTTP2),
                "http2",
                "two sidecars, the WebSocket a stream of a shared HTTP/2 connection (UPGRADE and allow_connect)",
            ),
            Arm(
                "http2-blocked",
                Claim(HopProtocol.HTTP2, refused_status=503),
                "http2-blocked",
                "the trap: UPGRADE without allow_connect; every upgrade is expected to be refused with 503",
            ),
        )
    }
)
