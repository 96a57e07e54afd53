from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.test_recording import recordings, same
from wsbench_client import DrivePlan, Recording
from wsbench_client.histogram import LatencyHistogram
from wsbench_client.merging import merged, shares

PLAN = DrivePlan("ws://h/", connections=10, rate=1000.0, connect_rate=50.0)


@given(st.integers(1, 200), st.integers(1, 16), st.none() | st.floats(1, 1e6))
def test_shares_make_the_whole(connections: int, workers: int, rate: float | None) -> None:
    plan = replace(PLAN, connections=connections, rate=rate)
    if workers > connections:
        with pytest.raises(ValueError, match="cannot be shared"):
            shares(plan, workers)
        return
    found = shares(plan, workers)
    assert len(found) == workers
    assert sum(part.connections for part in found) == connections
    assert max(part.connections for part in found) - min(part.connections for part in found) <= 1
    assert [part.cold_first for part in found] == [True] + [False] * (workers - 1)
    assert len({part.seed for part in found}) == workers
    assert {part.await_start for part in found} == {workers > 1}
    if rate is None:
        assert {part.rate for part in found} == {None}
    else:
        assert sum(part.rate or 0 for part in found) == pytest.approx(rate)


def test_messages_of_equal_workers_alternate() -> None:
    first, second = shares(PLAN, 2)
    assert (first.rate, second.rate) == (500.0, 500.0)
    assert (first.phase_ns, second.phase_ns) == (0, 1_000_000)


def test_one_worker_has_the_plan_as_it_is() -> None:
    assert shares(PLAN, 1) == (PLAN,)


@given(st.lists(recordings, min_size=1, max_size=3))
def test_nothing_is_lost(parts: list[Recording]) -> None:
    # A drive's window is common to its workers.
    parts = [replace(part, window_ns=10**9, series=parts[0].series) for part in parts]
    whole = merged(PLAN, parts)
    assert whole.plan is PLAN
    for name in ("opened", "sent", "received", "unanswered", "unsent", "mismatched", "echoes_in_window", "cpu_ns"):
        assert getattr(whole, name) == sum(getattr(part, name) for part in parts)
    assert whole.connecting_ns == max(part.connecting_ns for part in parts)
    for name in ("rss_idle_kib", "rss_connected_kib"):
        known = [getattr(part, name) for part in parts]
        assert getattr(whole, name) == (None if None in known else sum(known))
    for name in ("service_time", "loop_lag"):
        total = LatencyHistogram()
        for part in parts:
            total.add(getattr(part, name))
        same(total, getattr(whole, name))
        assert total.percentiles_ns([50, 99, 99.9]) == getattr(whole, name).percentiles_ns([50, 99, 99.9])
    assert sum(whole.errors.values()) == sum(sum(part.errors.values()) for part in parts)
    assert sum(whole.closes.values()) == sum(sum(part.closes.values()) for part in parts)
    assert [one.received for one in whole.series] == [one.received * len(parts) for one in parts[0].series]


@given(recordings, recordings)
def test_a_worker_that_opened_nothing_takes_no_part_in_the_window(one: Recording, other: Recording) -> None:
    whole = merged(PLAN, [replace(one, window_ns=0, series=()), replace(other, window_ns=10**9)])
    assert whole.window_ns == 10**9
    assert whole.started_unix_s == other.started_unix_s
    assert [interval.received for interval in whole.series] == [interval.received for interval in other.series]


@given(recordings, recordings)
def test_windows_of_different_lengths_are_a_mistake(one: Recording, other: Recording) -> None:
    with pytest.raises(ValueError, match="different windows"):
        merged(PLAN, [replace(one, window_ns=1, series=()), replace(other, window_ns=2, series=())])


def test_there_must_be_something_to_merge() -> None:
    with pytest.raises(ValueError, match="nothing to merge"):
        merged(PLAN, [])
