from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from wsbench_client.histogram import DIGITS, HIGHEST_NS, LOWEST_NS, LatencyHistogram

latencies = st.lists(st.one_of(st.integers(0, HIGHEST_NS), st.integers(0, 5_000), st.integers(10**5, 10**7)))
_EDGES = sorted({0, HIGHEST_NS} | {max(0, (1 << bits) + off) for bits in range(41) for off in (-1, 0, 1)})


def recorded(values: list[int]) -> LatencyHistogram:
    histogram = LatencyHistogram()
    histogram.record(np.array(values, dtype=np.int64))
    return histogram


def reference(values: list[int]) -> HdrHistogram:
    hdr = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)
    for value in values:
        assert hdr.record_value(value)
    return hdr


def same(histogram: LatencyHistogram, other: LatencyHistogram) -> bool:
    return bool((histogram.counts == other.counts).all())


@given(latencies)
def test_bucket_for_bucket_as_hdrh(values: list[int]) -> None:
    assert recorded(values).counts.tolist() == list(reference(values).counts)


def test_bucket_for_bucket_at_every_power_of_two() -> None:
    assert recorded(_EDGES).counts.tolist() == list(reference(_EDGES).counts)


@given(latencies, st.lists(st.floats(0.001, 100), min_size=1))
def test_percentiles_as_hdrh(values: list[int], percentiles: list[float]) -> None:
    hdr = reference(values)
    expected = [hdr.get_value_at_percentile(percentile) for percentile in percentiles] if values else None
    found = recorded(values).percentiles_ns(percentiles)
    assert found == (expected or [None] * len(percentiles))


@given(latencies)
def test_percentiles_within_a_thousandth_of_the_value_of_that_rank(values: list[int]) -> None:
    for percentile in (50, 90, 99, 100):
        (found,) = recorded(values).percentiles_ns([percentile])
        if not values:
            assert found is None
            continue
        exact = sorted(values)[max(int(percentile / 100 * len(values) + 0.5), 1) - 1]
        assert found is not None
        assert exact <= found <= exact * 1.001 + 1


@given(latencies)
def test_encoding_loses_nothing(values: list[int]) -> None:
    histogram = recorded(values)
    decoded = LatencyHistogram.decode(histogram.encode())
    assert same(decoded, histogram)
    assert decoded.count == len(values)
    assert decoded.total_ns == pytest.approx(sum(values), rel=0.001, abs=len(values))


@given(latencies)
def test_hdrh_reads_it_to_the_same_percentiles(values: list[int]) -> None:
    hdr = recorded(values).to_hdr()
    assert hdr.get_total_count() == len(values)
    if values:
        assert hdr.get_value_at_percentile(99) == reference(values).get_value_at_percentile(99)
        assert hdr.get_max_value() == reference(values).get_max_value()


@given(latencies, latencies)
def test_adding_is_recording_both(first: list[int], second: list[int]) -> None:
    histogram = recorded(first)
    histogram.add(recorded(second))
    both = recorded(first + second)
    assert same(histogram, both)
    assert (histogram.total_ns, histogram.count) == (both.total_ns, both.count)


@given(st.lists(latencies))
def test_batches_are_as_one(batches: list[list[int]]) -> None:
    histogram = LatencyHistogram()
    for batch in batches:
        histogram.record(np.array(batch, dtype=np.int64))
    assert same(histogram, recorded([value for batch in batches for value in batch]))


def test_what_does_not_fit_is_counted_and_not_recorded() -> None:
    histogram = recorded([-1, 5, HIGHEST_NS, HIGHEST_NS + 1, 2**62])
    assert (histogram.count, histogram.unrecorded, histogram.total_ns) == (2, 3, 5 + HIGHEST_NS)


def test_one_at_a_time() -> None:
    histogram = LatencyHistogram()
    for value in (1, 10, 100_000):
        histogram.record_one(value)
    assert same(histogram, recorded([1, 10, 100_000]))
    assert histogram.mean_ns == pytest.approx(100_011 / 3)


def test_an_empty_one() -> None:
    histogram = LatencyHistogram()
    assert (histogram.count, histogram.mean_ns, histogram.percentiles_ns([50, 100])) == (0, None, [None, None])
    assert LatencyHistogram.decode(histogram.encode()).count == 0


def test_what_is_no_histogram_is_not_decoded() -> None:
    with pytest.raises(Exception, match=r".*"):
        LatencyHistogram.decode("AAAA")


def test_without_a_garbage_collector_nothing_large_is_left() -> None:
    """The worker has none: a histogram a second that stayed would be 0.3 MB a second."""
    histogram = LatencyHistogram()
    histogram.record(np.arange(1_000, 1_000_000, 997, dtype=np.int64))
    LatencyHistogram.decode(histogram.encode())
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        for _ in range(20):
            LatencyHistogram.decode(histogram.encode())
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert grown < 20 * 20_000


def test_what_was_recorded_can_be_walked_through() -> None:
    histogram = LatencyHistogram()
    histogram.record(np.array([7, 7, 5_000_000], dtype=np.int64))
    values_ns, counts = histogram.recorded()
    assert counts.tolist() == [2, 1]
    assert values_ns.tolist() == histogram.percentiles_ns([50.0, 100.0])
