"""The figures of any number of trials of one arm, pooled: what result.json says of an arm and of each round."""

from __future__ import annotations

import statistics as pooling
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from wsbench import document
from wsbench.limits import bounds_of
from wsbench_client.connect_phases import ConnectPhases
from wsbench_client.histogram import LatencyHistogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wsbench.trial import ProcessUse, Trial
    from wsbench_client import Recording

PERCENTILES = {"p50_us": 50.0, "p90_us": 90.0, "p99_us": 99.0, "p999_us": 99.9, "p9999_us": 99.99, "max_us": 100.0}
# Points of the percentile curves: ten steps for each further nine.
_CURVE_NINES = 5
_CURVE_STEPS = 10


@dataclass(frozen=True, slots=True)
class Setting:
    """What figures are judged by: whether messages were due at a set rate, and the cores that each part had."""

    open_loop: bool
    cpu_count: int
    workers: int
    envoy_concurrency: int


def latency(histogram: LatencyHistogram) -> document.Latency:
    """A histogram's figures, microseconds."""
    values = histogram.percentiles_ns(PERCENTILES.values())
    mean_ns = histogram.mean_ns
    return cast(
        "document.Latency",
        {
            "count": histogram.count,
            "mean_us": None if mean_ns is None else _us(round(mean_ns)),
            **{name: _us(value) for name, value in zip(PERCENTILES, values, strict=True)},
        },
    )


def pooled(histograms: Iterable[LatencyHistogram]) -> LatencyHistogram:
    """All of them merged; nothing is lost."""
    total = LatencyHistogram()
    for histogram in histograms:
        total.add(histogram)
    return total


def _us(value_ns: int | None) -> float | None:
    return None if value_ns is None else value_ns / 1000


def figures_of(trials: Sequence[Trial], setting: Setting) -> document.Figures:
    """The figures of any number of trials of one arm."""
    recordings = [trial.recording for trial in trials]
    echoes = sum(recording.echoes_in_window for recording in recordings)
    window_ns = sum(recording.window_ns for recording in recordings)
    opened = sum(recording.opened for recording in recordings)
    response = pooled_optional([recording.response_time for recording in recordings])
    lag = pooled_optional([recording.send_lag for recording in recordings])
    histograms = chain.from_iterable(_histograms(recording) for recording in recordings)
    cost = _Cost(echoes, window_ns, opened / len(trials) if trials else 0)
    driver = cost.of(sum(recording.cpu_ns for recording in recordings), [trial.driver_growth_bytes for trial in trials])
    server = cost.of_uses([trial.server for trial in trials if trial.server is not None])
    sidecars = _sidecars(trials, cost) if opened else None
    # A first connection over a hop that was not fresh is neither: it is in the totals alone.
    cold = pooled_phases(trial.recording.cold for trial in trials if trial.fresh_hop)
    warm = pooled_phases(recording.warm for recording in recordings)
    both = pooled_phases(recording.connecting for recording in recordings)
    processes = [driver, server, *([sidecars["client"], sidecars["server"]] if sidecars else [])]
    figures = document.Figures(
        connect=latency(both.connect),
        connect_tcp=latency(both.connect_tcp),
        connect_upgrade=latency(both.connect_upgrade),
        first_echo=latency(both.first_echo),
        cold=_phases(cold),
        warm=_phases(warm),
        connect_rate=_connect_rate(recordings),
        service_time=latency(pooled(recording.service_time for recording in recordings)),
        response_time=latency(response or LatencyHistogram()) if setting.open_loop else None,
        send_lag=latency(lag or LatencyHistogram()) if setting.open_loop else None,
        loop_lag=latency(pooled(recording.loop_lag for recording in recordings)),
        achieved_rate=echoes * 1e9 / window_ns if window_ns else None,
        goodput_mb_per_s=_goodput_mb_per_s(recordings),
        sent=sum(recording.sent for recording in recordings),
        received=sum(recording.received for recording in recordings),
        unanswered=sum(recording.unanswered for recording in recordings),
        unsent=sum(recording.unsent for recording in recordings),
        mismatched=sum(recording.mismatched for recording in recordings),
        unrecorded=sum(histogram.unrecorded for histogram in histograms),
        errors=_summed(recording.errors for recording in recordings),
        closes=_summed(recording.closes for recording in recordings),
        driver=driver,
        server=server,
        sidecars=sidecars,
        machine=_machine(trials, processes, setting.cpu_count),
        bound_by=None,
    )
    figures["bound_by"] = [
        bound.value
        for bound in bounds_of(
            figures,
            cpu_count=setting.cpu_count,
            workers=setting.workers,
            envoy_concurrency=setting.envoy_concurrency,
        )
    ]
    return figures


def _goodput_mb_per_s(recordings: Sequence[Recording]) -> float | None:
    one_way = [recording for recording in recordings if recording.bytes_in_window is not None]
    window_ns = sum(recording.window_ns for recording in one_way)
    # Bytes a nanosecond are 10^9 bytes a second.
    return sum(recording.bytes_in_window or 0 for recording in one_way) * 1e3 / window_ns if window_ns else None


def _connect_rate(recordings: Sequence[Recording]) -> float | None:
    opened = sum(recording.opened for recording in recordings)
    connecting_ns = sum(recording.connecting_ns for recording in recordings)
    return opened * 1e9 / connecting_ns if opened and connecting_ns else None


