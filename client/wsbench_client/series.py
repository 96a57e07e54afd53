"""How the figures went over time: a histogram for every interval of the window, in little memory however long it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wsbench_client.histogram import LatencyHistogram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wsbench_client.journal import Window

# Buckets are computed for many values at once; until then they are kept as they came (16 bytes a value).
_GATHER = 32_768
# An echo comes late, but seldom by intervals: older ones are kept encoded, some KB each.
_HOT = 2
MOST_INTERVALS = 120
"""A longer window has longer intervals: what a drive remembers and reports must not grow with its length."""


@dataclass(frozen=True, slots=True)
class Interval:
    """One interval of the window: from ``start_ns`` after its begin, ``width_ns`` long (the last may be shorter).

    ``received`` echoes were read in it (one-way: messages were acknowledged). ``hdr`` holds the latencies of the
    messages that began in it, in HdrHistogram's V2 encoding: service time, or response time in the open loop.
    """

    start_ns: int
    width_ns: int
    received: int
    hdr: str

    def latency(self) -> LatencyHistogram:
        """The latencies."""
        return LatencyHistogram.decode(self.hdr)


class Series:
    """Gathers the intervals of ``window``, each ``interval_ns`` long, or as many times that as keep them few."""

    def __init__(self, window: Window, interval_ns: int) -> None:
        self._window = window
        length_ns = window.end_ns - window.start_ns
        self._interval_ns = interval_ns * max(-(-length_ns // (MOST_INTERVALS * interval_ns)), 1)
        self._received = np.zeros(0, dtype=np.int64)
        self._acknowledged: Counter[int] = Counter()
        self._hot: dict[int, LatencyHistogram] = {}
        self._cold: dict[int, str] = {}
        self._begun: list[NDArray[np.int64]] = []
        self._latencies: list[NDArray[np.int64]] = []
        self._gathered = 0

    def note_received(self, read_ns: NDArray[np.int64]) -> None:
        """Echoes were read at these times, all of them inside the window."""
        places = (read_ns - self._window.start_ns) // self._interval_ns
        found = np.bincount(places, minlength=self._received.size)
        found[: self._received.size] += self._received
        self._received = found

    def note_acknowledged(self, now_ns: int, messages: int) -> None:
        """A receipt for so many messages was read inside the window."""
        self._acknowledged[(now_ns - self._window.start_ns) // self._interval_ns] += messages

    def note(self, begun_ns: NDArray[np.int64], latencies_ns: NDArray[np.int64]) -> None:
        """Messages of the window: when each began, and what it took. The arrays must not change afterwards."""
        self._begun.append(begun_ns)
        self._latencies.append(latencies_ns)
        self._gathered += begun_ns.size
        if self._gathered >= _GATHER:
            self._sort()

    def intervals(self) -> tuple[Interval, ...]:
        """All intervals of the window, in order."""
        self._sort()
        length_ns = self._window.end_ns - self._window.start_ns
        received = np.zeros(-(-length_ns // self._interval_ns), dtype=np.int64)
        received[: self._received.size] = self._received
        for place, messages in self._acknowledged.items():
            received[place] += messages
        return tuple(
            Interval(
                start_ns=place * self._interval_ns,
                width_ns=min(self._interval_ns, length_ns - place * self._interval_ns),
                received=int(number),
                hdr=self._cold.get(place) or self._histogram(place).encode(),
            )
            for place, number in enumerate(received)
        )

    def _sort(self) -> None:
        if not self._gathered:
            return
        places = (np.concatenate(self._begun) - self._window.start_ns) // self._interval_ns
        latencies = np.concatenate(self._latencies)
        self._begun.clear()
        self._latencies.clear()
        self._gathered = 0
        for place in np.unique(places).tolist():
            histogram = self._histogram(place)
            histogram.record(latencies[places == place])
            self._cold.pop(place, None)
            self._hot[place] = histogram
        for place in sorted(self._hot)[:-_HOT]:
            self._cold[place] = self._hot.pop(place).encode()

    def _histogram(self, place: int) -> LatencyHistogram:
        """What there is of an interval; changing it changes only what is hot."""
        if place in self._hot:
            return self._hot[place]
        return LatencyHistogram.decode(self._cold[place]) if place in self._cold else LatencyHistogram()


def merged(series: Sequence[Sequence[Interval]]) -> tuple[Interval, ...]:
    """Several drives' intervals of one common window as one series; nothing is lost.

    Raises ValueError where their intervals are not the same.
    """
    if len(series) == 1:
        return tuple(series[0])
    together = []
    for parts in zip(*series, strict=True):
        if len({(part.start_ns, part.width_ns) for part in parts}) > 1:
            raise ValueError("series of different windows cannot be merged")
        total = LatencyHistogram()
        for part in parts:
            total.add(part.latency())
        received = sum(part.received for part in parts)
        together.append(Interval(parts[0].start_ns, parts[0].width_ns, received, total.encode()))
    return tuple(together)
