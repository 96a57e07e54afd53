from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench_client.exchange import Exchange, SelfPaced
from wsbench_client.journal import Journal, Window
from wsbench_client.mix import PayloadMix
from wsbench_client.one_way import Account, PacedStream, Stream
from wsbench_client.payload import PayloadRing
from wsbench_client.plan import PayloadKind
from wsbench_client.timer import clock_ns

MIX = PayloadMix(((10, 1), (30, 1)))
RING = PayloadRing.build(MIX, PayloadKind.BINARY, 0)
HOUR_NS = 3600 * 10**9
ALWAYS = Window(0, 2**62)
UNLIMITED = (10**9, 10**9)


class Far:
    """The far end: counts what is sent and writes receipts for the first so many of it."""

    def __init__(self, exchange: Exchange, window: Window, *, open_loop: bool = False) -> None:
        self.sent: list[bytes] = []
        self.journal = Journal(window, open_loop=open_loop)
        exchange.send = self.sent.append
        exchange.begin(self.journal)

    def receipt(self, messages: int) -> bytes:
        return receipt(messages, sum(map(len, self.sent[:messages])))


def receipt(messages: int, payload_bytes: int) -> bytes:
    return b'{"messages":%d,"bytes":%d}' % (messages, payload_bytes)


def streaming(window: Window, limits: tuple[int, int], place: int = 0) -> tuple[Stream, Far]:
    stumbled: list[SelfPaced] = []
    exchange = Stream(RING, place, stumbled.append, limits)
    return exchange, Far(exchange, window)


def now_window() -> Window:
    return Window(clock_ns(), clock_ns() + HOUR_NS)


# -- account


def test_a_receipt_adds_what_is_new_in_it() -> None:
    journal = Journal(Window(100, 200), open_loop=False)
    account = Account(RING, 3, *UNLIMITED)
    account.begin(journal)
    sizes = [len(RING.messages[3 + k]) for k in range(6)]
    for place, size in enumerate(sizes):
        account.note_sent(1, size, measured=2 <= place < 5)
    assert account.take(150, receipt(3, sum(sizes[:3])))
    assert (journal.received, journal.echoes_in_window, journal.bytes_in_window) == (1, 3, sum(sizes[:3]))
    # Acknowledged after the window: of the window all the same, where it was sent in it.
    assert account.take(200, receipt(6, sum(sizes)))
    assert (journal.received, journal.echoes_in_window, journal.bytes_in_window) == (3, 3, sum(sizes[:3]))
    assert account.unanswered == 0


@pytest.mark.parametrize(
    "wrong",
    [
        receipt(0, 0), receipt(2, 20), receipt(6, 999), b"", b"{}", b'{"messages":3}', b'{"messages":-3,"bytes":1}',
        b'{"messages":3.0,"bytes":60}', b'{"messages":3,"bytes":60} ', b"\x03\xe8bye", RING.messages[0],
    ],
)  # fmt: skip
def test_what_does_not_tell_of_what_was_sent_is_not_believed(wrong: bytes) -> None:
    journal = Journal(ALWAYS, open_loop=False)
    account = Account(RING, 0, *UNLIMITED)
    account.begin(journal)
    sizes = [len(message) for message in RING.messages[:5]]
    for size in sizes:
        account.note_sent(1, size, measured=True)
    assert account.take(1, receipt(2, sum(sizes[:2])))
    assert not account.take(2, wrong)
    # Not even the last one again, nor one whose bytes are off by one.
    assert not account.take(3, receipt(2, sum(sizes[:2])))
    assert not account.take(3, receipt(3, sum(sizes[:3]) + 1))
    assert (journal.received, account.acknowledged, account.unanswered) == (2, 2, 3)


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(0, 255), st.data())
def test_the_books_are_always_balanced(batches: list[int], place: int, data: st.DataObject) -> None:
    measured_from = data.draw(st.integers(0, len(batches)))
    journal = Journal(ALWAYS, open_loop=False)
    account = Account(RING, place, *UNLIMITED)
    account.begin(journal)
    sent = measured = 0
    for number, batch in enumerate(batches):
        account.note_sent(batch, RING.bytes_from(place, sent + batch) - RING.bytes_from(place, sent),
                          measured=number >= measured_from)  # fmt: skip
        sent += batch
        measured += batch * (number >= measured_from)
        if account.acknowledged < sent and data.draw(st.booleans()):
            upto = data.draw(st.integers(account.acknowledged + 1, sent))
            assert account.take(number, receipt(upto, RING.bytes_from(place, upto)))
        assert journal.received + account.unanswered == measured
        assert journal.echoes_in_window == account.acknowledged
        assert journal.bytes_in_window == RING.bytes_from(place, account.acknowledged)


# -- closed loop