def _histograms(recording: Recording) -> list[LatencyHistogram]:
    found = (
        *recording.cold.histograms(),
        *recording.warm.histograms(),
        recording.service_time,
        recording.response_time,
        recording.send_lag,
    )
    return [histogram for histogram in found if histogram is not None]


def pooled_phases(found: Iterable[ConnectPhases]) -> ConnectPhases:
    """All of them merged."""
    total = ConnectPhases()
    for phases in found:
        total.add(phases)
    return total


def series_of(recording: Recording) -> list[document.Second]:
    """A trial's window in intervals."""
    seconds = []
    for interval in recording.series:
        p50_ns, p99_ns, max_ns = interval.latency().percentiles_ns([50.0, 99.0, 100.0])
        seconds.append(
            document.Second(
                start_us=interval.start_ns / 1000,
                width_us=interval.width_ns / 1000,
                received=interval.received,
                p50_us=_us(p50_ns),
                p99_us=_us(p99_ns),
                max_us=_us(max_ns),
            )
        )
    return seconds


def _phases(phases: ConnectPhases) -> document.ConnectPhases | None:
    if not phases.connect.count:
        return None
    return document.ConnectPhases(
        connect=latency(phases.connect),
        connect_tcp=latency(phases.connect_tcp),
        connect_upgrade=latency(phases.connect_upgrade),
        first_echo=latency(phases.first_echo),
    )


def pooled_optional(histograms: Sequence[LatencyHistogram | None]) -> LatencyHistogram | None:
    """Those that there are, merged; None where there is none."""
    found = [histogram for histogram in histograms if histogram is not None]
    return pooled(found) if found else None


def _summed(counts: Iterable[Mapping[Any, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update({str(key): value for key, value in count.items()})
    return dict(sorted(total.items()))


@dataclass(frozen=True, slots=True)
class _Cost:
    """What was used, in proportion to what it was used for: ``echoes`` in ``window_ns`` over ``connections``."""

    echoes: int
    window_ns: int
    connections: float

    def of(self, cpu_ns: int, growth_bytes: Sequence[int | None]) -> document.ProcessCost:
        growth = [found for found in growth_bytes if found is not None] if self.connections else []
        return document.ProcessCost(
            cpu_us_per_message=cpu_ns / 1000 / self.echoes if self.echoes else None,
            cpu_cores=cpu_ns / self.window_ns if self.window_ns else None,
            # A process keeps much of the memory it once had: the median round is above idle, not above the one before.
            rss_kib_per_connection=max(pooling.median(growth), 0) / 1024 / self.connections if growth else None,
        )

    def of_uses(self, uses: Sequence[ProcessUse]) -> document.ProcessCost | None:
        return self.of(sum(use.cpu_ns for use in uses), [use.rss_growth_bytes for use in uses]) if uses else None


def _sidecars(trials: Sequence[Trial], cost: _Cost) -> document.Sidecars | None:
    client = [trial.client_sidecar for trial in trials if trial.client_sidecar is not None]
    server = [trial.server_sidecar for trial in trials if trial.server_sidecar is not None]
    if not (client or server):
        return None
    return document.Sidecars(client=_sidecar(client, cost), server=_sidecar(server, cost))


def _sidecar(uses: Sequence[ProcessUse], cost: _Cost) -> document.SidecarCost | None:
    used = cost.of_uses(uses)
    if used is None:
        return None
    hop = [use.hop_connections for use in uses if use.hop_connections is not None]
    return document.SidecarCost(**used, hop_connections=max(hop) if hop else None)


def _machine(
    trials: Sequence[Trial], ours: Sequence[document.ProcessCost | None], cpu_count: int
) -> document.MachineUse | None:
    uses = [trial.machine for trial in trials if trial.machine is not None]
    total_s = sum(use.cpu_s for use in uses)
    if not total_s:
        return None
    busy = sum(use.busy * use.cpu_s for use in uses) / total_s * cpu_count
    lab_seen = all(trial.server is not None for trial in trials)
    own = sum((cost["cpu_cores"] or 0.0) for cost in ours if cost is not None)
    return document.MachineUse(
        busy_cores=busy,
        # A target's server is no process of ours, and may be on this machine: what it uses cannot be told apart.
        others_cores=max(busy - own, 0.0) if lab_seen else None,
        steal_cores=sum(use.steal * use.cpu_s for use in uses) / total_s * cpu_count,
    )


def curve(histogram: LatencyHistogram) -> list[tuple[float, float]]:
    """Points of a percentile curve, evenly spaced in nines, as far as there are values to tell them apart."""
    count = histogram.count
    if not count:
        return []
    percentiles = [0.0]
    for step in range(1, _CURVE_NINES * _CURVE_STEPS + 1):
        beyond = 10 ** (-step / _CURVE_STEPS)
        if beyond * count < 1:
            break
        percentiles.append(100 * (1 - beyond))
    percentiles.append(100.0)
    values = histogram.percentiles_ns(percentiles)
    return [
        (round(percentile, 5), value / 1000)
        for percentile, value in zip(percentiles, values, strict=True)
        if value is not None
    ]
