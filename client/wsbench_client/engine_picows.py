"""The default engine: picows, whose frame parser and transport are compiled, at about the cost of a bare C loop."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import sys
from contextlib import suppress
from functools import partial

import anyio
import picows
from picows import WSCloseCode, WSMsgType

from wsbench_client.engine import (
    ABNORMAL_CLOSURE,
    HOP_PROTOCOL_HEADER,
    NO_STATUS,
    SUBPROTOCOL_HEADER,
    ConnectError,
    Upgrade,
    cannot_count,
    rejection,
)
from wsbench_client.one_way import SUBPROTOCOL
from wsbench_client.plan import PayloadKind
from wsbench_client.recording import ErrorKind
from wsbench_client.timer import clock_ns

_FRAME = {PayloadKind.BINARY: WSMsgType.BINARY, PayloadKind.TEXT: WSMsgType.TEXT}
_DATA = (WSMsgType.BINARY, WSMsgType.TEXT, WSMsgType.CONTINUATION)
_SPARE_FRAME_BYTES = 16 * 1024 * 1024
# The least that picows takes. A read that fills it doubles it, so that it soon fits what is read at once; picows' own
# 16 KiB would be most of what an idle connection weighs.
_READ_BUFFER_BYTES = 2048
# Of a plain logger picows makes a child for every connection, a kilobyte each.
_LOGGER = logging.LoggerAdapter(logging.getLogger("picows.wsbench"))


class PicowsEngine:
    """Implements ``Engine``."""

    async def upgrade(self, sock: socket.socket, upgrade: Upgrade) -> _Connection:
        connection = _Connection(upgrade)
        try:
            transport = await _connect(sock, connection, upgrade)
        except TimeoutError as error:
            raise ConnectError(ErrorKind.CONNECT_TIMEOUT, "no answer to the upgrade request") from error
        except ssl.SSLError as error:
            raise ConnectError(ErrorKind.TLS, str(error)) from error
        except OSError as error:
            raise ConnectError(ErrorKind.LOST, str(error)) from error
        except picows.WSInvalidStatusError as error:
            response = error.response
            assert response is not None, "picows sets it for every status it could read"
            raise rejection(response.status, response.status.phrase, error.raw_body or b"") from error
        except (picows.WSHandshakeError, picows.WSProtocolError, ValueError) as error:
            raise ConnectError(ErrorKind.NOT_WEBSOCKET, str(error)) from error
        finally:
            if not connection.upgraded_ns:
                sock.close()
        if not connection.upgraded_ns:
            raise ConnectError(ErrorKind.LOST, "closed by the peer before it answered the upgrade request")
        if upgrade.plan.pattern.one_way and transport.response.headers.get(SUBPROTOCOL_HEADER) != SUBPROTOCOL:
            connection.disown()
            connection.close()
            transport.disconnect()
            raise cannot_count()
        connection.hop_protocol = sys.intern(transport.response.headers.get(HOP_PROTOCOL_HEADER, ""))
        # picows keeps the answer as long as the connection: what has been read of it need not be kept.
        transport.response.headers.clear()
        return connection


async def _connect(sock: socket.socket, connection: _Connection, upgrade: Upgrade) -> picows.WSTransport:
    """Connect within the plan's time, TLS included, and leave nothing behind when it is over or this is cancelled."""
    plan = upgrade.plan
    attempt = asyncio.ensure_future(
        picows.ws_connect(
            lambda: connection,
            plan.url,
            ssl_context=upgrade.tls,
            websocket_handshake_timeout=None,
            max_frame_size=plan.mix.largest_bytes + _SPARE_FRAME_BYTES,
            extra_headers={SUBPROTOCOL_HEADER: SUBPROTOCOL} if plan.pattern.one_way else None,
            max_redirects=0,
            # The loop's own transport costs no more CPU than aiofastnet's, weighs 5 KiB less, and gathers what is sent
            # together where aiofastnet writes every message by itself. Under TLS aiofastnet is the faster one.
            use_aiofastnet=None if upgrade.tls and not plan.pattern.one_way else False,
            socket_factory=lambda _url: sock,
            read_buffer_init_size=_READ_BUFFER_BYTES,
            logger_name=_LOGGER,
        )
    )
    try:
        async with asyncio.timeout(plan.connect_timeout_ns / 1e9):
            transport, _listener = await asyncio.shield(attempt)
    except (TimeoutError, asyncio.CancelledError):
        connection.disown()
        # A cancelled ws_connect leaves its transport open. At the end of the stream it closes that itself.
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        with anyio.CancelScope(shield=True):
            await asyncio.wait([attempt])
        if not attempt.cancelled():
            attempt.exception()
        raise
    return transport