@pytest.mark.parametrize(
    ("limits", "messages"), [((10, 10**9), 10), ((100, 10**9), 100), ((1, 10**9), 1), ((10, 0), 1)]
)
def test_it_fills_what_may_be_in_flight_and_refills_what_is_acknowledged(
    limits: tuple[int, int], messages: int
) -> None:
    exchange, far = streaming(now_window(), limits)
    exchange.start()
    assert len(far.sent) == messages
    half = -(-messages // 2)
    if half > 1:
        # Refilled by every receipt, it would come to send message by message.
        assert exchange.receive(clock_ns(), far.receipt(half - 1))
        assert len(far.sent) == messages
    assert exchange.receive(clock_ns(), far.receipt(half))
    assert len(far.sent) == messages + half
    assert exchange.unanswered() == messages
    assert far.sent == [RING.messages[place % 256] for place in range(messages + half)]


def test_bytes_in_flight_are_bounded_too() -> None:
    exchange, far = streaming(now_window(), (1000, 200))
    exchange.start()
    # The last one may reach over the limit, by less than itself.
    assert 200 <= sum(map(len, far.sent)) < 230


def test_back_pressure_pauses_it() -> None:
    exchange, far = streaming(now_window(), UNLIMITED)

    def send(payload: bytes) -> None:
        far.sent.append(payload)
        if len(far.sent) % 50 == 0:
            exchange.pause_writing()

    exchange.send = send
    exchange.start()
    assert len(far.sent) == 50
    assert exchange.receive(clock_ns(), far.receipt(10))
    assert len(far.sent) == 50
    exchange.resume_writing()
    assert len(far.sent) == 100


def test_it_ends_with_the_window_and_with_its_connection() -> None:
    window = Window(0, clock_ns() + 20_000_000)
    exchange, far = streaming(window, UNLIMITED)
    exchange.start()
    assert clock_ns() >= window.end_ns
    assert exchange.receive(clock_ns(), far.receipt(len(far.sent)))
    assert exchange.idle
    dead, other = streaming(now_window(), UNLIMITED)
    dead.alive = False
    dead.start()
    dead.resume_writing()
    assert other.sent == []


def test_a_wrong_receipt_is_counted_and_stands_for_no_message() -> None:
    exchange, far = streaming(now_window(), (5, 10**9))
    exchange.start()
    assert not exchange.receive(clock_ns(), RING.messages[0])
    exchange.receive_wrong()
    assert (exchange.mismatched, exchange.mismatched_in_window, exchange.unanswered()) == (1, 0, 5)
    assert exchange.receive(clock_ns(), far.receipt(5))


# -- open loop


def test_due_messages_leave_late_or_not_and_how_late_is_recorded() -> None:
    start_ns = clock_ns()
    window = Window(start_ns, start_ns + HOUR_NS)
    exchange = PacedStream(RING, 0, (3, 10**9))
    far = Far(exchange, window, open_loop=True)
    exchange.send_due(start_ns - 5)
    for _ in range(4):
        exchange.send_due(start_ns)
    assert (len(far.sent), exchange.unsent, exchange.unanswered()) == (3, 2, 2)
    assert exchange.receive(clock_ns(), far.receipt(3))
    exchange.alive = False
    exchange.send_due(start_ns)
    assert exchange.unsent == 3
    far.journal.judge()
    assert far.journal.send_lag is not None
    assert far.journal.response_time is not None
    assert (far.journal.send_lag.count, far.journal.received) == (2, 2)
    assert far.journal.service_time.count == far.journal.response_time.count == 0


def test_nothing_is_done_before_traffic_begins() -> None:
    stumbled: list[SelfPaced] = []
    for exchange in (Stream(RING, 0, stumbled.append, UNLIMITED), PacedStream(RING, 0, UNLIMITED)):
        assert not exchange.receive(1, receipt(1, 10))
        exchange.receive_wrong()
        assert (exchange.mismatched, exchange.mismatched_in_window, exchange.unanswered()) == (1, 0, 0)
        assert exchange.idle


# -- greeting


@pytest.mark.parametrize("make", [lambda: Stream(RING, 0, _nobody, UNLIMITED), lambda: PacedStream(RING, 0, UNLIMITED)])
def test_the_greeting_is_acknowledged_and_counts_nowhere(make: Callable[[], Exchange]) -> None:
    exchange, sent, greeted = make(), list[bytes](), list[int]()
    exchange.send = sent.append
    exchange.greet(greeted.append)
    assert (sent, exchange.idle) == ([RING.messages[0]], False)
    assert not exchange.receive(1, sent[0])
    assert exchange.receive(123, receipt(1, len(sent[0])))
    assert (greeted, exchange.idle, len(sent)) == ([123], True, 1)
    journal = Journal(ALWAYS, open_loop=True)
    exchange.begin(journal)
    assert (journal.received, journal.echoes_in_window, exchange.unanswered()) == (0, 0, 0)


def _nobody(_exchange: SelfPaced) -> None:
    raise AssertionError("an exchange stumbled over its greeting")
