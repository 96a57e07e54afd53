from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench_client import series
from wsbench_client.histogram import LatencyHistogram
from wsbench_client.journal import Window
from wsbench_client.series import Interval, Series

MS = 1_000_000
START = 7_000 * MS


def made(begun: list[int], latencies: list[int], *, length: int = 2_500 * MS, parts: int = 1) -> tuple[Interval, ...]:
    found = Series(Window(START, START + length), 1_000 * MS)
    for part in range(parts):
        found.note(
            np.array(begun[part::parts], dtype=np.int64) + START, np.array(latencies[part::parts], dtype=np.int64)
        )
    reads = [START + one + took for one, took in zip(begun, latencies, strict=True) if one + took < length]
    if reads:
        found.note_received(np.array(reads, dtype=np.int64))
    return found.intervals()


def test_every_interval_of_the_window_is_there_and_the_last_says_its_width() -> None:
    found = made([0, 999 * MS, 1_000 * MS, 2_499 * MS], [5, 6, 7, 8])
    assert [(one.start_ns, one.width_ns) for one in found] == [
        (0, 1_000 * MS),
        (1_000 * MS, 1_000 * MS),
        (2_000 * MS, 500 * MS),
    ]
    assert [one.latency().count for one in found] == [2, 1, 1]
    assert [one.received for one in found] == [2, 1, 1]
    assert found[1].latency().percentiles_ns([100]) == [7]


def test_a_long_window_has_longer_intervals_not_more_of_them() -> None:
    minutes = 600_000 * MS
    found = made([0, 5_000 * MS, minutes - 1], [5, 6, 7], length=minutes)
    assert (len(found), {one.width_ns for one in found}) == (series.MOST_INTERVALS, {5_000 * MS})
    assert [one.received for one in found] == [1, 1, *[0] * 118]
    assert [found[place].latency().count for place in (0, 1, 119)] == [1, 1, 1]


def test_a_window_that_never_was_has_no_intervals() -> None:
    assert made([], [], length=0) == ()


def test_an_interval_without_messages_is_empty() -> None:
    found = made([2_000 * MS], [1])
    assert [one.received for one in found] == [0, 0, 1]
    assert found[0].latency().count == 0


def test_an_echo_belongs_to_where_it_was_read_its_latency_to_where_it_began() -> None:
    found = made([900 * MS], [300 * MS])
    assert [one.received for one in found] == [0, 1, 0]
    assert [one.latency().count for one in found] == [1, 0, 0]


@given(
    st.lists(st.tuples(st.integers(0, 49_999), st.integers(0, 10**9)), max_size=60),
    st.integers(1, 5),
    st.integers(1, 4),
)
def test_the_intervals_together_are_the_whole_in_whatever_order_they_come(
    messages: list[tuple[int, int]], parts: int, gather: int
) -> None:
    begun = [one * MS for one, _ in messages]
    latencies = [took for _, took in messages]
    with pytest.MonkeyPatch.context() as patch:
        # Sorted away every few values, so that old intervals are put away and come back.
        patch.setattr(series, "_GATHER", gather)
        found = made(begun, latencies, length=50_000 * MS, parts=parts)
    total = LatencyHistogram()
    for one in found:
        total.add(one.latency())
    expected = LatencyHistogram()
    expected.record(np.array(latencies, dtype=np.int64))
    assert (total.counts == expected.counts).all()
    for place, one in enumerate(found):
        assert one.latency().count == sum(place == when // (1_000 * MS) for when in begun)
    assert sum(one.received for one in found) == sum(
        one + took < 50_000 * MS for one, took in zip(begun, latencies, strict=True)
    )


def test_series_of_one_window_are_added() -> None:
    one, other = made([0, 1_200 * MS], [10, 20]), made([100 * MS], [30])
    both = series.merged([one, other])
    assert [interval.received for interval in both] == [2, 1, 0]
    assert both[0].latency().percentiles_ns([0, 100]) == [10, 30]
    assert series.merged([one]) == one


def test_series_of_different_windows_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="zip"):
        series.merged([made([], []), made([], [], length=2_000 * MS)])
    with pytest.raises(ValueError, match="different windows"):
        series.merged([made([], []), made([], [], length=2_600 * MS)])
