from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench_client import DrivePlan, ErrorKind, Recording
from wsbench_client.histogram import HIGHEST_NS, LatencyHistogram

counts = st.integers(0, 10**12)


@st.composite
def histograms(draw: st.DrawFn) -> LatencyHistogram:
    histogram = LatencyHistogram()
    histogram.record(np.array(draw(st.lists(st.integers(-5, HIGHEST_NS + 5), max_size=20)), dtype=np.int64))
    return histogram


recordings = st.builds(
    Recording,
    plan=st.just(DrivePlan("ws://h/", rate=5.0)),
    connect=histograms(), connect_tcp=histograms(), connect_upgrade=histograms(), service_time=histograms(),
    response_time=st.none() | histograms(), send_lag=st.none() | histograms(),
    started_unix_s=st.floats(0, 1e10), window_ns=counts, echoes_in_window=counts, opened=counts, sent=counts,
    received=counts, unanswered=counts, unsent=counts, mismatched=counts, cpu_ns=counts, peak_rss_kib=counts,
    errors=st.dictionaries(st.sampled_from(ErrorKind), counts),
    rejections=st.dictionaries(st.integers(100, 999), counts),
    details=st.dictionaries(st.sampled_from(ErrorKind), st.text()),
    closes=st.dictionaries(st.integers(1000, 4999), counts),
    hop_protocols=st.dictionaries(st.text(), counts), bytes_in_window=st.none() | counts,
)  # fmt: skip


@given(recordings)
def test_through_json_and_back(recording: Recording) -> None:
    again = Recording.from_json(json.loads(json.dumps(recording.to_json())))
    for field in dataclasses.fields(Recording):
        before, after = getattr(recording, field.name), getattr(again, field.name)
        if isinstance(before, LatencyHistogram):
            assert (before.counts == after.counts).all()
            assert (before.total_ns, before.unrecorded) == (after.total_ns, after.unrecorded)
        else:
            assert after == before
    assert all(isinstance(kind, ErrorKind) for kind in again.errors)


@pytest.mark.parametrize(("window_ns", "echoes", "rate"), [(0, 0, None), (10**9, 0, 0), (2 * 10**9, 500, 250)])
def test_achieved_rate(window_ns: int, echoes: int, rate: float | None) -> None:
    empty = LatencyHistogram()
    recording = Recording(
        DrivePlan("ws://h/"), 0, empty, empty, empty, empty, None, None, 0.0,
        window_ns, echoes, 0, 0, 0, 0, 0, {}, {}, {}, {}, {}, 0, 0,
    )  # fmt: skip
    assert recording.achieved_rate == rate


@pytest.mark.parametrize(
    ("window_ns", "acknowledged", "goodput"), [(10**9, None, None), (0, 5, None), (10**9, 0, 0), (2 * 10**9, 500, 250)]
)
def test_goodput(window_ns: int, acknowledged: int | None, goodput: float | None) -> None:
    empty = LatencyHistogram()
    recording = Recording(
        DrivePlan("ws://h/"), 0, empty, empty, empty, empty, None, None, 0.0,
        window_ns, 0, 0, 0, 0, 0, 0, {}, {}, {}, {}, {}, 0, 0, acknowledged,
    )  # fmt: skip
    assert recording.goodput == goodput
