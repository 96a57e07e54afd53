"""The journal of exchanges: timestamps noted one by one, judged a batch at a time.

The path of a message only appends integers. Which of them count (warm-up is left out), and what latencies they make, is
worked out for hundreds at once. So the hot path knows no phases, and recording costs tens of nanoseconds a message.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np

from wsbench_client.histogram import LatencyHistogram
from wsbench_client.series import Series


@dataclass(frozen=True, slots=True)
class Window:
    """The measured window, from ``start_ns`` up to but not including ``end_ns`` of ``clock_ns``."""

    start_ns: int
    end_ns: int

    def __contains__(self, when_ns: int) -> bool:
        return self.start_ns <= when_ns < self.end_ns


class Journal:
    """Exchanges noted and not yet judged, and the histograms of those judged.

    ``note_due`` (open loop only), ``note_sent`` and ``note_read`` take the three times of one answered message, in
    ``clock_ns`` nanoseconds; they must be called together, in that order of arrays. Where messages are not answered one
    by one, ``note_acknowledged`` takes receipts instead of ``note_read``; what is noted as sent is then its lag alone.

    ``received`` counts answered messages of the window, ``echoes_in_window`` those answered inside it (whenever they
    were sent) and ``bytes_in_window`` their payload where receipts tell it.
    """

    def __init__(self, window: Window, *, open_loop: bool, interval_ns: int = 1_000_000_000) -> None:
        self.window = window
        self.series = Series(window, interval_ns)
        self.service_time = LatencyHistogram()
        self.response_time = LatencyHistogram() if open_loop else None
        self.send_lag = LatencyHistogram() if open_loop else None
        self.received = 0
        self.echoes_in_window = 0
        self.bytes_in_window = 0
        self._due = array("q")
        self._sent = array("q")
        self._read = array("q")
        self.note_due = self._due.append
        self.note_sent = self._sent.append
        self.note_read = self._read.append

    def note_acknowledged(self, now_ns: int, messages: int, payload_bytes: int, measured: int) -> None:
        """A receipt read at ``now_ns`` for so many further messages and bytes; ``measured`` are of the window."""
        self.received += measured
        if now_ns in self.window:
            self.echoes_in_window += messages
            self.bytes_in_window += payload_bytes
            self.series.note_acknowledged(now_ns, messages)

    def take(self) -> dict[str, LatencyHistogram]:
        """All that has been recorded, by the names of the attributes; it goes on with empty histograms."""
        self.judge()
        taken = {"service_time": self.service_time}
        self.service_time = LatencyHistogram()
        if self.response_time is not None and self.send_lag is not None:
            taken |= {"response_time": self.response_time, "send_lag": self.send_lag}
            self.response_time, self.send_lag = LatencyHistogram(), LatencyHistogram()
        return taken

    def judge(self, at_least: int = 1) -> None:
        """Record what has been noted since it last was, and forget it; nothing, where that is fewer than ``at_least``.

        A call costs about 15 us whatever it finds: a few hundred messages at a time make that little for each.
        """
        if len(self._sent) < at_least:
            return
        if self._read:
            self._judge(self._due, self._sent, self._read)
        else:
            self._judge_lag(self._due, self._sent)
        del self._due[:], self._sent[:], self._read[:]

    def _judge(self, noted_due: array[int], noted_sent: array[int], noted_read: array[int]) -> None:
        # The arrays cannot shrink while numpy looks at them: the views end with this call.
        start, end = self.window.start_ns, self.window.end_ns
        due = np.frombuffer(noted_due, dtype=np.int64) if noted_due else None
        sent = np.frombuffer(noted_sent, dtype=np.int64)
        read = np.frombuffer(noted_read, dtype=np.int64)
        inside = read[(read >= start) & (read < end)]
        self.echoes_in_window += int(inside.size)
        if inside.size:
            self.series.note_received(inside)
        begun = sent if due is None else due
        counts = (begun >= start) & (begun < end)
        if not counts.all():
            sent, read = sent[counts], read[counts]
            due = None if due is None else due[counts]
        self.received += int(read.size)
        service_time = read - sent
        self.service_time.record(service_time)
        if due is not None and self.response_time is not None and self.send_lag is not None:
            response_time = read - due
            self.response_time.record(response_time)
            self.send_lag.record(sent - due)
            self.series.note(due.copy(), response_time)
        else:
            self.series.note(sent.copy(), service_time)

    def _judge_lag(self, noted_due: array[int], noted_sent: array[int]) -> None:
        """Of messages that receipts answer: how late they left is all there is to record of each."""
        due = np.frombuffer(noted_due, dtype=np.int64)
        lag = np.frombuffer(noted_sent, dtype=np.int64) - due
        if self.send_lag is not None:
            self.send_lag.record(lag[(due >= self.window.start_ns) & (due < self.window.end_ns)])
