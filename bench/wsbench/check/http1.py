"""The WebSocket upgrade over HTTP/1.1 (RFC 6455 section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.http11 import Response

from wsbench.check.observation import Answer, BrokenError, Trouble, answer_of_head, broken, excerpt, shown
from wsbench.check.session import Session

if TYPE_CHECKING:
    from wsbench.check.address import Address
    from wsbench.check.dialing import Channel

_TLS_ALERT = b"\x15\x03"
# A SETTINGS frame of stream 0, after its three bytes of length (RFC 9113 sections 4.1 and 6.5).
_HTTP2_SETTINGS = b"\x04\x00\x00\x00\x00\x00"


async def upgrade(channel: Channel, address: Address, user_agent: str) -> tuple[Session, Answer]:
    """Ask for it. Raises BrokenError, with the answer where one came; the caller sets the time limit."""
    protocol = ClientProtocol(address.uri)
    request = protocol.connect()
    request.headers["User-Agent"] = user_agent
    protocol.send_request(request)
    for data in protocol.data_to_send():
        await channel.send(data)
    while True:
        try:
            data = await channel.receive()
        except BrokenError as error:
            if error.failure.trouble is not Trouble.CLOSED:
                raise
            raise _misunderstood(channel.first, error.failure.detail) from None
        if data:
            protocol.receive_data(data)
        else:
            protocol.receive_eof()
        if protocol.handshake_exc is not None:
            raise _refused(protocol.handshake_exc, channel.first)
        events = protocol.events_received()
        if events and isinstance(events[0], Response):
            return Session(protocol, Http1Bytes(channel), events[1:]), _answer(events[0])
        if not data:
            raise _misunderstood(channel.first, "the peer ended the connection")


class Http1Bytes:
    """The connection itself carries the WebSocket."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def send(self, data: bytes) -> None:
        """As the channel does."""
        await self._channel.send(data)

    async def receive(self) -> bytes:
        """As the channel does."""
        return await self._channel.receive()

    async def finish(self) -> None:
        """TCP is left for the server to end, as RFC 6455 section 7.1.1 asks."""


def _refused(error: Exception, raw: bytes) -> BrokenError:
    if isinstance(error, InvalidStatus):
        answer = _answer(error.response)
        return broken(Trouble.ANSWERED, answer.line, answer)
    answer_then = answer_of_head(raw)
    if isinstance(error, InvalidMessage) or not isinstance(error, InvalidHandshake):
        return _misunderstood(raw, "the peer ended the connection")
    return broken(Trouble.BAD_HANDSHAKE, f"101, but {error}", answer_then)


def _misunderstood(raw: bytes, then: str) -> BrokenError:
    """What came is no whole answer of HTTP/1.1."""
    answer = answer_of_head(raw)
    if answer is not None:
        return broken(Trouble.ANSWERED, f"{answer.line} ({raw[:8].decode('latin-1')})", answer)
    if not raw:
        return broken(Trouble.CLOSED, f"{then} without an answer")
    if raw.startswith(_TLS_ALERT):
        return broken(Trouble.TLS_ONLY, "the peer answers with a TLS alert")
    if raw[3:9] == _HTTP2_SETTINGS:
        return broken(Trouble.HTTP2_ONLY, "the peer answers with HTTP/2's SETTINGS")
    return broken(Trouble.GARBAGE, f"{shown(raw)} is no HTTP answer")


def _answer(response: Response) -> Answer:
    headers = tuple((name, value) for name, value in response.headers.raw_items())
    return Answer(response.status_code, response.reason_phrase, headers, excerpt(bytes(response.body)))
