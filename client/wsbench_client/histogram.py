"""Latency histograms: HdrHistogram's layout, recorded in batches.

``hdrh`` (the package ``hdrhistogram``) owns the format, its encoding and its decoding. Recording one value with it
costs microseconds of pure Python, so values are gathered and their buckets computed a batch at a time with numpy; the
counts are the same, bucket for bucket (a test compares them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, cast

import numpy as np
from hdrh.histogram import HdrHistogram

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

LOWEST_NS = 1
HIGHEST_NS = 3_600 * 1_000_000_000
DIGITS = 3
# HdrHistogram's layout for three digits: 2,048 sub-buckets, of which every bucket but the first uses the upper half.
_SUB_BUCKET_BITS = 11
_HALF_BITS = _SUB_BUCKET_BITS - 1


def _empty_hdr() -> HdrHistogram:
    return HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)


def _untie(hdr: HdrHistogram) -> None:
    """Let go of a histogram that is done with.

    ``hdrh`` ties it to its encoder in a cycle of 0.3 MB, and the worker runs without a garbage collector.
    """
    hdr.encoder = None


_COUNTS_LEN: int = _empty_hdr().counts_len


def _bucket_tops() -> NDArray[np.int64]:
    """The highest value equivalent to each bucket's values."""
    index = np.arange(_COUNTS_LEN, dtype=np.int64)
    shift = np.maximum((index >> _HALF_BITS) - 1, 0)
    tops: NDArray[np.int64] = ((index - (shift << _HALF_BITS) + 1) << shift) - 1
    return tops


_TOPS = _bucket_tops()


class LatencyHistogram:
    """Counts of latencies from 1 ns to one hour at three significant digits, about 0.3 MB however many values.

    Percentiles follow ``hdrh``: of the value at rank ``round(p/100 * count)``, the highest equivalent value.
    """

    __slots__ = ("counts", "total_ns", "unrecorded")

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros(_COUNTS_LEN, dtype=np.int64)
        self.total_ns = 0
        self.unrecorded = 0

    def record(self, values_ns: NDArray[np.int64]) -> None:
        """Record a batch. What does not fit (below zero or over an hour) is counted in ``unrecorded``."""
        fits = (values_ns >= 0) & (values_ns <= HIGHEST_NS)
        if not fits.all():
            self.unrecorded += int(values_ns.size - np.count_nonzero(fits))
            values_ns = values_ns[fits]
        # frexp's exponent is the bit length, exact below 2**53.
        shift = np.maximum(np.frexp(values_ns.astype(np.float64))[1].astype(np.int64) - _SUB_BUCKET_BITS, 0)
        index = (shift << _HALF_BITS) + (values_ns >> shift)
        if index.size:
            # Only as far as the batch reaches: adding all 30,000 counters would cost more than the batch itself.
            found = np.bincount(index)
            self.counts[: found.size] += found
        self.total_ns += int(values_ns.sum())

    def record_one(self, value_ns: int) -> None:
        """Record one value."""
        self.record(np.array([value_ns], dtype=np.int64))

    @property
    def count(self) -> int:
        """How many values were recorded."""
        return int(self.counts.sum())

    @property
    def mean_ns(self) -> float | None:
        """The mean of the recorded values; after decoding, of their buckets. None without values."""
        count = self.count
        return self.total_ns / count if count else None

    def recorded(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The buckets in which there is anything: the highest equivalent value of each, nanoseconds, and its count."""
        places = np.flatnonzero(self.counts)
        return _TOPS[places], self.counts[places]

    def percentiles_ns(self, percentiles: Iterable[float]) -> list[int | None]:
        """The value at each percentile (0 to 100); None for each where nothing was recorded."""
        cumulative = np.cumsum(self.counts)
        total = int(cumulative[-1])
        if not total:
            return [None for _ in percentiles]
        ranks = [max(int(percentile * total / 100 + 0.5), 1) for percentile in percentiles]
        return [int(value) for value in _TOPS[np.searchsorted(cumulative, ranks)]]

    def add(self, other: LatencyHistogram) -> None:
        """Merge ``other`` into this one; nothing is lost, both have the same buckets."""
        self.counts += other.counts
        self.total_ns += other.total_ns
        self.unrecorded += other.unrecorded

    def to_hdr(self) -> HdrHistogram:
        """The same counts as ``hdrh`` holds them."""
        hdr = _empty_hdr()
        recorded = np.flatnonzero(self.counts)
        if recorded.size:
            np.ctypeslib.as_array(hdr.counts)[:] = self.counts
            hdr.set_internal_tacking_values(int(recorded[0]), int(recorded[-1]), self.count)
        return hdr

    def encode(self) -> str:
        """HdrHistogram's V2 compressed encoding, in base64."""
        hdr = self.to_hdr()
        text = cast("bytes", hdr.encode()).decode("ascii")
        _untie(hdr)
        return text

    @classmethod
    def decode(cls, text: str) -> Self:
        """The inverse of ``encode``. Raises ``hdrh.codec.HdrCookieException`` and others for what is not one."""
        hdr = HdrHistogram.decode(text)
        histogram = cls()
        counts = np.ctypeslib.as_array(hdr.counts)
        histogram.counts[: counts.size] = counts
        middles = _TOPS - (np.diff(_TOPS, prepend=-1) // 2)
        histogram.total_ns = int(np.dot(histogram.counts, middles))
        _untie(hdr)
        return histogram
