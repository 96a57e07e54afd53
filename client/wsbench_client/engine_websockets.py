"""The second engine: ``websockets``' asyncio client, the library of the article, to measure against."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import broadcast
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from wsbench_client.engine import (
    ABNORMAL_CLOSURE,
    HOP_PROTOCOL_HEADER,
    NORMAL_CLOSURE,
    ConnectError,
    Upgrade,
    cannot_count,
    rejection,
)
from wsbench_client.one_way import SUBPROTOCOL
from wsbench_client.plan import PayloadKind, endpoint
from wsbench_client.recording import ErrorKind
from wsbench_client.timer import clock_ns

if TYPE_CHECKING:
    import socket

    from wsbench_client.exchange import Exchange

_CLOSE_TIMEOUT_S = 1.0
_SPARE_MESSAGE_BYTES = 16 * 1024 * 1024


class WebsocketsEngine:
    """Implements ``Engine``."""

    async def upgrade(self, sock: socket.socket, upgrade: Upgrade) -> _Connection:
        plan = upgrade.plan
        try:
            socket_of = await connect(
                plan.url,
                sock=sock,
                ssl=upgrade.tls,
                server_hostname=endpoint(plan.url).host if upgrade.tls else None,
                proxy=None,
                compression=None,
                ping_interval=None,
                open_timeout=plan.connect_timeout_ns / 1e9,
                max_size=plan.mix.largest_bytes + _SPARE_MESSAGE_BYTES,
                subprotocols=[Subprotocol(SUBPROTOCOL)] if plan.pattern.one_way else None,
                create_connection=_heeding(upgrade.exchange) if plan.pattern.one_way else None,
            )
        except (OSError, InvalidHandshake, InvalidMessage, ValueError) as error:
            sock.close()
            raise _error_of(error) from error
        if plan.pattern.one_way and socket_of.subprotocol != SUBPROTOCOL:
            with suppress(TimeoutError):
                await asyncio.wait_for(socket_of.close(NORMAL_CLOSURE), _CLOSE_TIMEOUT_S)
            socket_of.transport.abort()
            raise cannot_count()
        return _Connection(socket_of, clock_ns(), upgrade)


def _error_of(error: Exception) -> ConnectError:
    # A redirection is not followed on a socket that was given: the library says so, with the answer as the cause.
    answered = error.__cause__ if isinstance(error.__cause__, InvalidStatus) else error
    if isinstance(answered, InvalidStatus):
        response = answered.response
        return rejection(response.status_code, response.reason_phrase, bytes(response.body or b""))
    if isinstance(error, TimeoutError):
        return ConnectError(ErrorKind.CONNECT_TIMEOUT, "no answer to the upgrade request")
    if isinstance(error, ssl.SSLError):
        return ConnectError(ErrorKind.TLS, str(error))
    if isinstance(error, OSError) or isinstance(error.__cause__, (EOFError, OSError)):
        return ConnectError(ErrorKind.LOST, str(error))
    return ConnectError(ErrorKind.NOT_WEBSOCKET, str(error))


def _heeding(exchange: Exchange) -> type[ClientConnection]:
    """A class of connections that tell ``exchange`` of the transport's back-pressure."""

    class Heeding(ClientConnection):
        def pause_writing(self) -> None:
            super().pause_writing()
            exchange.pause_writing()

        def resume_writing(self) -> None:
            super().resume_writing()
            exchange.resume_writing()

    return Heeding


class _Connection:
    """Implements ``Connection``."""

    def __init__(self, connection: ClientConnection, upgraded_ns: int, upgrade: Upgrade) -> None:
        response = connection.response
        self.upgraded_ns = upgraded_ns
        self.hop_protocol = response.headers.get(HOP_PROTOCOL_HEADER, "") if response else ""
        self._connection = connection
        self._exchange = upgrade.exchange
        self._on_closed = upgrade.on_closed
        self._answer_is_text = upgrade.plan.answer_kind is PayloadKind.TEXT
        self._tasks = upgrade.tasks
        self._closing = False
        upgrade.exchange.send = self._send_text if upgrade.plan.payload_kind is PayloadKind.TEXT else self._send_binary
        upgrade.tasks.start_soon(self._read)

    def _send_binary(self, payload: bytes) -> None:
        # broadcast() is the library's public way to send without waiting.
        broadcast((self._connection,), payload)

    def _send_text(self, payload: bytes) -> None:
        broadcast((self._connection,), payload.decode("ascii"))

    async def _read(self) -> None:
        receive = self._exchange.receive
        try:
            while True:
                message = await self._connection.recv()
                now_ns = clock_ns()
                payload = message.encode() if isinstance(message, str) else message
                if isinstance(message, str) is not self._answer_is_text or not receive(now_ns, payload):
                    self._exchange.receive_wrong()
        except ConnectionClosed as closed:
            if closed.sent is not None and closed.sent.code == CloseCode.INVALID_DATA and not self._closing:
                # Text that is no text: a binary message came back as the wrong type.
                self._exchange.receive_wrong()
            self._gone(closed)
        except asyncio.CancelledError:
            self._connection.transport.abort()
            with anyio.CancelScope(shield=True):
                await self._connection.wait_closed()
            self._gone(None)
            raise

    def _gone(self, closed: ConnectionClosed | None) -> None:
        self._exchange.alive = False
        rcvd = closed.rcvd if closed else None
        if closed is not None and closed.sent is not None and not closed.rcvd_then_sent and not self._closing:
            # The library itself closed: what it read broke the protocol.
            kind = ErrorKind.PROTOCOL
        else:
            kind = ErrorKind.CLOSED_BY_PEER if rcvd else ErrorKind.LOST
        self._on_closed(kind, rcvd.code if rcvd else ABNORMAL_CLOSURE)

    def close(self) -> None:
        self._closing = True
        self._exchange.alive = False
        self._tasks.start_soon(self._connection.close, NORMAL_CLOSURE)

    def abort(self) -> None:
        self._connection.transport.abort()
