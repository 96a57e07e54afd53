"""The open loop's sender: gives every message to its connection at the moment it is due, or as soon after as can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from wsbench_client.journal import Window
from wsbench_client.timer import Timer, clock_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsbench_client.exchange import Paced
    from wsbench_client.pacing import ConstantRate

# Waking for every single message would cost more than sending it: those due within this time are sent together.
_QUANTUM_NS = 100_000
# After a stall the backlog is sent in portions, so that echoes are read in between.
_PORTION = 256


class PacedSender:
    """Sends message k (or burst k), due at ``start_ns + pacer.due_ns(k)``, on exchange k modulo their number.

    Made before the connections are, for its timer needs one of the file descriptors that they may use up. ``done`` is
    set when the last message due before the window's end has been given to its exchange. ``unsent`` counts, once
    stopped, those due in the window that were not; ``burst`` is how many messages an exchange sends for each time due.
    """

    def __init__(self, pacer: ConstantRate, burst: int = 1) -> None:
        self.done = anyio.Event()
        self.unsent = 0
        self._pacer = pacer
        self._burst = burst
        self._portion = max(_PORTION // burst, 1)
        self._exchanges: Sequence[Paced] = ()
        self._start_ns = 0
        self._window = Window(0, 0)
        self._total = 0
        self._next = 0
        self._timer = Timer(self._send_due)

    def start(self, exchanges: Sequence[Paced], start_ns: int, window: Window) -> None:
        """Send from ``start_ns`` until the window's end."""
        self._exchanges = exchanges
        self._start_ns = start_ns
        self._window = window
        self._total = self._pacer.due_before(window.end_ns - start_ns)
        self._timer.call_at(start_ns)

    def end(self, now_ns: int) -> None:
        """Send what was due before ``now_ns``, and nothing further: the window's end has come sooner than set."""
        self._total = max(self._next, min(self._total, self._pacer.due_before(now_ns - self._start_ns)))
        if self._next == self._total:
            self._timer.close()
            self.done.set()

    def stop(self) -> None:
        """Give up what has not been sent. May be called again."""
        self._timer.close()
        # Reckoned, not walked through: at a rate beyond all capacity these can be billions.
        measured = max(self._next, self._pacer.due_before(self._window.start_ns - self._start_ns))
        self.unsent += max(self._total - measured, 0) * self._burst
        self._next = self._total

    def _send_due(self) -> None:
        exchanges, due_ns, start_ns = self._exchanges, self._pacer.due_ns, self._start_ns
        index = self._next
        last = min(self._total, index + self._portion)
        now_ns = clock_ns()
        due = start_ns + due_ns(index)
        while due <= now_ns:
            exchanges[index % len(exchanges)].send_due(due)
            index += 1
            if index == last:
                break
            due = start_ns + due_ns(index)
        self._next = index
        if index == self._total:
            self.done.set()
            return
        self._timer.call_at(max(start_ns + due_ns(index), now_ns + _QUANTUM_NS))
