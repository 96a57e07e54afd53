"""The lean echo: picows, for when the server must not be what is measured.

What picows leaves to its user is done here: whole messages out of fragments, UTF-8, reserved bits, the version.
What it answers with 400 before it asks us (no HTTP, no GET) or drops (silence) is not among the handshake failures.
"""

from __future__ import annotations

import asyncio
import logging
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Self

import picows
from picows import WSCloseCode, WSMsgType, WSProtocolError

from wsbench_server.counting import SUBPROTOCOL, SUBPROTOCOL_HEADER, Tally, offered
from wsbench_server.delay import DelayLine
from wsbench_server.hop import HEADER, repeated
from wsbench_server.listening import BACKLOG

if TYPE_CHECKING:
    import socket

    from wsbench_server.config import ServerConfig
    from wsbench_server.counters import Counters

_DATA = (WSMsgType.TEXT, WSMsgType.BINARY)
_VERSION = "13"
_PONG_WITHIN_S = 20
# The least that picows takes. A read that fills it doubles it; picows' own 16 KiB is for each connection, idle or not.
_READ_BUFFER_BYTES = 2048


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
            auto_ping_idle_timeout=config.ping_interval_s or _PONG_WITHIN_S,
            # picows wants it no longer than the interval, and refuses every connection otherwise.
            auto_ping_reply_timeout=min(config.ping_interval_s or _PONG_WITHIN_S, _PONG_WITHIN_S),
            read_buffer_init_size=_READ_BUFFER_BYTES,
            # The loop's own transport costs no more CPU than aiofastnet's and weighs 5 KiB less.
            use_aiofastnet=False,
            logger_name=_faults_only(),
        )
        return echo

    async def stop(self, grace_s: float) -> None:
        assert self._server is not None
        self.stopping = True
        self._server.close()
        for connection in tuple(self.connections):
            connection.transport.send_close(WSCloseCode.GOING_AWAY)
        if self.connections:
            self.gone.clear()
            try:
                await asyncio.wait_for(self.gone.wait(), grace_s)
            except TimeoutError:
                for connection in tuple(self.connections):
                    connection.transport.disconnect(graceful=False)
                await self.gone.wait()
        if self.delay is not None:
            self.delay.close()

    def _on_request(self, request: picows.WSUpgradeRequest) -> picows.WSUpgradeResponseWithListener:
        # Taken back by on_ws_connected, which picows calls before anybody can look.
        self.counters.handshake_failures += 1
        if self.stopping:
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, b"going away\n", {})
        if (
            request.headers.get("upgrade", "").lower() != "websocket"
            or request.headers.get("sec-websocket-version") != _VERSION
        ):
            # RFC 6455 section 4.4, RFC 9110 section 15.5.22
            wanted = {"Upgrade": "websocket", "Sec-WebSocket-Version": _VERSION}
            return _refusal(HTTPStatus.UPGRADE_REQUIRED, b"this is a WebSocket server\n", wanted)
        headers = repeated(request.headers.get(HEADER))
        counts = offered(request.headers.getall(SUBPROTOCOL_HEADER, []))
        if counts:
            headers[SUBPROTOCOL_HEADER] = SUBPROTOCOL
        response = picows.WSUpgradeResponse.create_101_response(headers)
        return picows.WSUpgradeResponseWithListener(response, _Counted(self) if counts else _Connection(self))


def _faults_only() -> logging.LoggerAdapter[logging.Logger]:
    """A logger for picows: what clients do wrong is counted, not logged; an exception is a fault of ours.

    An adapter: of a plain logger picows makes a child for every connection, a kilobyte each.
    """
    logger = logging.getLogger("wsbench_server.picows")
    logger.propagate = False
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.addFilter(lambda record: record.exc_info is not None)
        logger.addHandler(handler)
    return logging.LoggerAdapter(logger)


def _refusal(status: HTTPStatus, body: bytes, headers: dict[str, str]) -> picows.WSUpgradeResponseWithListener:
    response = picows.WSUpgradeResponse.create_error_response(status, body, headers)
    return picows.WSUpgradeResponseWithListener(response, None)


