"""WebSockets over HTTP/2: one connection, and streams of extended CONNECT on it (RFC 8441).

``h2`` does the framing. One task at a time reads the connection and hands everything to the streams it is for.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Self

import h2.errors
import h2.events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import H2Error
from h2.settings import SettingCodes
from websockets.client import ClientProtocol
from websockets.protocol import State

from wsbench.check.observation import Answer, BrokenError, Trouble, answer_of_head, broken, excerpt, shown
from wsbench.check.session import Session

if TYPE_CHECKING:
    from wsbench.check.address import Address
    from wsbench.check.dialing import Channel

_OK = 200
_MOST_BODY = 2000


class Http2Connection:
    """The client's side of a connection whose first SETTINGS have come."""

    def __init__(self, channel: Channel, address: Address, user_agent: str) -> None:
        self._channel = channel
        self._address = address
        self._user_agent = user_agent
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._streams: dict[int, Http2Stream] = {}
        self._settings_came = False

    @classmethod
    async def open(cls, channel: Channel, address: Address, user_agent: str) -> Self:
        """Send the preface and wait for the server's SETTINGS. Raises BrokenError; the caller sets the time limit."""
        connection = cls(channel, address, user_agent)
        await connection._begin()
        return connection

    async def _begin(self) -> None:
        self._h2.initiate_connection()
        await self._flush()
        while not self._settings_came:
            await self.pump()

    @property
    def announces_connect_protocol(self) -> bool:
        """RFC 8441 section 3: whether the server takes extended CONNECT."""
        return self._h2.remote_settings.get(SettingCodes.ENABLE_CONNECT_PROTOCOL, 0) == 1

    @property
    def max_concurrent_streams(self) -> int | None:
        """As the server announces it; None where it sets no limit."""
        limit = self._h2.remote_settings.get(SettingCodes.MAX_CONCURRENT_STREAMS)
        return None if limit is None else int(limit)

    async def ask(self, *, key: bool) -> Http2Stream:
        """Ask for a WebSocket on a stream of its own; with the ``Sec-WebSocket-Key`` that RFC 8441 leaves out."""
        address = self._address
        headers = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "https" if address.tls else "http"),
            (":path", address.resource),
            (":authority", address.authority),
            ("sec-websocket-version", "13"),
            ("user-agent", self._user_agent),
        ]
        if key:
            headers.append(("sec-websocket-key", base64.b64encode(secrets.token_bytes(16)).decode()))
        number = self._h2.get_next_available_stream_id()
        stream = Http2Stream(self, number)
        try:
            self._h2.send_headers(number, headers)
        except H2Error as error:
            raise broken(Trouble.GOAWAY, f"no further stream can be opened: {error}") from None
        self._streams[number] = stream
        await self._flush()
        return stream

    def session(self, stream: Http2Stream) -> Session:
        """The WebSocket on a stream that was answered 200."""
        return Session(ClientProtocol(self._address.uri, state=State.OPEN), stream)

    async def send_data(self, number: int, data: bytes, *, end: bool) -> None:
        """On a stream, within what the peer's windows allow."""
        try:
            while len(data) > self._h2.local_flow_control_window(number):
                await self.pump()
            self._h2.send_data(number, data, end_stream=end)
        except H2Error:
            # The stream has ended meanwhile: reading it says how.
            return
        await self._flush()

    async def pump(self) -> None:
        """Read once. Raises BrokenError where the connection ends."""
        try:
            data = await self._channel.receive()
        except BrokenError as error:
            if error.failure.trouble is not Trouble.CLOSED:
                raise
            raise self._ended(error.failure.detail) from None
        if not data:
            raise self._ended("the peer ended the connection")
        try:
            events = self._h2.receive_data(data)
        except (H2Error, UnicodeDecodeError) as error:
            raise self._ended(f"{type(error).__name__}: {error}") from None
        goaway = None
        for event in events:
            if isinstance(event, h2.events.RemoteSettingsChanged):
                self._settings_came = True
            elif isinstance(event, h2.events.ConnectionTerminated):
                goaway = event
            else:
                self._hand_on(event)
        await self._flush()
        if goaway is not None and (goaway.error_code or not self._streams):
            code = _name(goaway.error_code)
            said = shown(goaway.additional_data) if goaway.additional_data else ""
            raise broken(Trouble.GOAWAY, f"the peer ended the connection with GOAWAY {code} {said}".rstrip())

    def _hand_on(self, event: h2.events.Event) -> None:
        stream = self._streams.get(getattr(event, "stream_id", None) or 0)
        if stream is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            stream.headers = tuple((str(name), str(value)) for name, value in event.headers or ())
        elif isinstance(event, h2.events.DataReceived):
            stream.data += event.data or b""
            if event.flow_controlled_length:
                self._h2.acknowledge_received_data(event.flow_controlled_length, stream.number)
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream.ended, stream.reset = True, _name(event.error_code)

    def _ended(self, how: str) -> BrokenError:
        first = self._channel.first
        if self._settings_came:
            return broken(Trouble.CLOSED, how)
        answer = answer_of_head(first)
        if answer is not None:
            return broken(Trouble.HTTP1_ONLY, f"it answers the HTTP/2 preface with HTTP/1: {answer.line}", answer)
        if not first:
            return broken(Trouble.CLOSED, f"{how} without an answer to the HTTP/2 preface")
        return broken(Trouble.GARBAGE, f"{shown(first)} is no SETTINGS frame ({how})")

    async def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data:
            await self._channel.send(data)


class Http2Stream:
    """One stream, as a channel of bytes."""

    def __init__(self, connection: Http2Connection, number: int) -> None:
        self._connection = connection
        self.number = number
        self.headers: tuple[tuple[str, str], ...] | None = None
        self.data = b""
        self.ended = False
        self.reset: str | None = None

    async def opened(self) -> tuple[Session, Answer]:
        """Wait for the answer; raises BrokenError where it is not 200."""
        while self.headers is None and not self.ended:
            await self._connection.pump()
        if self.headers is None:
            raise broken(Trouble.STREAM_RESET, f"the stream was reset with {self.reset}")
        status = int(dict(self.headers)[":status"])
        if status == _OK and not self.ended:
            return self._connection.session(self), self._answer(status, b"")
        while not self.ended and len(self.data) < _MOST_BODY:
            await self._connection.pump()
        answer = self._answer(status, self.data)
        said = f"{status}, and the stream ended at once" if status == _OK else str(status)
        raise broken(Trouble.ANSWERED, said, answer)

    async def send(self, data: bytes) -> None:
        """On this stream."""
        await self._connection.send_data(self.number, data, end=False)

    async def finish(self) -> None:
        """End our side of the stream."""
        await self._connection.send_data(self.number, b"", end=True)

    async def receive(self) -> bytes:
        """The next bytes; none at the end of the stream."""
        while not self.data and not self.ended:
            await self._connection.pump()
        data, self.data = self.data, b""
        if not data and self.reset not in (None, "NO_ERROR"):
            raise broken(Trouble.STREAM_RESET, f"the stream was reset with {self.reset}")
        return data

    def _answer(self, status: int, body: bytes) -> Answer:
        fields = tuple((name, value) for name, value in self.headers or () if not name.startswith(":"))
        return Answer(status, "", fields, excerpt(body))


def _name(code: h2.errors.ErrorCodes | int | None) -> str:
    return code.name if isinstance(code, h2.errors.ErrorCodes) else f"error {code}"
