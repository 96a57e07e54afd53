from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench_client.exchange import ClosedBursts, ClosedLoop, Exchange, OpenBursts, OpenLoop, SelfPaced
from wsbench_client.journal import Journal, Window
from wsbench_client.mix import PayloadMix
from wsbench_client.payload import PayloadRing
from wsbench_client.plan import PayloadKind
from wsbench_client.timer import clock_ns

RING = PayloadRing.build(PayloadMix.of(8), PayloadKind.BINARY, 0)
HOUR_NS = 3600 * 10**9


class Line:
    """The far end of an exchange: what was sent, to be answered by hand."""

    def __init__(self, exchange: Exchange, window: Window, *, open_loop: bool) -> None:
        self.sent: list[bytes] = []
        self.journal = Journal(window, open_loop=open_loop)
        exchange.send = self.sent.append
        exchange.begin(self.journal)


def closed(window: Window, place: int = 0) -> tuple[ClosedLoop, Line, list[SelfPaced]]:
    stumbled: list[SelfPaced] = []
    exchange = ClosedLoop(RING, place, stumbled.append)
    return exchange, Line(exchange, window, open_loop=False), stumbled


def opened(window: Window, limit: int = 100) -> tuple[OpenLoop, Line]:
    exchange = OpenLoop(RING, 0, limit)
    return exchange, Line(exchange, window, open_loop=True)


def now_window() -> Window:
    return Window(clock_ns(), clock_ns() + HOUR_NS)


# -- closed loop


@pytest.mark.parametrize("place", [0, 255, 256, 1000])
def test_each_echo_sends_the_next_round_the_ring(place: int) -> None:
    exchange, line, _ = closed(now_window(), place)
    exchange.start()
    for count in range(1, 300):
        assert len(line.sent) == count
        assert exchange.receive(clock_ns(), line.sent[-1])
    assert line.sent == [RING.messages[(place + index) % 256] for index in range(300)]
    line.journal.judge()
    assert line.journal.received == 299
    assert exchange.unanswered() == 1


def test_nothing_is_sent_after_the_window() -> None:
    window = now_window()
    exchange, line, _ = closed(window)
    exchange.start()
    assert exchange.receive(window.end_ns, line.sent[-1])
    assert exchange.idle
    assert len(line.sent) == 1


def test_what_is_not_awaited_is_refused_and_changes_nothing() -> None:
    exchange, line, _ = closed(now_window())
    assert not exchange.receive(clock_ns(), RING.messages[0])
    exchange.start()
    assert not exchange.receive(clock_ns(), RING.messages[1])
    assert len(line.sent) == 1
    assert exchange.receive(clock_ns(), RING.messages[0])


def test_after_a_mismatch_it_waits_to_be_resumed() -> None:
    exchange, line, stumbled = closed(now_window())
    exchange.start()
    for _ in range(5):
        exchange.receive_wrong()
    assert (len(line.sent), stumbled) == (1, [exchange])
    assert (exchange.mismatched, exchange.mismatched_in_window) == (5, 1)
    exchange.start()
    assert line.sent == list(RING.messages[:2])
    assert exchange.receive(clock_ns(), RING.messages[1])


def test_it_is_not_resumed_after_the_window_nor_when_dead() -> None:
    exchange, line, _ = closed(Window(0, 1))
    exchange.start()
    alive, other, _ = closed(now_window())
    alive.alive = False
    alive.start()
    assert line.sent == other.sent == []


@pytest.mark.parametrize(("window", "counted"), [(Window(0, 1), 0), (Window(0, 2**62), 1)])
def test_mismatched_and_unanswered_count_in_the_window_only(window: Window, counted: int) -> None:
    exchange, _, _ = closed(window)
    exchange.start()
    assert exchange.unanswered() == counted
    exchange.receive_wrong()
    assert (exchange.mismatched, exchange.mismatched_in_window, exchange.unanswered()) == (1, counted, 0)


# -- open loop


