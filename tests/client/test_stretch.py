import json

import numpy as np
import pytest

from wsbench_client import DrivePlan, ErrorKind
from wsbench_client.histogram import HIGHEST_NS, LatencyHistogram
from wsbench_client.stretch import Stretch, added

SECOND = 1_000_000_000


def histogram(*values_ns: int) -> LatencyHistogram:
    made = LatencyHistogram()
    made.record(np.array(values_ns, dtype=np.int64))
    return made


def stretch(begin: int = 0, **changes: object) -> Stretch:
    fields: dict[str, object] = {
        "opened": 2,
        "sent": 4,
        "received": 3,
        "unanswered": 1,
        "cpu_ns": 7,
        "errors": {ErrorKind.LOST: 1},
        "rejections": {503: 2},
        "details": {ErrorKind.LOST: f"from {begin}"},
        "closes": {1000: 1},
        "hop_protocols": {"": 2},
        "histograms": {"service_time": histogram(10, 2_000_000, 30), "connect": histogram(5, HIGHEST_NS + 1)},
    }
    return Stretch(begin * SECOND, (begin + 1) * SECOND, **{**fields, **changes})  # type: ignore[arg-type]


def same(one: Stretch, other: Stretch) -> None:
    assert one.to_json() == other.to_json()
    for name in one.histograms:
        assert np.array_equal(one.histogram(name).counts, other.histogram(name).counts)
        assert one.histogram(name).total_ns == other.histogram(name).total_ns
        assert one.histogram(name).unrecorded == other.histogram(name).unrecorded


def test_it_comes_back_from_json_as_it_was() -> None:
    one = stretch()
    back = Stretch.from_json(json.loads(json.dumps(one.to_json())))
    same(back, one)
    assert back.errors == {ErrorKind.LOST: 1}
    assert back.rejections == {503: 2}
    assert back.histogram("connect").unrecorded == 1
    # What is empty costs nothing on the way.
    assert Stretch(SECOND, 2 * SECOND).to_json() == {"begin_unix_ns": SECOND, "end_unix_ns": 2 * SECOND}


def test_nothing_is_lost_or_counted_twice() -> None:
    total = added([stretch(3), stretch(1), stretch(7, histograms={"response_time": histogram(1)})])
    assert (total.begin_unix_ns, total.end_unix_ns) == (SECOND, 8 * SECOND)
    assert (total.opened, total.sent, total.received, total.unanswered, total.cpu_ns) == (6, 12, 9, 3, 21)
    assert (total.errors, total.rejections, total.closes) == ({ErrorKind.LOST: 3}, {503: 6}, {1000: 3})
    assert total.details == {ErrorKind.LOST: "from 3"}
    assert total.histogram("service_time").count == 6
    assert total.histogram("connect").unrecorded == 2
    assert total.histogram("response_time").count == 1
    with pytest.raises(ValueError, match="no stretch"):
        added([])


def test_what_is_added_up_stays_what_it_was() -> None:
    one = stretch()
    added([one, stretch(1)])
    assert one.histogram("service_time").count == 3


def test_it_is_of_the_interval_of_its_middle() -> None:
    # Cut a little late: from 0.9 s to 2.1 s is the second of the intervals of a second.
    assert Stretch(9 * SECOND // 10, 21 * SECOND // 10).interval(SECOND) == 1
    assert Stretch(4 * SECOND, 5 * SECOND).interval(5 * SECOND) == 0


@pytest.mark.parametrize("rate", [None, 100.0])
def test_as_a_recording_it_says_the_same(rate: float | None) -> None:
    plan = DrivePlan("ws://127.0.0.1:1/", 2, rate=rate)
    one = stretch(5)
    found = one.recording(plan)
    assert (found.window_ns, found.started_unix_s, found.echoes_in_window) == (SECOND, 5.0, 3)
    assert (found.sent, found.received, found.unanswered, found.opened) == (4, 3, 1, 2)
    assert found.service_time.count == 3
    assert found.connecting.connect.count == 1
    assert (found.response_time is None) is (rate is None)
    assert found.series[0].latency().count == one.round_trip.count == 3
