"""A stretch of time and all that was recorded in it: what travels from a Locust worker to its master.

A ``Recording`` is a finished drive. Where nobody knows beforehand when the load will end, what is recorded is handed on
a stretch at a time, and the stretches are added up again: nothing is lost, none is counted twice.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self, TypeVar

from wsbench_client.connect_phases import ConnectPhases
from wsbench_client.histogram import LatencyHistogram
from wsbench_client.recording import ErrorKind, Recording
from wsbench_client.series import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wsbench_client.plan import DrivePlan

_Key = TypeVar("_Key")
_NS = 1_000_000_000
_CONNECTING = tuple(one.name for one in fields(ConnectPhases))
LATENCIES = (*_CONNECTING, "service_time", "response_time", "send_lag", "loop_lag")
"""The names of the histograms: each as the field of ``Recording`` or ``ConnectPhases`` of that name."""

_COUNTS = ("opened", "sent", "received", "unanswered", "unsent", "mismatched", "cpu_ns")


@dataclass(frozen=True, slots=True)
class Stretch:
    """From ``begin_unix_ns`` to ``end_unix_ns`` of the wall clock, nanoseconds since the epoch.

    ``histograms`` has those of LATENCIES in which something was recorded. An exchange belongs to the stretch in which
    its echo was read, so ``received`` is the count of ``service_time``. The other fields are those of ``Recording``,
    of this stretch alone.
    """

    begin_unix_ns: int
    end_unix_ns: int
    opened: int = 0
    sent: int = 0
    received: int = 0
    unanswered: int = 0
    unsent: int = 0
    mismatched: int = 0
    cpu_ns: int = 0
    errors: Mapping[ErrorKind, int] = field(default_factory=dict)
    rejections: Mapping[int, int] = field(default_factory=dict)
    details: Mapping[ErrorKind, str] = field(default_factory=dict)
    closes: Mapping[int, int] = field(default_factory=dict)
    hop_protocols: Mapping[str, int] = field(default_factory=dict)
    histograms: Mapping[str, LatencyHistogram] = field(default_factory=dict)

    def histogram(self, name: str) -> LatencyHistogram:
        """The one of that name; an empty one where nothing was recorded."""
        return self.histograms.get(name) or LatencyHistogram()

    @property
    def round_trip(self) -> LatencyHistogram:
        """Response time where messages were due at a set rate, otherwise service time."""
        return self.histograms.get("response_time") or self.histogram("service_time")

    def interval(self, length_ns: int) -> int:
        """The number of the wall clock's interval, each so long, that this is of: that of its middle."""
        return (self.begin_unix_ns + self.end_unix_ns) // 2 // length_ns

    def recording(self, plan: DrivePlan) -> Recording:
        """The same as the recording of a drive of ``plan``. Every connection is a warm one: none was opened alone."""
        window_ns = self.end_unix_ns - self.begin_unix_ns
        service_time, response_time = self.histogram("service_time"), self.histograms.get("response_time")
        return Recording(
            plan=plan,
            opened=self.opened,
            cold=ConnectPhases(),
            warm=ConnectPhases(**{name: self.histogram(name) for name in _CONNECTING}),
            service_time=service_time,
            response_time=response_time or (LatencyHistogram() if plan.open_loop else None),
            send_lag=self.histograms.get("send_lag") or (LatencyHistogram() if plan.open_loop else None),
            loop_lag=self.histogram("loop_lag"),
            series=(Interval(0, window_ns, self.received, self.round_trip.encode()),),
            started_unix_s=self.begin_unix_ns / _NS,
            window_ns=window_ns,
            echoes_in_window=self.received,
            sent=self.sent,
            received=self.received,
            unanswered=self.unanswered,
            unsent=self.unsent,
            mismatched=self.mismatched,
            errors=self.errors,
            rejections=self.rejections,
            details=self.details,
            closes=self.closes,
            hop_protocols=self.hop_protocols,
            cpu_ns=self.cpu_ns,
            peak_rss_kib=0,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data, histograms in HdrHistogram's V2 encoding. What is empty is left out."""
        content = {one.name: getattr(self, one.name) for one in fields(self)}
        content["histograms"] = {
            name: {"hdr": histogram.encode(), "total_ns": histogram.total_ns, "unrecorded": histogram.unrecorded}
            for name, histogram in self.histograms.items()
        }
        bounds = {name: content.pop(name) for name in ("begin_unix_ns", "end_unix_ns")}
        return bounds | {
            name: dict(value) if isinstance(value, dict) else value for name, value in content.items() if value
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of ``to_json``. Raises KeyError, TypeError or ValueError for what is none."""
        values = dict(data)
        for name in ("errors", "details"):
            values[name] = {ErrorKind(key): value for key, value in data.get(name, {}).items()}
        for name in ("rejections", "closes"):
            # JSON has no other keys than strings.
            values[name] = {int(key): value for key, value in data.get(name, {}).items()}
        values["histograms"] = {name: _decoded(found) for name, found in data.get("histograms", {}).items()}
        return cls(**values)


def added(stretches: Iterable[Stretch]) -> Stretch:
    """All of them as one, from the first begin to the last end. Raises ValueError for none."""
    stretches = tuple(stretches)
    if not stretches:
        raise ValueError("there is no stretch to add up")
    histograms: dict[str, LatencyHistogram] = {}
    for stretch in stretches:
        for name, histogram in stretch.histograms.items():
            histograms.setdefault(name, LatencyHistogram()).add(histogram)
    counts = {name: sum(getattr(one, name) for one in stretches) for name in _COUNTS}
    return Stretch(
        begin_unix_ns=min(one.begin_unix_ns for one in stretches),
        end_unix_ns=max(one.end_unix_ns for one in stretches),
        errors=_summed(one.errors for one in stretches),
        rejections=_summed(one.rejections for one in stretches),
        # The first words of each kind stay.
        details={kind: words for one in reversed(stretches) for kind, words in one.details.items()},
        closes=_summed(one.closes for one in stretches),
        hop_protocols=_summed(one.hop_protocols for one in stretches),
        histograms=histograms,
        **counts,
    )


def _summed(counts: Iterable[Mapping[_Key, int]]) -> dict[_Key, int]:
    total: Counter[_Key] = Counter()
    for count in counts:
        total.update(count)
    return dict(total)


def _decoded(data: Mapping[str, Any]) -> LatencyHistogram:
    histogram = LatencyHistogram.decode(data["hdr"])
    histogram.total_ns = data["total_ns"]
    histogram.unrecorded = data["unrecorded"]
    return histogram
