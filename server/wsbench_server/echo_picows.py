"""The lean echo: picows, for when the server must not be what is measured."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Self

import picows
from picows import WSCloseCode, WSMsgType

from wsbench_server.delay import DelayLine
from wsbench_server.hop import HEADER, repeated
from wsbench_server.listening import BACKLOG

if TYPE_CHECKING:
    import socket

    from wsbench_server.config import ServerConfig
    from wsbench_server.counters import Counters

_DATA = (WSMsgType.TEXT, WSMsgType.BINARY)


class PicowsEcho:
    """Implements ``Echo``."""

    def __init__(self, config: ServerConfig, counters: Counters) -> None:
        self.config = config
        self.counters = counters
        self.delay = DelayLine(config.delay_ns, config.delay_jitter_ns) if config.delayed else None
        self.connections: set[_Connection] = set()
        self.gone = asyncio.Event()
        self.stopping = False
        self._server: asyncio.Server | None = None

    @classmethod
    async def start(cls, config: ServerConfig, listener: socket.socket, counters: Counters) -> Self:
        """Listen on a bound socket."""
        echo = cls(config, counters)
        echo._server = await picows.ws_create_server(
            echo._on_request,
            sock=listener,
            backlog=BACKLOG,
            max_frame_size=config.max_message_bytes,
            enable_auto_ping=config.ping_interval_s is not None,
            auto_ping_idle_timeout=config.ping_interval_s or 20,
            logger_name="wsbench_server",
        )
        return echo

    async def stop(self, grace_s: float) -> None:
        assert self._server is not None
        self.stopping = True
        self._server.close()
        for connection in self.connections:
            connection.transport.send_close(WSCloseCode.GOING_AWAY)
        if self.connections:
            self.gone.clear()
            try:
                await asyncio.wait_for(self.gone.wait(), grace_s)
            except TimeoutError:
                for connection in self.connections:
                    connection.transport.disconnect(graceful=False)
                await self.gone.wait()
        if self.delay is not None:
            self.delay.close()

    def _on_request(self, request: picows.WSUpgradeRequest) -> picows.WSUpgradeResponseWithListener:
        if request.headers.get("upgrade", "").lower() != "websocket":
            self.counters.handshake_failures += 1
            response = picows.WSUpgradeResponse.create_error_response(426, b"this is a WebSocket server\n")
            return picows.WSUpgradeResponseWithListener(response, None)
        headers = repeated(request.headers.get(HEADER))
        response = picows.WSUpgradeResponse.create_101_response(headers)
        return picows.WSUpgradeResponseWithListener(response, _Connection(self))


class _Connection(picows.WSListener):
    def __init__(self, echo: PicowsEcho) -> None:
        super().__init__()
        self.transport: picows.WSTransport
        self._echo = echo
        self._counters = echo.counters
        self._delay = echo.delay
        self._due_ns = 0
        self._fragments: list[bytes] = []
        self._fragments_type = WSMsgType.BINARY
        self._closed_properly = False

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport
        self._counters.connections += 1
        self._counters.connections_open += 1
        self._echo.connections.add(self)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        kind = frame.msg_type
        if kind in _DATA and frame.fin:
            self._send(kind, frame.get_payload_as_bytes())
        elif kind is WSMsgType.CLOSE:
            # An answer to our own Close frame is a proper end only where that told of going away, not of a fault.
            self._closed_properly = not transport.is_close_frame_sent or self._echo.stopping
            if not transport.is_close_frame_sent:
                transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif kind in _DATA or kind is WSMsgType.CONTINUATION:
            self._join(transport, kind, frame)

    def _send(self, kind: WSMsgType, payload: bytes) -> None:
        counters = self._counters
        size = len(payload)
        counters.messages_received += 1
        counters.bytes_received += size
        if self._delay is None:
            self._release(kind, payload)
            return
        self._due_ns = self._delay.due_after(time.monotonic_ns(), self._due_ns)
        self._delay.call_at(self._due_ns, lambda: self._release(kind, payload))

    def _release(self, kind: WSMsgType, payload: bytes) -> None:
        if self.transport.is_disconnected or self.transport.is_close_frame_sent:
            return
        self.transport.send(kind, payload)
        self._counters.messages_sent += 1
        self._counters.bytes_sent += len(payload)

    def _join(self, transport: picows.WSTransport, kind: WSMsgType, frame: picows.WSFrame) -> None:
        if kind is not WSMsgType.CONTINUATION:
            self._fragments_type = kind
        self._fragments.append(frame.get_payload_as_bytes())
        if sum(map(len, self._fragments)) > self._echo.config.max_message_bytes:
            transport.send_close(WSCloseCode.MESSAGE_TOO_BIG)
            transport.disconnect()
        elif frame.fin:
            message = b"".join(self._fragments)
            self._fragments.clear()
            self._send(self._fragments_type, message)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self._counters.connections_open -= 1
        self._counters.errors += not self._closed_properly
        self._echo.connections.discard(self)
        if not self._echo.connections:
            self._echo.gone.set()

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read: its echoes would pile up here."""
        self.transport.underlying_transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        self.transport.underlying_transport.resume_reading()
