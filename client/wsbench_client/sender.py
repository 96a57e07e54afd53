"""The open loop's sender: gives every message to its connection at the moment it is due, or as soon after as can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from wsbench_client.timer import Timer, clock_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsbench_client.exchange import OpenLoop
    from wsbench_client.pacing import ConstantRate

# Waking for every single message would cost more than sending it: those due within this time are sent together.
_QUANTUM_NS = 100_000
# After a stall the backlog is sent in portions, so that echoes are read in between.
_BURST = 256


class PacedSender:
    """Sends message k, due at ``start_ns + pacer.due_ns(k)``, on exchange k modulo their number.

    ``done`` is set when the last of ``total`` messages has been given to its exchange.
    """

    def __init__(self, pacer: ConstantRate, exchanges: Sequence[OpenLoop], start_ns: int, total: int) -> None:
        self.done = anyio.Event()
        self._pacer = pacer
        self._exchanges = exchanges
        self._start_ns = start_ns
        self._total = total
        self._next = 0
        self._timer = Timer(self._send_due)
        self._timer.call_at(start_ns)

    def stop(self) -> None:
        """Give up what has not been sent, counting it as unsent."""
        self._timer.close()
        for index in range(self._next, self._total):
            self._exchanges[index % len(self._exchanges)].give_up(self._start_ns + self._pacer.due_ns(index))
        self._next = self._total

    def _send_due(self) -> None:
        exchanges, due_ns, start_ns = self._exchanges, self._pacer.due_ns, self._start_ns
        index = self._next
        last = min(self._total, index + _BURST)
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
