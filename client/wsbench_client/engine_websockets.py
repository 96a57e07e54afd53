"""The second engine: ``websockets``' asyncio client, the library of the article, to measure against."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import broadcast
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus

from wsbench_client.engine import (
    ABNORMAL_CLOSURE,
    HOP_PROTOCOL_HEADER,
    NORMAL_CLOSURE,
    ConnectError,
    Upgrade,
    rejection,
)
from wsbench_client.plan import PayloadKind, endpoint
from wsbench_client.recording import ErrorKind
from wsbench_client.timer import clock_ns

if TYPE_CHECKING:
    import socket

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
                max_size=plan.payload_bytes + _SPARE_MESSAGE_BYTES,
            )
        except InvalidStatus as error:
            sock.close()
            response = error.response
            raise rejection(response.status_code, response.reason_phrase, bytes(response.body or b"")) from error
        except (InvalidHandshake, InvalidMessage) as error:
            sock.close()
            lost = isinstance(error.__cause__, (EOFError, OSError))
            raise ConnectError(ErrorKind.LOST if lost else ErrorKind.NOT_WEBSOCKET, str(error)) from error
        except TimeoutError as error:
            sock.close()
            raise ConnectError(ErrorKind.CONNECT_TIMEOUT, "no answer to the upgrade request") from error
        except ssl.SSLError as error:
            sock.close()
            raise ConnectError(ErrorKind.TLS, str(error)) from error
        except OSError as error:
            sock.close()
            raise ConnectError(ErrorKind.LOST, str(error)) from error
        return _Connection(socket_of, clock_ns(), upgrade)


class _Connection:
    """Implements ``Connection``."""

    def __init__(self, connection: ClientConnection, upgraded_ns: int, upgrade: Upgrade) -> None:
        response = connection.response
        self.upgraded_ns = upgraded_ns
        self.hop_protocol = response.headers.get(HOP_PROTOCOL_HEADER, "") if response else ""
        self._connection = connection
        self._exchange = upgrade.exchange
        self._on_closed = upgrade.on_closed
        self._text = upgrade.plan.payload_kind is PayloadKind.TEXT
        self._tasks = upgrade.tasks
        upgrade.exchange.send = self._send_text if self._text else self._send_binary
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
                message = await self._connection.recv(decode=False) if not self._text else await self._recv_text()
                now_ns = clock_ns()
                if not receive(now_ns, message):
                    self._exchange.receive_wrong(now_ns)
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else ABNORMAL_CLOSURE
        self._exchange.alive = False
        self._on_closed(code)

    async def _recv_text(self) -> bytes:
        message = await self._connection.recv()
        return message.encode() if isinstance(message, str) else b"not text: " + message

    def close(self) -> None:
        self._exchange.alive = False
        self._tasks.start_soon(self._connection.close, NORMAL_CLOSURE)

    def abort(self) -> None:
        self._connection.transport.abort()