@given(st.lists(st.sampled_from(["send", "right", "wrong", "stray"])), st.integers(1, 5))
def test_the_books_of_the_open_loop_are_always_balanced(steps: list[str], limit: int) -> None:
    exchange, line = opened(Window(0, 2**62), limit)
    answered = wrong = due = 0
    for step in steps:
        if step == "send":
            exchange.send_due(due := due + 1)
        elif step == "right" and answered + wrong < len(line.sent):
            assert exchange.receive(clock_ns(), line.sent[answered + wrong])
            answered += 1
        elif step == "wrong" and answered + wrong < len(line.sent):
            assert not exchange.receive(clock_ns(), b"something else")
            exchange.receive_wrong()
            wrong += 1
        elif step == "stray" and answered + wrong == len(line.sent):
            assert not exchange.receive(clock_ns(), RING.messages[0])
            exchange.receive_wrong()
        assert len(line.sent) - answered - wrong <= limit
    line.journal.judge()
    assert (line.journal.received, exchange.mismatched_in_window) == (answered, wrong)
    assert len(line.sent) == answered + wrong + exchange.unanswered()
    assert len(line.sent) + exchange.unsent == due
    assert exchange.idle is (exchange.unanswered() == 0)


def test_an_echo_out_of_turn_is_refused() -> None:
    exchange, line = opened(now_window())
    exchange.send_due(1)
    exchange.send_due(2)
    assert not exchange.receive(clock_ns(), line.sent[1])
    assert exchange.receive(clock_ns(), line.sent[0])


def test_a_dead_connection_sends_nothing_and_counts_it() -> None:
    window = Window(10, 20)
    exchange, line = opened(window)
    exchange.alive = False
    for due in (9, 10, 19, 20):
        exchange.send_due(due)
    assert (line.sent, exchange.unsent) == ([], 2)


def test_response_time_is_from_when_it_was_due() -> None:
    window = now_window()
    exchange, line = opened(window)
    due = window.start_ns + 1_000
    exchange.send_due(due)
    read = clock_ns() + 1_000_000
    exchange.receive(read, line.sent[0])
    line.journal.judge()
    assert line.journal.response_time is not None
    assert line.journal.response_time.total_ns == read - due


def test_nothing_is_done_before_traffic_begins() -> None:
    stumbled: list[SelfPaced] = []
    for exchange in (ClosedLoop(RING, 0, stumbled.append), OpenLoop(RING, 0, 1)):
        assert not exchange.receive(1, b"welcome")
        exchange.receive_wrong()
        assert (exchange.mismatched, exchange.mismatched_in_window, exchange.unanswered()) == (1, 0, 0)


# -- bursts


def bursting(window: Window, burst: int, place: int = 0) -> tuple[ClosedBursts, Line, list[SelfPaced]]:
    stumbled: list[SelfPaced] = []
    exchange = ClosedBursts(RING, place, stumbled.append, burst)
    return exchange, Line(exchange, window, open_loop=False), stumbled


@pytest.mark.parametrize(("burst", "place"), [(2, 0), (7, 255), (300, 100)])
def test_the_next_burst_leaves_when_the_last_echo_of_the_one_before_is_read(burst: int, place: int) -> None:
    exchange, line, _ = bursting(now_window(), burst, place)
    exchange.start()
    for turn in range(1, 4):
        assert len(line.sent) == turn * burst
        for payload in line.sent[-burst:]:
            assert not exchange.idle
            assert len(line.sent) == turn * burst
            assert exchange.receive(clock_ns(), payload)
    assert line.sent == [RING.messages[(place + index) % 256] for index in range(4 * burst)]
    line.journal.judge()
    assert line.journal.received == line.journal.service_time.count == 3 * burst
    assert exchange.unanswered() == burst


def test_service_time_is_from_each_messages_own_send() -> None:
    exchange, line, _ = bursting(now_window(), 3)
    sent_ns: list[int] = []

    def send(payload: bytes) -> None:
        sent_ns.append(clock_ns())
        line.sent.append(payload)

    exchange.send = send
    begun_ns = clock_ns()
    exchange.start()
    first, second, third = sent_ns
    read_ns = clock_ns() + 1_000_000
    for payload in list(line.sent):
        assert exchange.receive(read_ns, payload)
    line.journal.judge()
    # Each is noted just before it is sent, and after the one before was.
    earliest = 3 * read_ns - first - second - third
    latest = 3 * read_ns - begun_ns - first - second
    assert earliest <= line.journal.service_time.total_ns <= latest