class _Connection(picows.WSListener):
    def __init__(self, echo: PicowsEcho) -> None:
        super().__init__()
        self.transport: picows.WSTransport
        self._echo = echo
        self._counters = echo.counters
        self._delay = echo.delay
        self._due_ns = 0
        self._partial: bytearray | None = None
        self._partial_type = WSMsgType.BINARY
        self._closed_properly = False

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport
        # picows keeps both as long as the connection, and nobody reads them any more.
        transport.request.headers.clear()
        transport.response.headers.clear()
        self._counters.handshake_failures -= 1
        self._counters.connections += 1
        self._counters.connections_open += 1
        self._echo.connections.add(self)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        kind = frame.msg_type
        if kind is WSMsgType.CLOSE:
            self._answer_close(transport, frame)
        elif transport.is_close_frame_sent or self._closed_properly:
            return  # RFC 6455 section 5.5.1: no data after a Close frame
        elif kind in _DATA and frame.fin and self._partial is None:
            self._receive(kind, frame.get_payload_as_bytes(), frame)
        elif kind in _DATA or kind is WSMsgType.CONTINUATION:
            self._join(kind, frame)

    def _receive(self, kind: WSMsgType, payload: bytes, frame: picows.WSFrame) -> None:
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            raise WSProtocolError(WSCloseCode.PROTOCOL_ERROR, "reserved bits must be 0")
        if kind is WSMsgType.TEXT and not payload.isascii():
            _check_utf8(payload)
        counters = self._counters
        counters.messages_received += 1
        counters.bytes_received += len(payload)
        if self._delay is None:
            self._release(kind, payload)
            return
        self._due_ns = self._delay.due_after(time.monotonic_ns(), self._due_ns)
        self._delay.call_at(self._due_ns, lambda: self._release(kind, payload))

    def _release(self, kind: WSMsgType, payload: bytes) -> None:
        transport = self.transport
        if transport.is_disconnected or transport.is_close_frame_sent:
            return
        # Bytes, not the frame's memoryview: a large one is handed to the transport as it is, and outlives the frame.
        transport.send(kind, payload)
        self._counters.messages_sent += 1
        self._counters.bytes_sent += len(payload)

    def _join(self, kind: WSMsgType, frame: picows.WSFrame) -> None:
        if kind is WSMsgType.CONTINUATION:
            if self._partial is None:
                raise WSProtocolError(WSCloseCode.PROTOCOL_ERROR, "a continuation of nothing")
        elif self._partial is not None:
            raise WSProtocolError(WSCloseCode.PROTOCOL_ERROR, "a new message inside a fragmented one")
        else:
            self._partial = bytearray()
            self._partial_type = kind
        self._partial += frame.get_payload_as_bytes()
        # picows' own limit is for one frame.
        limit = self._echo.config.max_message_bytes
        if len(self._partial) > limit:
            raise WSProtocolError(WSCloseCode.MESSAGE_TOO_BIG, f"fragments of more than {limit} bytes")
        if frame.fin:
            message = bytes(self._partial)
            self._partial = None
            self._receive(self._partial_type, message, frame)

    def _answer_close(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        # An answer to our own Close frame is a proper end only where that told of going away, not of a fault.
        self._closed_properly = not transport.is_close_frame_sent or self._echo.stopping
        if frame.payload_size:
            # Does nothing where ours was sent before.
            transport.send_close(frame.get_close_code(), frame.get_close_message())
        else:
            # A code must not be made up: "no code" is a number for APIs only (RFC 6455 section 7.4.1, 1005).
            transport.send(WSMsgType.CLOSE, None)
        transport.disconnect()

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


class _Counted(_Connection):
    """Its messages are counted, none is echoed; a delay holds back echoes only."""

    def __init__(self, echo: PicowsEcho) -> None:
        super().__init__(echo)
        self._delay = None
        self._tally = Tally(self._tell)

    def _release(self, kind: WSMsgType, payload: bytes) -> None:
        self._tally.add(len(payload))

    def _tell(self, receipt: str) -> None:
        if not self.transport.is_disconnected and not self.transport.is_close_frame_sent:
            self.transport.send(WSMsgType.TEXT, receipt.encode())

    def _answer_close(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        self._tally.tell()
        super()._answer_close(transport, frame)


def _check_utf8(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        # RFC 6455 section 8.1
        raise WSProtocolError(WSCloseCode.INVALID_TEXT, f"no UTF-8: {error.reason} at {error.start}") from None
