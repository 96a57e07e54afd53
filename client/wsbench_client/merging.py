"""One drive shared by several workers: the plan split into theirs, their recordings made one again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from wsbench_client import series
from wsbench_client.connect_phases import ConnectPhases
from wsbench_client.histogram import LatencyHistogram
from wsbench_client.pacing import SECOND_NS
from wsbench_client.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wsbench_client.plan import DrivePlan

_Key = TypeVar("_Key")


def shares(plan: DrivePlan, workers: int) -> tuple[DrivePlan, ...]:
    """The plans of so many workers, which together make ``plan``.

    Connections are split as evenly as they go, rates in proportion to them. Each worker's dues are shifted by a whole
    message of the common rate, so that the workers' messages alternate instead of coinciding. The first worker alone
    has a cold connection. Several workers await a common start; one alone does not.

    Raises ValueError for more workers than connections.
    """
    if not 1 <= workers <= plan.connections:
        raise ValueError(f"{plan.connections} connections cannot be shared by {workers} workers")
    if workers == 1:
        return (plan,)
    found = []
    for place in range(workers):
        connections = plan.connections // workers + (place < plan.connections % workers)
        part = connections / plan.connections
        found.append(
            replace(
                plan,
                connections=connections,
                rate=None if plan.rate is None else plan.rate * part,
                connect_rate=None if plan.connect_rate is None else plan.connect_rate * part,
                connect_concurrency=max(plan.connect_concurrency // workers, 1),
                seed=plan.seed + place * 1_000_003,
                cold_first=plan.cold_first and place == 0,
                phase_ns=0 if plan.rate is None else round(place * SECOND_NS / plan.rate),
                await_start=True,
            )
        )
    return tuple(found)


def merged(plan: DrivePlan, recordings: Sequence[Recording]) -> Recording:
    """The recordings of ``plan``'s shares as one of ``plan``: histograms added, counts summed, nothing lost.

    Raises ValueError for no recording, and for windows of different lengths.
    """
    if not recordings:
        raise ValueError("there is nothing to merge")
    if len(recordings) == 1:
        return replace(recordings[0], plan=plan)
    # A worker that opened nothing had no window.
    driven = [one for one in recordings if one.window_ns]
    return Recording(
        plan=plan,
        opened=sum(one.opened for one in recordings),
        cold=_phases(one.cold for one in recordings),
        warm=_phases(one.warm for one in recordings),
        service_time=_added(one.service_time for one in recordings),
        response_time=_added_optional([one.response_time for one in recordings]),
        send_lag=_added_optional([one.send_lag for one in recordings]),
        loop_lag=_added(one.loop_lag for one in recordings),
        series=series.merged([one.series for one in driven]) if driven else (),
        started_unix_s=min(one.started_unix_s for one in driven or recordings),
        window_ns=_common({one.window_ns for one in driven}),
        echoes_in_window=sum(one.echoes_in_window for one in recordings),
        bytes_in_window=_bytes([one.bytes_in_window for one in recordings]),
        sent=sum(one.sent for one in recordings),
        received=sum(one.received for one in recordings),
        unanswered=sum(one.unanswered for one in recordings),
        unsent=sum(one.unsent for one in recordings),
        mismatched=sum(one.mismatched for one in recordings),
        errors=_summed(one.errors for one in recordings),
        rejections=_summed(one.rejections for one in recordings),
        details={kind: words for one in reversed(recordings) for kind, words in one.details.items()},
        closes=_summed(one.closes for one in recordings),
        hop_protocols=_summed(one.hop_protocols for one in recordings),
        cpu_ns=sum(one.cpu_ns for one in recordings),
        peak_rss_kib=sum(one.peak_rss_kib for one in recordings),
        cpu_of_workers_ns=tuple(one.cpu_ns for one in recordings),
        connecting_ns=max(one.connecting_ns for one in recordings),
        rss_idle_kib=_known_sum([one.rss_idle_kib for one in recordings]),
        rss_connected_kib=_known_sum([one.rss_connected_kib for one in recordings]),
    )


def _common(windows: set[int]) -> int:
    if len(windows) > 1:
        raise ValueError(f"recordings of different windows cannot be merged: {sorted(windows)} ns")
    return windows.pop() if windows else 0


def _added(histograms: Iterable[LatencyHistogram]) -> LatencyHistogram:
    total = LatencyHistogram()
    for histogram in histograms:
        total.add(histogram)
    return total


def _added_optional(histograms: Sequence[LatencyHistogram | None]) -> LatencyHistogram | None:
    found = [histogram for histogram in histograms if histogram is not None]
    return _added(found) if found else None


def _bytes(counts: Sequence[int | None]) -> int | None:
    found = [count for count in counts if count is not None]
    return sum(found) if found else None


def _known_sum(values: Sequence[int | None]) -> int | None:
    found = [value for value in values if value is not None]
    return sum(found) if len(found) == len(values) else None


def _phases(found: Iterable[ConnectPhases]) -> ConnectPhases:
    total = ConnectPhases()
    for phases in found:
        total.add(phases)
    return total


def _summed(counts: Iterable[Mapping[_Key, int]]) -> dict[_Key, int]:
    total: Counter[_Key] = Counter()
    for count in counts:
        total.update(count)
    return dict(total)
