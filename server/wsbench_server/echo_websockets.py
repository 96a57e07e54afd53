"""The echo of the article: ``websockets``' asyncio server."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, ClassVar, Self

from websockets.asyncio.connection import broadcast
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State
from websockets.typing import Subprotocol

from wsbench_server.counting import SUBPROTOCOL, Tally, offered
from wsbench_server.delay import DelayLine
from wsbench_server.echo import GOING_AWAY
from wsbench_server.hop import HEADER, repeated
from wsbench_server.listening import BACKLOG

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from websockets.http11 import Request, Response

    from wsbench_server.config import ServerConfig
    from wsbench_server.counters import Counters

_SWITCHING = 101
_NO_ERROR = (1000, GOING_AWAY)
_log = logging.getLogger("wsbench_server")


class WebsocketsEcho:
    """Implements ``Echo``."""

    def __init__(self, config: ServerConfig, counters: Counters) -> None:
        self.counters = counters
        self.accepted: set[_Connection] = set()
        self._delay = DelayLine(config.delay_ns, config.delay_jitter_ns) if config.delayed else None
        self._server: Server | None = None

    @classmethod
    async def start(cls, config: ServerConfig, listener: socket.socket, counters: Counters) -> Self:
        """Listen on a bound socket."""
        echo = cls(config, counters)
        # The library makes the connections, of a class it is given: this one is bound to this echo.
        connection = type("_BoundConnection", (_Connection,), {"echo": echo})
        logger = logging.getLogger("wsbench_server.websockets")
        # Every refused handshake would be a traceback; they are counted instead, and faults of ours logged here.
        logger.setLevel(logging.CRITICAL)
        echo._server = await serve(
            echo._serve,
            sock=listener,
            backlog=BACKLOG,
            compression="deflate" if config.compression else None,
            max_size=config.max_message_bytes,
            ping_interval=config.ping_interval_s,
            process_response=_tell_hop,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            select_subprotocol=_agree,
            server_header=None,
            create_connection=connection,
            logger=logger,
        )
        return echo

    async def stop(self, grace_s: float) -> None:
        assert self._server is not None
        self._server.close(code=GOING_AWAY)
        try:
            await asyncio.wait_for(self._server.wait_closed(), grace_s)
        except TimeoutError:
            # Those in their handshake too: the library would wait its own 10 s for them to say something.
            for connection in tuple(self.accepted):
                connection.transport.abort()
            await self._server.wait_closed()
        if self._delay is not None:
            self._delay.close()

    async def _serve(self, connection: ServerConnection) -> None:
        assert isinstance(connection, _Connection)
        counters = self.counters
        counters.connections += 1
        counters.connections_open += 1
        try:
            if connection.subprotocol == SUBPROTOCOL:
                await self._count(connection)
            elif self._delay is None:
                await self._echo(connection)
            else:
                await self._echo_delayed(connection, self._delay)
        except ConnectionClosed as closed:
            counters.errors += _is_error(closed)
        except Exception:
            counters.errors += 1
            _log.exception("the echo of a connection failed")
            raise
        finally:
            counters.connections_open -= 1

    async def _echo(self, connection: _Connection) -> None:
        counters = self.counters
        async for message in connection:
            size = len(message) if isinstance(message, bytes) else len(message.encode())
            counters.messages_received += 1
            counters.bytes_received += size
            await connection.send(message)
            counters.messages_sent += 1
            counters.bytes_sent += size

    async def _count(self, connection: _Connection) -> None:
        counters = self.counters
        # The library's public way to send without waiting; it skips a connection that is closing.
        tally = Tally(lambda receipt: broadcast((connection,), receipt))
        async for message in connection:
            size = len(message) if isinstance(message, bytes) else len(message.encode())
            counters.messages_received += 1
            counters.bytes_received += size
            tally.add(size)
            # Receipts must not pile up for a client that does not read them: it is not read either.
            await connection.writable.wait()

    async def _echo_delayed(self, connection: _Connection, delay: DelayLine) -> None:
        counters = self.counters
        due_ns = 0
        async for message in connection:
            due_ns = delay.due_after(time.monotonic_ns(), due_ns)
            size = len(message) if isinstance(message, bytes) else len(message.encode())
            counters.messages_received += 1
            counters.bytes_received += size
            delay.call_at(due_ns, lambda message=message, size=size: self._release(connection, message, size))  # type: ignore[misc]
            # Nothing waits where an echo is sent later, so it must be here: a client that does not read is not read.
            await connection.writable.wait()

    def _release(self, connection: ServerConnection, message: str | bytes, size: int) -> None:
        if connection.state is not State.OPEN:
            return
        # The library's public way to send without waiting.
        broadcast((connection,), message)
        self.counters.messages_sent += 1
        self.counters.bytes_sent += size


class _Connection(ServerConnection):
    """Known from its first byte to its last: the library's hooks see neither silence nor noise in a handshake."""

    echo: ClassVar[WebsocketsEcho]

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.echo.accepted.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.echo.accepted.discard(self)
        self.writable.set()
        if self.response is None or self.response.status_code != _SWITCHING:
            self.echo.counters.handshake_failures += 1

    def pause_writing(self) -> None:
        super().pause_writing()
        self.writable.clear()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.writable.set()


def _agree(_connection: ServerConnection, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
    """To count where it is offered; whatever else a client offers, it is echoed to."""
    return Subprotocol(SUBPROTOCOL) if offered(subprotocols) else None


def _tell_hop(_connection: ServerConnection, request: Request, response: Response) -> None:
    if response.status_code == _SWITCHING:
        response.headers.update(repeated(request.headers.get(HEADER)))


def _is_error(closed: ConnectionClosed) -> bool:
    """Whether no Close frame came, or this side closed for a fault. The peer's own code is the peer's business."""
    if closed.rcvd is None:
        return True
    return closed.sent is not None and not closed.rcvd_then_sent and closed.sent.code not in _NO_ERROR
