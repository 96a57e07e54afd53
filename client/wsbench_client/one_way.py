"""One-way traffic: the server only counts, and tells from time to time what it has received so far.

Nothing is believed that the server has not acknowledged. The agreement is a WebSocket subprotocol (RFC 6455 section
1.9), so that a server which cannot count is found out at the handshake. Under ``SUBPROTOCOL`` the server echoes
nothing; it sends receipts, text messages ``{"messages":N,"bytes":B}`` with the number of messages and payload bytes
that it has received on this connection since it was opened, soon after it received them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wsbench_client.exchange import Exchange, Paced, SelfPaced
from wsbench_client.timer import clock_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsbench_client.journal import Journal
    from wsbench_client.payload import PayloadRing

SUBPROTOCOL = "wsbench.count.v1"
"""What a server must agree to that is to count."""

_RECEIPT = re.compile(rb'\{"messages": ?(\d{1,18}), ?"bytes": ?(\d{1,18})\}')
# Messages between two looks at the clock: some tens of microseconds.
_BATCH = 32


class Account:
    """What one connection has sent, and what of it the server has acknowledged: running totals, no memory of messages.

    ``limit_messages`` and ``limit_bytes`` bound what may be in flight, so that neither this process's memory nor the
    time to drain grows without end; one message may always be. Receipts are noted where ``begin`` says.
    """

    __slots__ = (
        "_bytes_acknowledged",
        "_first",
        "_last",
        "_limit_bytes",
        "_limit_messages",
        "_note_acknowledged",
        "_place",
        "_ring",
        "acknowledged",
        "sent",
        "sent_bytes",
    )

    def __init__(self, ring: PayloadRing, place: int, limit_messages: int, limit_bytes: int) -> None:
        self.sent = 0
        self.sent_bytes = 0
        self.acknowledged = 0
        self._bytes_acknowledged = 0
        # Which messages are of the window, counted from 0: those from first up to but not including last.
        self._first = 0
        self._last = 0
        self._ring = ring
        self._place = place & ring.mask
        self._limit_messages = limit_messages
        self._limit_bytes = limit_bytes
        self._note_acknowledged: Callable[[int, int, int, int], None] = _nobody

    def greet(self, greeted: Callable[[int], None]) -> None:
        """``greeted`` is called with the time of a receipt that comes before traffic begins."""
        self._note_acknowledged = lambda now_ns, _messages, _bytes, _measured: greeted(now_ns)

    def begin(self, journal: Journal) -> None:
        """Traffic begins: receipts are noted in ``journal``."""
        self._note_acknowledged = journal.note_acknowledged

    @property
    def full(self) -> bool:
        """Whether as much is in flight as may be."""
        messages, payload_bytes = self._in_flight()
        return messages > 0 and (messages >= self._limit_messages or payload_bytes >= self._limit_bytes)

    @property
    def half_empty(self) -> bool:
        """Whether no more than half of what may be in flight is."""
        messages, payload_bytes = self._in_flight()
        return messages == 0 or (2 * messages <= self._limit_messages and 2 * payload_bytes <= self._limit_bytes)

    def _in_flight(self) -> tuple[int, int]:
        return self.sent - self.acknowledged, self.sent_bytes - self._bytes_acknowledged

    def note_sent(self, messages: int, payload_bytes: int, *, measured: bool) -> None:
        """``messages`` have left, all of them in the window or none."""
        if measured:
            if self._first == self._last:
                self._first = self.sent
            self._last = self.sent + messages
        self.sent += messages
        self.sent_bytes += payload_bytes

    def take(self, now_ns: int, receipt: bytes) -> bool:
        """Note what ``receipt``, read at ``now_ns``, adds to those before it.

        False, and nothing done, where it is no receipt of what was sent: it must tell of more than the last one, of no
        more than was sent, and of exactly the bytes that these messages have.
        """
        found = _RECEIPT.fullmatch(receipt)
        if found is None:
            return False
        messages, received_bytes = int(found[1]), int(found[2])
        before = self.acknowledged
        if not before < messages <= self.sent or received_bytes != self._ring.bytes_from(self._place, messages):
            return False
        measured = max(0, min(messages, self._last) - max(before, self._first))
        self._note_acknowledged(now_ns, messages - before, received_bytes - self._bytes_acknowledged, measured)
        self.acknowledged = messages
        self._bytes_acknowledged = received_bytes
        return True

    @property
    def unanswered(self) -> int:
        """Messages of the window that have left and are not acknowledged."""
        return max(0, self._last - max(self.acknowledged, self._first))


class _Receipted(Exchange):
    """An exchange whose answers are receipts."""

    __slots__ = ()

    _account: Account

    def _send_greeting(self) -> None:
        payload = self._messages[self._at]
        self._at = (self._at + 1) & self._mask
        self._account.greet(self._note_read)
        self._account.note_sent(1, len(payload), measured=False)
        self.send(payload)

    def begin(self, journal: Journal) -> None:
        super().begin(journal)
        self._account.begin(journal)

    def receive(self, now_ns: int, payload: bytes) -> bool:
        return self._account.take(now_ns, payload)

    def receive_wrong(self) -> None:
        # It stands for no message: what it should have told of, the next receipt tells.
        self.mismatched += 1

    def unanswered(self) -> int:
        return self._account.unanswered

    @property
    def idle(self) -> bool:
        return self._account.sent == self._account.acknowledged


class Stream(_Receipted, SelfPaced):
    """Sends as fast as the transport's back-pressure and the bound of what is in flight let it."""

    __slots__ = ("_account",)

    def __init__(
        self, ring: PayloadRing, place: int, stumbled: Callable[[SelfPaced], None], limits: tuple[int, int]
    ) -> None:
        super().__init__(ring, place, stumbled)
        self._account = Account(ring, place, *limits)

    def start(self) -> None:
        note_sent, send, messages, mask, window = (
            self._account.note_sent, self.send, self._messages, self._mask, self._window,
        )  # fmt: skip
        while self._may_send() and (now_ns := clock_ns()) < self._stop_ns:
            measured = now_ns in window
            for _ in range(_BATCH):
                payload = messages[self._at]
                self._at = (self._at + 1) & mask
                note_sent(1, len(payload), measured=measured)
                send(payload)
                if not self._may_send():
                    break

    def _may_send(self) -> bool:
        return self.alive and not self.paused and not self._account.full

    def resume_writing(self) -> None:
        super().resume_writing()
        self.start()

    def receive(self, now_ns: int, payload: bytes) -> bool:
        if not self._account.take(now_ns, payload):
            return False
        # Refilled by every receipt, many small ones would each let go a few messages, to be read and acknowledged by
        # themselves again: a silly window (RFC 813), at half the throughput.
        if self._account.half_empty:
            self.start()
        return True


class PacedStream(_Receipted, Paced):
    """Sends messages when they are due, as far as the bound of what is in flight lets it."""

    __slots__ = ("_account",)

    def __init__(self, ring: PayloadRing, place: int, limits: tuple[int, int]) -> None:
        super().__init__(ring, place)
        self._account = Account(ring, place, *limits)

    def send_due(self, due_ns: int) -> None:
        if not self.alive or self._account.full:
            self.give_up(due_ns)
            return
        payload = self._messages[self._at]
        self._at = (self._at + 1) & self._mask
        # No answer is this message's own, yet how late it left is known.
        self._note_due(due_ns)
        self._note_sent(clock_ns())
        self._account.note_sent(1, len(payload), measured=due_ns in self._window)
        self.send(payload)


def _nobody(_now_ns: int, _messages: int, _payload_bytes: int, _measured: int) -> None:
    raise RuntimeError("a receipt was taken before traffic had begun")