class _Connection(picows.WSListener):
    """Implements ``Connection``, and hears what picows has to say."""

    __slots__ = (
        "_answer_type",
        "_closing",
        "_code",
        "_exchange",
        "_fragments",
        "_frame_type",
        "_on_closed",
        "_receive",
        "_transport",
        "_type_is_right",
        "_type_seen",
        "hop_protocol",
        "upgraded_ns",
    )

    def __init__(self, upgrade: Upgrade) -> None:
        super().__init__()
        self.upgraded_ns = 0
        self.hop_protocol = ""
        self._exchange = upgrade.exchange
        self._receive = upgrade.exchange.receive
        self._on_closed = upgrade.on_closed
        self._frame_type = _FRAME[upgrade.plan.payload_kind]
        self._answer_type = _FRAME[upgrade.plan.answer_kind]
        self._type_is_right = False
        self._type_seen = False
        self._fragments: list[bytes] = []
        self._closing = False
        self._code = ABNORMAL_CLOSURE
        self._transport: picows.WSTransport | None = None

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.upgraded_ns = clock_ns()
        self._transport = transport
        self._exchange.send = partial(transport.send, self._frame_type)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        now_ns = clock_ns()
        # Reading msg_type makes an enum of a C integer, a tenth of a round trip's cost. The echo's type is therefore
        # looked at until it was right once, its bytes on every message; no payload equals a Close frame's.
        if self._type_seen and frame.fin and self._receive(now_ns, frame.get_payload_as_bytes()):
            return
        self._on_uncommon_frame(now_ns, transport, frame)

    def _on_uncommon_frame(self, now_ns: int, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        kind = frame.msg_type
        if kind is WSMsgType.CLOSE:
            self._on_close_frame(transport, frame)
            return
        if kind not in _DATA:
            return
        self._fragments.append(frame.get_payload_as_bytes())
        if kind is not WSMsgType.CONTINUATION:
            self._type_is_right = kind is self._answer_type
        # While a message is in fragments, no frame may take the short way.
        self._type_seen = frame.fin and self._type_is_right
        if frame.fin:
            payload = b"".join(self._fragments)
            self._fragments.clear()
            if not self._type_is_right or not self._receive(now_ns, payload):
                self._exchange.receive_wrong()

    def _on_close_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        # picows' enum has no member for the private codes 4000 to 4999.
        self._code = int.from_bytes(frame.get_payload_as_bytes()[:2]) or NO_STATUS
        self._exchange.alive = False
        if not transport.is_close_frame_sent:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self._exchange.alive = False
        if self._code != ABNORMAL_CLOSURE:
            kind = ErrorKind.CLOSED_BY_PEER
        elif transport.is_close_frame_sent and not self._closing:
            # picows itself closed: what it read broke the protocol.
            kind = ErrorKind.PROTOCOL
        else:
            kind = ErrorKind.LOST
        self._on_closed(kind, self._code)

    def disown(self) -> None:
        """Nobody will own this connection: its end is not to be told, even if it was upgraded in the last moment."""
        self._on_closed = _ignore

    def pause_writing(self) -> None:
        self._exchange.pause_writing()

    def resume_writing(self) -> None:
        self._exchange.resume_writing()

    def close(self) -> None:
        if self._transport is not None and self._exchange.alive:
            self._closing = True
            self._exchange.alive = False
            self._transport.send_close(WSCloseCode.OK)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.disconnect(graceful=False)


def _ignore(_kind: ErrorKind, _code: int) -> None:
    pass
