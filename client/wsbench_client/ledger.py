"""What the Locust users of one process have done and nobody has been told of yet.

The path of a message appends integers; buckets are computed a batch at a time, as in the driver's journal. Knows
neither Locust nor gevent: users note, whoever reports takes.
"""

from __future__ import annotations

import time
from array import array
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from wsbench_client.connect_phases import ConnectPhases
from wsbench_client.histogram import LatencyHistogram
from wsbench_client.stretch import Stretch
from wsbench_client.timer import clock_ns

if TYPE_CHECKING:
    from wsbench_client.recording import ErrorKind

_BATCH = 8_192


class Ledger:
    """Notes of exchanges and connections, taken a stretch at a time.

    ``note_exchange`` takes the latency of an answered message, nanoseconds. A message that was sent must be told by one
    of ``note_exchange``, ``note_mismatch`` and ``note_unanswered``. ``troubles`` are words on what went wrong beside
    the connections; they are not taken, but stay.
    """

    def __init__(self) -> None:
        self.troubles: list[str] = []
        self._latencies = array("q")
        self._service_time = LatencyHistogram()
        self._connecting = ConnectPhases()
        self._mismatched = 0
        self._unanswered = 0
        self._opened = 0
        self._errors: Counter[ErrorKind] = Counter()
        self._rejections: Counter[int] = Counter()
        self._details: dict[ErrorKind, str] = {}
        self._closes: Counter[int] = Counter()
        self._hop_protocols: Counter[str] = Counter()
        self._handed: list[Stretch] = []
        # One offset for the life of the ledger: a clock that is set meanwhile moves no stretch.
        self._to_unix_ns = time.time_ns() - clock_ns()
        self._begin_ns = clock_ns()
        self._cpu_ns = time.process_time_ns()

    def left_ns(self, interval_ns: int) -> int:
        """How long it is until the wall clock shows a multiple of ``interval_ns``."""
        return interval_ns - (clock_ns() + self._to_unix_ns) % interval_ns

    def note_exchange(self, latency_ns: int) -> None:
        """A message was answered, so long after it was sent."""
        self._latencies.append(latency_ns)
        if len(self._latencies) >= _BATCH:
            self._judge()

    def note_mismatch(self) -> None:
        """A message was answered by another than its echo."""
        self._mismatched += 1

    def note_unanswered(self, messages: int) -> None:
        """So many messages will not be answered any more."""
        self._unanswered += messages

    def note_connected(self, begin_ns: int, tcp_ns: int, upgraded_ns: int, hop_protocol: str) -> None:
        """A connection was upgraded: the times of ``ConnectPhases.record``, and what the handshake said of the hop."""
        self._opened += 1
        self._connecting.record(begin_ns, tcp_ns, upgraded_ns)
        self._hop_protocols[hop_protocol] += 1

    def note_error(self, kind: ErrorKind, detail: str, status: int | None = None) -> None:
        """A connection failed, before it was upgraded (with the HTTP ``status`` of a rejection) or in use."""
        self._errors[kind] += 1
        self._details.setdefault(kind, detail)
        if status is not None:
            self._rejections[status] += 1

    def note_closed(self, code: int) -> None:
        """A connection is gone, with this close code (RFC 6455 section 7.4)."""
        self._closes[code] += 1

    def hand_in(self, stretch: Stretch) -> None:
        """What another process recorded for this one."""
        self._handed.append(stretch)

    def take(self) -> list[Stretch]:
        """All that was noted since the last time, as stretches; they are forgotten here."""
        self.cut()
        taken = list(self._handed)
        self._handed.clear()
        return taken

    def cut(self) -> None:
        """End a stretch here, and begin the next."""
        self._judge()
        now_ns, cpu_ns = clock_ns(), time.process_time_ns()
        received = self._service_time.count
        found = {
            "service_time": self._service_time,
            "connect": self._connecting.connect,
            "connect_tcp": self._connecting.connect_tcp,
            "connect_upgrade": self._connecting.connect_upgrade,
        }
        stretch = Stretch(
            begin_unix_ns=self._begin_ns + self._to_unix_ns,
            end_unix_ns=now_ns + self._to_unix_ns,
            opened=self._opened,
            sent=received + self._service_time.unrecorded + self._mismatched + self._unanswered,
            received=received,
            unanswered=self._unanswered,
            mismatched=self._mismatched,
            cpu_ns=cpu_ns - self._cpu_ns,
            errors=dict(self._errors),
            rejections=dict(self._rejections),
            details=dict(self._details),
            closes=dict(self._closes),
            hop_protocols=dict(self._hop_protocols),
            histograms={name: one for name, one in found.items() if one.count or one.unrecorded},
        )
        self._handed.append(stretch)
        self._service_time = LatencyHistogram()
        self._connecting = ConnectPhases()
        self._mismatched = self._unanswered = self._opened = 0
        for counter in (self._errors, self._rejections, self._closes, self._hop_protocols):
            counter.clear()
        self._begin_ns, self._cpu_ns = now_ns, cpu_ns

    def forget(self) -> None:
        """Begin anew: nothing was done yet."""
        self.take()
        self.troubles.clear()

    def _judge(self) -> None:
        if self._latencies:
            self._service_time.record(np.array(self._latencies, dtype=np.int64))
            del self._latencies[:]