def test_no_burst_after_the_window() -> None:
    window = now_window()
    exchange, line, _ = bursting(window, 4)
    exchange.start()
    for payload in list(line.sent):
        assert exchange.receive(window.end_ns, payload)
    assert exchange.idle
    assert len(line.sent) == 4
    late, other, _ = bursting(Window(0, 1), 4)
    late.start()
    assert other.sent == []


def test_echoes_out_of_turn_are_refused() -> None:
    exchange, line, _ = bursting(now_window(), 3)
    exchange.start()
    assert not exchange.receive(clock_ns(), line.sent[1])
    assert exchange.receive(clock_ns(), line.sent[0])
    assert not exchange.receive(clock_ns(), line.sent[0])
    assert exchange.unanswered() == 2


@given(st.lists(st.sampled_from(["right", "wrong", "resume"])), st.integers(2, 5))
def test_the_books_of_bursts_are_always_balanced(steps: list[str], burst: int) -> None:
    exchange, line, stumbled = bursting(Window(0, 2**62), burst)
    exchange.start()
    answered = wrong = stray = 0
    for step in steps:
        if step == "resume":
            for stopped in stumbled:
                stopped.start()
            stumbled.clear()
        elif step == "right" and answered + wrong < len(line.sent):
            assert exchange.receive(clock_ns(), line.sent[answered + wrong])
            answered += 1
        elif step == "wrong":
            idle = exchange.idle
            assert not exchange.receive(clock_ns(), b"something else")
            exchange.receive_wrong()
            stray += idle
            wrong += not idle
    line.journal.judge()
    assert (line.journal.received, exchange.mismatched_in_window) == (answered, wrong)
    assert exchange.mismatched == wrong + stray
    assert len(line.sent) == answered + wrong + exchange.unanswered()
    assert exchange.idle is (exchange.unanswered() == 0)
    # An avalanche is not answered: after a burst with a wrong echo nothing leaves until it is started again.
    assert len(stumbled) == (exchange.idle)


def test_all_messages_of_a_burst_are_due_together_and_what_is_beyond_the_limit_is_unsent() -> None:
    window = now_window()
    exchange = OpenBursts(RING, 0, 5, 4)
    line = Line(exchange, window, open_loop=True)
    due = window.start_ns + 1_000
    exchange.send_due(due)
    exchange.send_due(due)
    assert (len(line.sent), exchange.unsent) == (5, 3)
    read = clock_ns() + 1_000_000
    for payload in list(line.sent):
        assert exchange.receive(read, payload)
    line.journal.judge()
    assert line.journal.response_time is not None
    assert line.journal.response_time.total_ns == 5 * (read - due)


# -- greeting

KINDS = [
    lambda: ClosedLoop(RING, 0, _nobody),
    lambda: ClosedBursts(RING, 0, _nobody, 4),
    lambda: OpenLoop(RING, 0, 10),
    lambda: OpenBursts(RING, 0, 10, 4),
]


def _nobody(_exchange: SelfPaced) -> None:
    raise AssertionError("an exchange stumbled over its greeting")


@pytest.mark.parametrize("make", KINDS)
def test_the_greeting_is_one_message_that_counts_nowhere(make: Callable[[], Exchange]) -> None:
    exchange, sent, greeted = make(), list[bytes](), list[int]()
    exchange.send = sent.append
    exchange.greet(greeted.append)
    assert (len(sent), exchange.idle) == (1, False)
    exchange.receive_wrong()
    assert (exchange.mismatched, exchange.idle) == (1, False)
    assert exchange.receive(123, sent[0])
    assert (greeted, exchange.idle, len(sent)) == ([123], True, 1)
    journal = Journal(Window(0, 2**62), open_loop=True)
    exchange.begin(journal)
    journal.judge()
    assert (journal.received, exchange.unanswered(), exchange.mismatched_in_window) == (0, 0, 0)
    assert not exchange.receive(124, sent[0])
