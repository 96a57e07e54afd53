from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench_client import DrivePlan, ErrorKind, Recording
from wsbench_client.connect_phases import ConnectPhases
from wsbench_client.histogram import HIGHEST_NS, LatencyHistogram
from wsbench_client.series import Interval

counts = st.integers(0, 10**12)


@st.composite
def histograms(draw: st.DrawFn) -> LatencyHistogram:
    histogram = LatencyHistogram()
    histogram.record(np.array(draw(st.lists(st.integers(-5, HIGHEST_NS + 5), max_size=20)), dtype=np.int64))
    return histogram


phases = st.builds(
    ConnectPhases,
    connect=histograms(),
    connect_tcp=histograms(),
    connect_upgrade=histograms(),
    first_echo=histograms(),
)
intervals = st.builds(
    Interval, start_ns=counts, width_ns=counts, received=counts, hdr=histograms().map(LatencyHistogram.encode)
)
recordings = st.builds(
    Recording,
    plan=st.just(DrivePlan("ws://h/", rate=5.0)),
    cold=phases, warm=phases, service_time=histograms(), loop_lag=histograms(), series=st.lists(intervals).map(tuple),
    cpu_of_workers_ns=st.lists(counts).map(tuple),
    response_time=st.none() | histograms(), send_lag=st.none() | histograms(),
    started_unix_s=st.floats(0, 1e10), window_ns=counts, echoes_in_window=counts, opened=counts, sent=counts,
    received=counts, unanswered=counts, unsent=counts, mismatched=counts, cpu_ns=counts, peak_rss_kib=counts,
    connecting_ns=counts, rss_idle_kib=st.none() | counts, rss_connected_kib=st.none() | counts,
    errors=st.dictionaries(st.sampled_from(ErrorKind), counts),
    rejections=st.dictionaries(st.integers(100, 999), counts),
    details=st.dictionaries(st.sampled_from(ErrorKind), st.text()),
    closes=st.dictionaries(st.integers(1000, 4999), counts),
    hop_protocols=st.dictionaries(st.text(), counts), bytes_in_window=st.none() | counts,
)  # fmt: skip


def same(before: LatencyHistogram, after: LatencyHistogram) -> None:
    assert (before.counts == after.counts).all()
    assert (before.total_ns, before.unrecorded) == (after.total_ns, after.unrecorded)


@given(recordings)
def test_through_json_and_back(recording: Recording) -> None:
    again = Recording.from_json(json.loads(json.dumps(recording.to_json())))
    for field in dataclasses.fields(Recording):
        before, after = getattr(recording, field.name), getattr(again, field.name)
        if isinstance(before, LatencyHistogram):
            same(before, after)
        elif isinstance(before, ConnectPhases):
            for one, other in zip(before.histograms(), after.histograms(), strict=True):
                same(one, other)
        else:
            assert after == before
    assert all(isinstance(kind, ErrorKind) for kind in again.errors)


@pytest.mark.parametrize(("window_ns", "echoes", "rate"), [(0, 0, None), (10**9, 0, 0), (2 * 10**9, 500, 250)])
def test_achieved_rate(window_ns: int, echoes: int, rate: float | None) -> None:
    empty = LatencyHistogram()
    nobody = ConnectPhases()
    recording = Recording(
        DrivePlan("ws://h/"), 0, nobody, nobody, empty, None, None, empty, (), 0.0,
        window_ns, echoes, 0, 0, 0, 0, 0, {}, {}, {}, {}, {}, 0, 0,
    )  # fmt: skip
    assert recording.achieved_rate == rate


@pytest.mark.parametrize(
    ("window_ns", "acknowledged", "goodput"), [(10**9, None, None), (0, 5, None), (10**9, 0, 0), (2 * 10**9, 500, 250)]
)
def test_goodput(window_ns: int, acknowledged: int | None, goodput: float | None) -> None:
    empty = LatencyHistogram()
    nobody = ConnectPhases()
    recording = Recording(
        DrivePlan("ws://h/"), 0, nobody, nobody, empty, None, None, empty, (), 0.0,
        window_ns, 0, 0, 0, 0, 0, 0, {}, {}, {}, {}, {}, 0, 0, acknowledged,
    )  # fmt: skip
    assert recording.goodput == goodput
