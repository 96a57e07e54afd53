"""HdrHistogram interval logs, format version 1.3: one line a round, tagged with the arm.

hdrh's own writer is of version 1.2, knows no tags and rounds the interval's maximum to whole milliseconds; the format
is a few lines of text around hdrh's encoding. Source: HdrHistogram/HdrHistogram, ``HistogramLogWriter.java``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wsbench_client.histogram import LatencyHistogram

_LEGEND = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
_MAX_UNIT_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """One line: when it began (seconds since the epoch), how long it was (seconds), what was recorded (nanoseconds)."""

    start_unix_s: float
    length_s: float
    histogram: LatencyHistogram


def render(tag: str, intervals: Iterable[Interval]) -> str:
    """The whole log. Values in the histograms are nanoseconds; the maximum column is milliseconds, as by convention."""
    intervals = list(intervals)
    base_s = intervals[0].start_unix_s if intervals else 0.0
    return head(base_s) + "".join(line(tag, base_s, interval) for interval in intervals)


def head(base_s: float) -> str:
    """What a log begins with; ``base_s`` is when, in seconds since the epoch."""
    began = datetime.fromtimestamp(base_s, UTC)
    lines = [
        "#[wsbench: latencies in nanoseconds, one interval a round]",
        "#[Histogram log format version 1.3]",
        f"#[BaseTime: {base_s:.3f} (seconds since epoch)]",
        f"#[StartTime: {base_s:.3f} (seconds since epoch), {began:%a %b %d %H:%M:%S UTC %Y}]",
        _LEGEND,
    ]
    return "\n".join(lines) + "\n"


def line(tag: str, base_s: float, interval: Interval) -> str:
    """One interval of a log that began at ``base_s``."""
    highest_ns = interval.histogram.percentiles_ns([100.0])[0] or 0
    return (
        f"Tag={tag},{interval.start_unix_s - base_s:.3f},{interval.length_s:.3f},"
        f"{highest_ns / _MAX_UNIT_NS:.3f},{interval.histogram.encode()}\n"
    )
