from wsbench_client import ErrorKind
from wsbench_client.ledger import Ledger
from wsbench_client.stretch import added

SECOND = 1_000_000_000


def test_every_note_is_taken_once() -> None:
    ledger = Ledger()
    latencies = [*range(1_000, 31_000), 2**62]
    for latency in latencies[:20_000]:
        ledger.note_exchange(latency)
    ledger.note_connected(100, 150, 400, "HTTP/2")
    ledger.note_mismatch()
    first = ledger.take()
    for latency in latencies[20_000:]:
        ledger.note_exchange(latency)
    ledger.note_unanswered(2)
    ledger.note_error(ErrorKind.REJECTED, "HTTP 503", 503)
    ledger.note_closed(1000)
    total = added([*first, *ledger.take()])
    # An hour is what a histogram holds: the last one is counted as not recorded.
    assert (total.received, total.mismatched, total.unanswered, total.sent) == (30_000, 1, 2, 30_004)
    counts = total.histogram("service_time").counts
    assert (int(counts.sum()), total.histogram("service_time").unrecorded) == (30_000, 1)
    assert total.histogram("service_time").total_ns == sum(latencies[:-1])
    assert total.histogram("connect").percentiles_ns([100.0]) == [300]
    assert total.histogram("connect_tcp").percentiles_ns([100.0]) == [50]
    assert total.histogram("connect_upgrade").percentiles_ns([100.0]) == [250]
    assert (total.opened, total.hop_protocols, total.closes) == (1, {"HTTP/2": 1}, {1000: 1})
    assert (total.errors, total.rejections) == ({ErrorKind.REJECTED: 1}, {503: 1})
    (empty,) = ledger.take()
    assert (empty.sent, dict(empty.histograms), empty.errors) == (0, {}, {})


def test_stretches_follow_each_other_without_a_gap() -> None:
    ledger = Ledger()
    ledger.note_exchange(5)
    ledger.cut()
    ledger.note_exchange(6)
    first, second = ledger.take()
    (third,) = ledger.take()
    assert first.end_unix_ns == second.begin_unix_ns
    assert second.end_unix_ns == third.begin_unix_ns
    assert (first.received, second.received, third.received) == (1, 1, 0)


def test_what_another_process_recorded_is_passed_on_as_it_is() -> None:
    ledger, other = Ledger(), Ledger()
    other.note_exchange(7)
    (foreign,) = other.take()
    ledger.hand_in(foreign)
    assert ledger.take()[0] is foreign
    assert len(ledger.take()) == 1


def test_forgotten_is_everything_before() -> None:
    ledger = Ledger()
    ledger.note_exchange(5)
    ledger.note_error(ErrorKind.LOST, "gone")
    ledger.troubles.append("trouble")
    ledger.forget()
    (found,) = ledger.take()
    assert (found.sent, found.errors, ledger.troubles) == (0, {}, [])


def test_it_knows_when_the_clock_shows_a_multiple() -> None:
    assert 0 < Ledger().left_ns(SECOND) <= SECOND
