"""Counting instead of echoing: what a client asks for that wants to know how much gets through one way.

Asked for by the WebSocket subprotocol ``SUBPROTOCOL`` (RFC 6455 section 1.9), which the server agrees to whenever it is
offered. On such a connection nothing is echoed. The server sends receipts instead, text messages
``{"messages":N,"bytes":B}``: how many messages and bytes of payload it has read on this connection since it was opened.
One receipt is sent for all that was read together, as soon as it has been read.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SUBPROTOCOL = "wsbench.count.v1"
SUBPROTOCOL_HEADER = "Sec-WebSocket-Protocol"


def offered(headers: Iterable[str]) -> bool:
    """Whether the handshake's ``Sec-WebSocket-Protocol`` headers, comma-separated lists, offer to be counted."""
    return any(word.strip() == SUBPROTOCOL for header in headers for word in header.split(","))


class Tally:
    """What has been read on one connection. ``send`` takes a receipt, and does not wait."""

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._messages = 0
        self._bytes = 0
        self._told = 0
        self._loop = asyncio.get_running_loop()
        self._due = False

    def add(self, size: int) -> None:
        """One more message of ``size`` bytes. Its receipt leaves when the loop has read what there is to read."""
        self._messages += 1
        self._bytes += size
        if not self._due:
            self._due = True
            self._loop.call_soon(self.tell)

    def tell(self) -> None:
        """Send the receipt of all that has not been told yet, if there is any."""
        self._due = False
        if self._told < self._messages:
            self._told = self._messages
            self._send(f'{{"messages":{self._messages},"bytes":{self._bytes}}}')
