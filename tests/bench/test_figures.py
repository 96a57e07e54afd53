from dataclasses import replace
from typing import Any

import pytest

from tests.bench import samples
from wsbench.figures import Setting, curve, figures_of, latency, series_of
from wsbench.machine import Use
from wsbench.trial import Trial
from wsbench_client.histogram import LatencyHistogram
from wsbench_client.series import Interval

SETTING = Setting(open_loop=False, cpu_count=2, workers=1, envoy_concurrency=1)


def trials(name: str = "http1", rounds: int = 2, **changes: Any) -> tuple[Trial, ...]:
    return tuple(replace(trial, **changes) for trial in samples.trials(name, 1.0, rounds))


def test_latency_is_in_microseconds_and_null_where_nothing_was_recorded() -> None:
    found = latency(samples.histogram([1_000_000, 2_000_000, 3_000_000]))
    assert found["count"] == 3
    assert found["mean_us"] == pytest.approx(2000, rel=0.001)
    assert found["p50_us"] == pytest.approx(2000, rel=0.001)
    assert found["max_us"] == pytest.approx(3000, rel=0.001)
    count, *nothing = latency(LatencyHistogram()).values()
    assert (count, set(nothing)) == (0, {None})


def test_what_the_machine_did_is_ours_or_others() -> None:
    # In a window of 1 s: 0.01 s of the driver's, 0.015 of the server's, 0.02 of each sidecar's.
    found: Any = figures_of(trials(machine=Use(busy=0.25, steal=0.05, cpu_s=2.0)), SETTING)
    assert found["machine"] == {
        "busy_cores": pytest.approx(0.5),
        "others_cores": pytest.approx(0.5 - 0.01 - 0.015 - 2 * 0.02),
        "steal_cores": pytest.approx(0.1),
    }


def test_a_target_s_server_cannot_be_told_from_others() -> None:
    found = figures_of(trials("mine", machine=Use(busy=0.25, steal=0.0, cpu_s=2.0), server=None), SETTING)
    assert found["machine"] is not None
    assert found["machine"]["others_cores"] is None


def test_a_machine_that_was_not_seen_is_unknown() -> None:
    assert figures_of(trials(), SETTING)["machine"] is None


def test_only_the_first_connection_over_a_fresh_hop_is_cold() -> None:
    fresh, stale = figures_of(trials(), SETTING), figures_of(trials(fresh_hop=False), SETTING)
    assert fresh["cold"] is not None
    assert fresh["cold"]["connect"]["count"] == 2
    assert stale["cold"] is None
    for found in (fresh, stale):
        assert found["warm"] is not None
        assert found["warm"]["connect"]["count"] == 6
        assert found["connect"]["count"] == 8


def test_goodput_is_of_one_way_traffic() -> None:
    assert figures_of(trials(), SETTING)["goodput_mb_per_s"] is None
    counted = trials(recording=samples.recording(bytes_in_window=5_000_000))
    # Ten million bytes in two windows of a second.
    assert figures_of(counted, SETTING)["goodput_mb_per_s"] == pytest.approx(5.0)


def test_who_was_at_its_limit_is_among_the_figures() -> None:
    assert figures_of(trials(), SETTING)["bound_by"] == []
    busy = trials(recording=samples.recording(cpu_ns=950_000_000))
    assert figures_of(busy, SETTING)["bound_by"] == ["driver"]
    assert figures_of(busy, replace(SETTING, workers=2))["bound_by"] == []


def test_a_window_in_intervals() -> None:
    some = samples.histogram([1_000_000] * 98 + [5_000_000] * 2)
    intervals = (Interval(0, 10**9, 100, some.encode()), Interval(10**9, 5 * 10**8, 0, LatencyHistogram().encode()))
    first, last = series_of(samples.recording(series=intervals))
    assert (first["start_us"], first["width_us"], first["received"]) == (0, 1_000_000, 100)
    assert first["p50_us"] == pytest.approx(1000, rel=0.001)
    assert first["p99_us"] == pytest.approx(5000, rel=0.001)
    assert last == {"start_us": 1e6, "width_us": 5e5, "received": 0, "p50_us": None, "p99_us": None, "max_us": None}


def test_a_curve_ends_where_single_values_can_be_told_apart() -> None:
    points = curve(samples.histogram(range(1000, 101_000, 100)))
    percentiles = [percentile for percentile, _ in points]
    assert percentiles[0] == 0
    assert percentiles[-1] == 100
    assert percentiles == sorted(percentiles)
    assert [value for _, value in points] == sorted(value for _, value in points)
    # A thousand values: the 99.9th percentile is the last with a value of its own.
    assert percentiles[-2] == pytest.approx(99.9)
    assert curve(LatencyHistogram()) == []
