"""The echo of the article: ``websockets``' asyncio server."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Self

from websockets.asyncio.connection import broadcast
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from wsbench_server.delay import DelayLine
from wsbench_server.echo import GOING_AWAY
from wsbench_server.hop import HEADER, repeated
from wsbench_server.listening import BACKLOG

if TYPE_CHECKING:
    import socket

    from websockets.http11 import Request, Response

    from wsbench_server.config import ServerConfig
    from wsbench_server.counters import Counters

_SWITCHING = 101
_NO_ERROR = (1000, GOING_AWAY)


class WebsocketsEcho:
    """Implements ``Echo``."""

    def __init__(self, config: ServerConfig, counters: Counters) -> None:
        self._counters = counters
        self._delay = DelayLine(config.delay_ns, config.delay_jitter_ns) if config.delayed else None
        self._server: Server | None = None

    @classmethod
    async def start(cls, config: ServerConfig, listener: socket.socket, counters: Counters) -> Self:
        """Listen on a bound socket."""
        echo = cls(config, counters)
        logger = logging.getLogger("wsbench_server.websockets")
        # Every refused handshake would be a traceback; they are counted instead.
        logger.setLevel(logging.CRITICAL)
        echo._server = await serve(
            echo._serve,
            sock=listener,
            backlog=BACKLOG,
            compression="deflate" if config.compression else None,
            max_size=config.max_message_bytes,
            ping_interval=config.ping_interval_s,
            process_response=echo._on_response,
            logger=logger,
        )
        return echo

    async def stop(self, grace_s: float) -> None:
        assert self._server is not None
        connections = list(self._server.connections)
        self._server.close(code=GOING_AWAY)
        try:
            await asyncio.wait_for(self._server.wait_closed(), grace_s)
        except TimeoutError:
            for connection in connections:
                connection.transport.abort()
            await self._server.wait_closed()
        if self._delay is not None:
            self._delay.close()

    def _on_response(self, _connection: ServerConnection, request: Request, response: Response) -> None:
        if response.status_code != _SWITCHING:
            self._counters.handshake_failures += 1
            return
        response.headers.update(repeated(request.headers.get(HEADER)))

    async def _serve(self, connection: ServerConnection) -> None:
        counters = self._counters
        counters.connections += 1
        counters.connections_open += 1
        try:
            if self._delay is None:
                await self._echo(connection)
            else:
                await self._echo_delayed(connection, self._delay)
        except ConnectionClosed as closed:
            counters.errors += _is_error(closed)
        finally:
            counters.connections_open -= 1

    async def _echo(self, connection: ServerConnection) -> None:
        counters = self._counters
        async for message in connection:
            size = len(message) if isinstance(message, bytes) else len(message.encode())
            counters.messages_received += 1
            counters.bytes_received += size
            await connection.send(message)
            counters.messages_sent += 1
            counters.bytes_sent += size

    async def _echo_delayed(self, connection: ServerConnection, delay: DelayLine) -> None:
        counters = self._counters
        due_ns = 0
        async for message in connection:
            due_ns = delay.due_after(time.monotonic_ns(), due_ns)
            size = len(message) if isinstance(message, bytes) else len(message.encode())
            counters.messages_received += 1
            counters.bytes_received += size
            delay.call_at(due_ns, lambda message=message, size=size: self._release(connection, message, size))  # type: ignore[misc]

    def _release(self, connection: ServerConnection, message: str | bytes, size: int) -> None:
        # broadcast() is the library's public way to send without waiting; it leaves closed connections alone.
        broadcast((connection,), message)
        self._counters.messages_sent += 1
        self._counters.bytes_sent += size


def _is_error(closed: ConnectionClosed) -> bool:
    """Whether no Close frame came, or this side closed for a fault. The peer's own code is the peer's business."""
    if closed.rcvd is None:
        return True
    return closed.sent is not None and not closed.rcvd_then_sent and closed.sent.code not in _NO_ERROR
