from __future__ import annotations

import json

import numpy as np
import pytest

from wsbench.locust_fleet import MOST_ROUNDS, Fleet, Report
from wsbench_client.histogram import LatencyHistogram
from wsbench_client.stretch import Stretch, added

SECOND = 1_000_000_000
BEGUN = 1_790_000_000 * SECOND


def stretch(at_s: float, *latencies_ns: int) -> Stretch:
    """Half a second around ``at_s`` into the test."""
    histogram = LatencyHistogram()
    histogram.record(np.array(latencies_ns, dtype=np.int64))
    middle = BEGUN + round(at_s * SECOND)
    count = len(latencies_ns)
    found = {"service_time": histogram} if count else {}
    return Stretch(middle - SECOND // 4, middle + SECOND // 4, sent=count, received=count, histograms=found)


def report(number: int, so_far: int, *stretches: Stretch, final: bool = False, test: int = 1) -> Report:
    return Report(test, number, so_far, stretches, (), {"EchoUser": 1}, final=final)


def fleet() -> Fleet:
    return Fleet(1, SECOND, BEGUN)


def test_all_workers_are_merged_by_intervals_and_each_is_kept() -> None:
    found = fleet()
    found.hear("a", report(1, 2, stretch(0.5, 10, 20)), BEGUN + SECOND)
    found.hear("b", report(1, 1, stretch(0.4, 30)), BEGUN + SECOND)
    found.hear("a", report(2, 3, stretch(1.5, 40), stretch(2.5), final=True), BEGUN + 3 * SECOND)
    found.hear("b", report(2, 1, final=True), BEGUN + 3 * SECOND)
    rounds = found.rounds()
    assert [one.received for one in rounds] == [3, 1, 0]
    assert (rounds[0].begin_unix_ns, rounds[0].end_unix_ns) == (BEGUN + SECOND * 3 // 20, BEGUN + SECOND * 3 // 4)
    assert [member.received for member in found.members.values()] == [3, 1]
    assert added(rounds).histogram("service_time").total_ns == 100
    assert found.missing(BEGUN + 3 * SECOND) == []
    assert found.latecomers() == []


def test_a_report_that_is_late_or_comes_twice_or_of_another_test() -> None:
    found = fleet()
    first = report(1, 1, stretch(0.5, 10))
    for one in (first, first, report(5, 9, stretch(0.5, 10), test=0)):
        found.hear("a", one, BEGUN + SECOND)
    assert found.members["a"].received == 1
    # Of an interval long since encoded.
    for second in range(1, 8):
        found.hear("a", report(1 + second, 1 + second, stretch(second + 0.5, 10)), BEGUN + SECOND)
    found.hear("b", report(1, 1, stretch(0.5, 30)), BEGUN + 9 * SECOND)
    assert [one.received for one in found.rounds()] == [2, 1, 1, 1, 1, 1, 1, 1]


def test_a_worker_that_falls_silent_leaves_a_gap_that_is_said() -> None:
    found = fleet()
    found.join("never", BEGUN)
    found.hear("a", report(1, 2, stretch(0.5, 10, 20)), BEGUN + SECOND)
    silent, other = sorted(found.missing(BEGUN + 10 * SECOND), reverse=True)
    assert silent.startswith("worker never was last heard of 0.0 s into the test of 10.0 s: its 0 messages until")
    assert other.startswith(
        "worker a was last heard of 0.8 s into the test of 10.0 s: its 2 messages until then are kept"
    )


def test_reports_that_never_came_are_counted_with_what_was_in_them() -> None:
    found = fleet()
    found.hear("a", report(1, 2, stretch(0.5, 10, 20)), BEGUN + SECOND)
    found.hear("a", report(4, 9, stretch(3.5, 30), final=True), BEGUN + 4 * SECOND)
    assert found.missing(BEGUN + 4 * SECOND) == ["2 reports of worker a never came: 6 messages are missing"]


def test_who_left_came_late_had_trouble_or_is_none_of_ours() -> None:
    found = fleet()
    found.join("left", BEGUN)
    found.hear("left", report(1, 0, final=True), BEGUN + 2 * SECOND)
    found.hear("late", report(1, 0), BEGUN + 3 * SECOND)
    found.hear("late", Report(1, 2, 0, (), ("a driver died", "a driver died"), {}, final=True), BEGUN + 9 * SECOND)
    assert found.missing(BEGUN + 9 * SECOND, ["stranger"]) == [
        "worker left left 2.0 s into the test, with all it had recorded",
        "worker late: a driver died",
        "worker stranger runs Locust without wsbench: what it did is not known",
    ]
    assert found.latecomers() == ["worker late joined 3.0 s into the test"]
    assert found.members["late"].users == {"EchoUser": 1}


def test_a_long_test_has_longer_rounds_not_more() -> None:
    found = fleet()
    seconds = 3 * MOST_ROUNDS
    for second in range(seconds):
        found.hear("a", report(second + 1, second + 1, stretch(second + 0.5, 1000 + second)), BEGUN)
    rounds = found.rounds()
    assert found.interval_ns == 4 * SECOND
    assert MOST_ROUNDS // 2 < len(rounds) <= MOST_ROUNDS
    whole = added(rounds)
    assert whole.received == seconds
    assert whole.histogram("service_time").total_ns == sum(range(1000, 1000 + seconds))


def test_a_report_comes_back_from_json_as_it_was() -> None:
    one = Report(3, 2, 5, (stretch(0.5, 10, 20),), ("words",), {"EchoUser": 2}, final=True)
    assert Report.from_json(json.loads(json.dumps(one.to_json()))).to_json() == one.to_json()
    with pytest.raises(KeyError):
        Report.from_json({})
