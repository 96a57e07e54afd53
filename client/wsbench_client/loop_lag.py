"""How late the driver's own event loop is: what it cannot be blamed on a server for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wsbench_client.histogram import LatencyHistogram
from wsbench_client.timer import Timer, clock_ns

if TYPE_CHECKING:
    from wsbench_client.journal import Window

# A hundred beats a second show a lag of milliseconds and cost a thousandth of a core.
_BEAT_NS = 10_000_000
# Recorded together, for each costs little then; some seconds of them, so that memory does not grow with the window.
_BATCH = 512


class LoopLag:
    """Wants to be called every 10 ms of a window, and records how much later it was.

    Made before the connections are, for its timer needs one of the file descriptors that they may use up.
    """

    def __init__(self) -> None:
        self.histogram = LatencyHistogram()
        self._timer = Timer(self._beat)
        self._due_ns = 0
        self._end_ns = 0
        self._lags: list[int] = []

    def watch(self, window: Window) -> None:
        """Beat through this window."""
        self._end_ns = window.end_ns
        self._due_ns = window.start_ns
        self._timer.call_at(self._due_ns)

    def stop(self) -> None:
        """No further beat. May be called again."""
        self._timer.close()
        self._record()

    def take(self) -> LatencyHistogram:
        """What has been recorded; it goes on with an empty one."""
        self._record()
        taken, self.histogram = self.histogram, LatencyHistogram()
        return taken

    def _beat(self) -> None:
        now_ns = clock_ns()
        # What was missed while the loop was away is one lag, not many.
        self._lags.append(now_ns - self._due_ns)
        if len(self._lags) >= _BATCH:
            self._record()
        self._due_ns = max(self._due_ns + _BEAT_NS, now_ns)
        if self._due_ns < self._end_ns:
            self._timer.call_at(self._due_ns)

    def _record(self) -> None:
        self.histogram.record(np.array(self._lags, dtype=np.int64))
        self._lags.clear()
