"""A WebSocket that is open, over whatever carries its bytes: the steps that are the same for every way there.

``websockets``' protocol without I/O makes and reads the frames; what it goes over is a ``ByteChannel``.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

import anyio
from websockets.frames import Frame, Opcode

from wsbench.check.observation import BrokenError, Trouble, broken, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from websockets.client import ClientProtocol
    from websockets.protocol import Event

_NORMAL_CLOSURE = 1000
_TEXT = "wsbench check: \u00fc \u4f60\u597d"
_BYTES = bytes(range(256))
_PING = b"wsbench"
_KEPT = 3


class ByteChannel(Protocol):
    """What carries a WebSocket's bytes: a connection, or a stream of one."""

    async def send(self, data: bytes) -> None:
        """Send all of it. Raises BrokenError."""

    async def receive(self) -> bytes:
        """The next bytes; none at the end. Raises BrokenError."""

    async def finish(self) -> None:
        """Nothing more is sent."""


class Session:
    """A WebSocket after its handshake."""

    def __init__(self, protocol: ClientProtocol, channel: ByteChannel, came: Iterable[Event] = ()) -> None:
        """``came`` is what arrived together with the handshake's answer."""
        self._protocol = protocol
        self._channel = channel
        self._waiting = deque(event for event in came if isinstance(event, Frame))
        self._unasked: list[str] = []
        self._pings = 0
        self._ended = False
        self._at_end = False

    @property
    def ended(self) -> bool:
        """Whether nothing more can be done with it."""
        return self._ended

    @property
    def ended_by_peer(self) -> bool:
        """Whether it ended otherwise than by our own close."""
        return (self._ended and self._protocol.close_sent is None) or self.closed_by_peer

    @property
    def closed_by_peer(self) -> bool:
        """Whether the peer ended it in order, with a close frame of its own."""
        return self._protocol.close_rcvd is not None and bool(self._protocol.close_rcvd_then_sent)

    @property
    def unasked(self) -> str:
        """Messages that were no echo, in words; empty where none came."""
        return ", ".join(self._unasked[:_KEPT]) + (" ..." if len(self._unasked) > _KEPT else "")

    async def ping(self) -> str:
        """RFC 6455 section 5.5.3: whoever is at the end has to send the same bytes back."""
        self._protocol.send_ping(_PING)
        await self._flush()
        while True:
            frame = await self._frame()
            if frame.opcode is Opcode.PONG and bytes(frame.data) == _PING:
                return "pong"
            self._note(frame)

    async def echo_text(self) -> str:
        """A message of several scripts. It waits for ever where no echo comes: the caller sets the time limit."""
        self._protocol.send_text(_TEXT.encode())
        return await self._echo(Opcode.TEXT, _TEXT.encode())

    async def echo_bytes(self) -> str:
        """Bytes of every value."""
        self._protocol.send_binary(_BYTES)
        return await self._echo(Opcode.BINARY, _BYTES)

    async def idle(self, seconds: float, timeout_s: float) -> str:
        """Say nothing for so long, answer pings, then ask for a pong."""
        began, pings = time.monotonic(), self._pings
        try:
            with anyio.move_on_after(seconds):
                while True:
                    self._note(await self._frame())
        except BrokenError as error:
            after = f"after {time.monotonic() - began:.1f} s without a message: {error.failure.detail}"
            raise broken(error.failure.trouble, after) from None
        seen = self._pings - pings
        try:
            with anyio.fail_after(timeout_s):
                await self.ping()
        except TimeoutError:
            raise broken(
                Trouble.NO_PONG, f"still open after {seconds:g} s, but no pong within {timeout_s:g} s"
            ) from None
        return f"pong after {seconds:g} s" + (f"; the server sent {seen} pings meanwhile" if seen else "")

    async def close(self) -> str:
        """The closing handshake, and the code that came back."""
        self._ended = True
        self._protocol.send_close(_NORMAL_CLOSURE)
        await self._flush()
        while self._protocol.close_rcvd is None:
            self._note(await self._frame())
        code = self._protocol.close_rcvd.code
        if code != _NORMAL_CLOSURE:
            reason = self._protocol.close_rcvd.reason
            raise broken(Trouble.CLOSE_CODE, f"{code} came back for 1000{f': {reason}' if reason else ''}")
        return "1000 came back"

    async def _echo(self, opcode: Opcode, expected: bytes) -> str:
        await self._flush()
        message, kind = b"", opcode
        while True:
            frame = await self._frame()
            if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
                message, kind = bytes(frame.data), frame.opcode
            elif frame.opcode is Opcode.CONT:
                message += frame.data
            else:
                self._note(frame)
                continue
            if not frame.fin:
                continue
            if (kind, message) == (opcode, expected):
                return f"{len(expected)} bytes came back"
            self._unasked.append(_worded(kind, message))

    async def _frame(self) -> Frame:
        """What comes next. Raises BrokenError where the WebSocket ends, unless by our own close."""
        while not self._waiting:
            try:
                self._raise_if_ended()
                data = await self._channel.receive()
                if data:
                    self._protocol.receive_data(data)
                else:
                    self._at_end = True
                    self._protocol.receive_eof()
                self._waiting.extend(event for event in self._protocol.events_received() if isinstance(event, Frame))
                await self._flush()
            except BrokenError:
                self._ended = True
                raise
        return self._waiting.popleft()

    def _raise_if_ended(self) -> None:
        protocol = self._protocol
        if self.closed_by_peer:
            raise broken(Trouble.CLOSED, f"the server closed the WebSocket with {protocol.close_rcvd}")
        if self._at_end:
            raise broken(Trouble.CLOSED, "the connection ended without a close frame (1006)")
        if protocol.close_rcvd is None and protocol.parser_exc is not None:
            raise broken(Trouble.BAD_FRAME, f"what came is no WebSocket frame: {protocol.parser_exc}")

    def _note(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PING:
            self._pings += 1
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._unasked.append(_worded(frame.opcode, bytes(frame.data)))

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                await self._channel.send(data)
            else:
                await self._channel.finish()


def _worded(kind: Opcode, message: bytes) -> str:
    if kind is Opcode.TEXT:
        return repr(message[:60].decode("utf-8", "replace"))
    return f"{len(message)} bytes {shown(message, 16)}"
