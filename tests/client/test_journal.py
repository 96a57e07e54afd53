from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench_client.histogram import LatencyHistogram
from wsbench_client.journal import Journal, Window

moments = st.tuples(st.integers(0, 300), st.integers(0, 100), st.integers(0, 300))


@pytest.mark.parametrize(("when", "inside"), [(99, False), (100, True), (199, True), (200, False)])
def test_the_window_includes_its_start_and_not_its_end(when: int, inside: bool) -> None:
    assert (when in Window(100, 200)) is inside


def test_a_message_counts_by_when_it_was_sent_its_echo_by_when_it_was_read() -> None:
    journal = Journal(Window(100, 200), open_loop=False)
    for sent, read in [(90, 120), (100, 150), (199, 200), (200, 210)]:
        journal.note_sent(sent)
        journal.note_read(read)
    journal.judge()
    assert journal.received == journal.service_time.count == 2
    assert journal.echoes_in_window == 2
    assert journal.service_time.total_ns == 50 + 1


def test_in_the_open_loop_it_counts_by_when_it_was_due() -> None:
    journal = Journal(Window(100, 200), open_loop=True)
    for due, sent, read in [(99, 120, 130), (100, 103, 150), (199, 250, 300)]:
        journal.note_due(due)
        journal.note_sent(sent)
        journal.note_read(read)
    journal.judge()
    assert journal.received == 2
    assert journal.response_time is not None
    assert journal.send_lag is not None
    assert journal.response_time.total_ns == 50 + 101
    assert journal.send_lag.total_ns == 3 + 51
    assert journal.service_time.total_ns == 47 + 50


@given(st.lists(st.lists(moments)))
def test_judged_in_batches_as_one_by_one(batches: list[list[tuple[int, int, int]]]) -> None:
    window = Window(100, 200)
    journal = Journal(window, open_loop=True)
    expected = {"service": 0, "response": 0, "lag": 0, "received": 0, "echoes": 0}
    for batch in batches:
        for due, lag, took in batch:
            sent, read = due + lag, due + lag + took
            journal.note_due(due)
            journal.note_sent(sent)
            journal.note_read(read)
            expected["echoes"] += read in window
            if due in window:
                expected["received"] += 1
                expected["service"] += read - sent
                expected["response"] += read - due
                expected["lag"] += sent - due
        journal.judge()
    histograms = (journal.service_time, journal.response_time, journal.send_lag)
    totals = [histogram.total_ns for histogram in histograms if isinstance(histogram, LatencyHistogram)]
    assert totals == [expected["service"], expected["response"], expected["lag"]]
    assert (journal.received, journal.echoes_in_window) == (expected["received"], expected["echoes"])


def test_too_few_wait_for_more() -> None:
    journal = Journal(Window(0, 10), open_loop=False)
    for count, judged in [(1, 0), (2, 0), (3, 3)]:
        journal.note_sent(1)
        journal.note_read(2)
        journal.judge(at_least=3)
        assert journal.received == judged, count
    journal.note_sent(1)
    journal.note_read(2)
    journal.judge()
    assert journal.received == 4


def test_judging_nothing_twice() -> None:
    journal = Journal(Window(0, 10), open_loop=False)
    journal.note_sent(1)
    journal.note_read(2)
    for _ in range(3):
        journal.judge()
    assert journal.received == 1


def test_receipts_count_by_when_they_were_read() -> None:
    journal = Journal(Window(100, 200), open_loop=False)
    for when in (99, 100, 199, 200):
        journal.note_acknowledged(when, 10, 640, 7)
    assert (journal.echoes_in_window, journal.bytes_in_window, journal.received) == (20, 1280, 28)


def test_of_messages_that_receipts_answer_the_lag_alone_is_recorded() -> None:
    journal = Journal(Window(100, 200), open_loop=True)
    for due, sent in [(99, 150), (100, 103), (199, 250)]:
        journal.note_due(due)
        journal.note_sent(sent)
    journal.judge()
    assert journal.send_lag is not None
    assert (journal.send_lag.count, journal.send_lag.total_ns) == (2, 3 + 51)
    assert (journal.received, journal.echoes_in_window, journal.service_time.count) == (0, 0, 0)
