"""The default engine: picows, whose frame parser and transport are compiled, at about the cost of a bare C loop."""

from __future__ import annotations

import ssl
from functools import partial
from typing import TYPE_CHECKING

import picows
from picows import WSCloseCode, WSMsgType

from wsbench_client.engine import (
    ABNORMAL_CLOSURE,
    HOP_PROTOCOL_HEADER,
    NO_STATUS,
    ConnectError,
    Upgrade,
    rejection,
)
from wsbench_client.plan import PayloadKind
from wsbench_client.recording import ErrorKind
from wsbench_client.timer import clock_ns

if TYPE_CHECKING:
    import socket

_FRAME = {PayloadKind.BINARY: WSMsgType.BINARY, PayloadKind.TEXT: WSMsgType.TEXT}
_DATA = (WSMsgType.BINARY, WSMsgType.TEXT, WSMsgType.CONTINUATION)
_SPARE_FRAME_BYTES = 16 * 1024 * 1024


class PicowsEngine:
    """Implements ``Engine``."""

    async def upgrade(self, sock: socket.socket, upgrade: Upgrade) -> _Connection:
        plan = upgrade.plan
        connection = _Connection(upgrade)
        try:
            transport, _listener = await picows.ws_connect(
                lambda: connection,
                plan.url,
                ssl_context=upgrade.tls,
                websocket_handshake_timeout=plan.connect_timeout_ns / 1e9,
                max_frame_size=plan.payload_bytes + _SPARE_FRAME_BYTES,
                max_redirects=0,
                socket_factory=lambda _url: sock,
                logger_name="wsbench",
            )
        except picows.WSInvalidStatusError as error:
            response = error.response
            assert response is not None, "picows sets it for every status it could read"
            raise rejection(response.status, response.status.phrase, error.raw_body or b"") from error
        except (picows.WSHandshakeError, picows.WSProtocolError) as error:
            raise ConnectError(ErrorKind.NOT_WEBSOCKET, str(error)) from error
        except TimeoutError as error:
            raise ConnectError(ErrorKind.CONNECT_TIMEOUT, "no answer to the upgrade request") from error
        except ssl.SSLError as error:
            raise ConnectError(ErrorKind.TLS, str(error)) from error
        except OSError as error:
            raise ConnectError(ErrorKind.LOST, str(error)) from error
        finally:
            if not connection.open:
                sock.close()
        if not connection.open:
            raise ConnectError(ErrorKind.LOST, "closed by the peer before it answered the upgrade request")
        connection.hop_protocol = transport.response.headers.get(HOP_PROTOCOL_HEADER, "")
        return connection


class _Connection(picows.WSListener):
    """Implements ``Connection``, and hears what picows has to say."""

    def __init__(self, upgrade: Upgrade) -> None:
        super().__init__()
        self.open = False
        self.upgraded_ns = 0
        self.hop_protocol = ""
        self._exchange = upgrade.exchange
        self._receive = upgrade.exchange.receive
        self._on_closed = upgrade.on_closed
        self._frame_type = _FRAME[upgrade.plan.payload_kind]
        self._type_seen = False
        self._fragments: list[bytes] = []
        self._code = ABNORMAL_CLOSURE
        self._transport: picows.WSTransport | None = None

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.upgraded_ns = clock_ns()
        self.open = True
        self._transport = transport
        self._exchange.send = partial(transport.send, self._frame_type)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        now_ns = clock_ns()
        # Reading msg_type makes an enum of a C integer, a tenth of a round trip's cost. The echo's type is therefore
        # looked at on a connection's first message, its bytes on every one; no payload equals a Close frame's.
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
        # While a message is in fragments, no frame may take the short way.
        self._type_seen = self._type_seen and frame.fin
        if kind is not WSMsgType.CONTINUATION and kind is not self._frame_type:
            self._fragments.append(b"echo of the wrong type")
        if frame.fin:
            payload = b"".join(self._fragments)
            self._fragments.clear()
            self._type_seen = True
            if not self._receive(now_ns, payload):
                self._exchange.receive_wrong(now_ns)

    def _on_close_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        # picows' enum has no member for the private codes 4000 to 4999.
        self._code = int.from_bytes(frame.get_payload_as_bytes()[:2]) or NO_STATUS
        self._exchange.alive = False
        if not transport.is_close_frame_sent:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.open = False
        self._exchange.alive = False
        self._on_closed(self._code)

    def pause_writing(self) -> None:
        """Nothing: what may be outstanding is bounded by the exchange, and lateness is measured, not avoided."""

    def resume_writing(self) -> None:
        """Nothing, as above."""

    def close(self) -> None:
        if self._transport is not None and self.open:
            self._exchange.alive = False
            self._transport.send_close(WSCloseCode.OK)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.disconnect(graceful=False)
