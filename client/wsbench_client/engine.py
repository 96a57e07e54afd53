"""What an engine is: a WebSocket library behind one small interface.

An engine upgrades a connected TCP socket and then does two things: hands every message read to an ``Exchange``, and
gives that exchange a ``send``. Who sends what and when is not its business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from wsbench_client.one_way import SUBPROTOCOL
from wsbench_client.recording import ErrorKind

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from anyio.abc import TaskGroup

    from wsbench_client.exchange import Exchange
    from wsbench_client.plan import DrivePlan

HOP_PROTOCOL_HEADER = "x-wsbench-hop-protocol"
"""Handshake header in which the echo server repeats what its sidecar told it of the hop."""

SUBPROTOCOL_HEADER = "Sec-WebSocket-Protocol"
"""Handshake header in which subprotocols are offered and one of them agreed to (RFC 6455 section 11.3.4)."""

ABNORMAL_CLOSURE = 1006
"""The close code that means no Close frame was received (RFC 6455 section 7.4.1)."""

NO_STATUS = 1005
"""The close code that means the Close frame carried none (RFC 6455 section 7.4.1)."""

NORMAL_CLOSURE = 1000
"""The purpose for which the connection was established has been fulfilled (RFC 6455 section 7.4.1)."""


class ConnectError(Exception):
    """A connection that could not be opened: of what kind, in whose words, and the HTTP status of a rejection."""

    def __init__(self, kind: ErrorKind, detail: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.status = status


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What an engine needs to make a WebSocket of a socket.

    ``on_closed`` is called once, when an upgraded connection is gone for whatever reason, with what it would be as an
    error (closed by the peer, lost, or a breach of the protocol) and the peer's close code (1006 without one);
    ``exchange.alive`` is already False then.
    """

    plan: DrivePlan
    exchange: Exchange
    on_closed: Callable[[ErrorKind, int], None]
    tls: ssl.SSLContext | None
    tasks: TaskGroup


class Connection(Protocol):
    """An open WebSocket."""

    @property
    def upgraded_ns(self) -> int:
        """When the 101 had been read, on ``clock_ns``."""

    @property
    def hop_protocol(self) -> str:
        """What the handshake said of the hop; empty where it said nothing."""

    def close(self) -> None:
        """Begin the closing handshake with 1000; ``on_closed`` tells when it is over."""

    def abort(self) -> None:
        """Drop the connection."""


class Engine(Protocol):
    """A WebSocket library."""

    async def upgrade(self, sock: socket.socket, upgrade: Upgrade) -> Connection:
        """Shake hands on a connected, non-blocking socket, and own it from then on.

        Raises ConnectError; the socket is closed then.
        """


def rejection(status: int, reason: str, body: bytes) -> ConnectError:
    """The error for an answer that is HTTP but not 101, with the first words of its body."""
    words = " ".join(body.decode("utf-8", "replace").split())[:200]
    return ConnectError(ErrorKind.REJECTED, f"HTTP {status} {reason}{': ' + words if words else ''}", status)


def cannot_count() -> ConnectError:
    """The error for a server that is to count, and has not agreed to."""
    return ConnectError(
        ErrorKind.CANNOT_COUNT,
        f"it did not agree to the subprotocol {SUBPROTOCOL}, which one-way traffic needs: wsbench serve speaks it",
    )
