from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from wsbench_client.exchange import OpenLoop
from wsbench_client.journal import Journal, Window
from wsbench_client.mix import PayloadMix
from wsbench_client.pacing import ConstantRate
from wsbench_client.payload import PayloadRing
from wsbench_client.plan import PayloadKind
from wsbench_client.sender import PacedSender
from wsbench_client.timer import clock_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.anyio

MS = 1_000_000
RING = PayloadRing.build(PayloadMix.of(64), PayloadKind.BINARY, 0)


class Noting(OpenLoop):
    """Notes what it is told to send."""

    __slots__ = ("due", "when")

    def __init__(self) -> None:
        super().__init__(RING, 0, 10**6)
        self.due: list[int] = []
        self.when: list[int] = []

    def send_due(self, due_ns: int) -> None:
        self.due.append(due_ns)
        self.when.append(clock_ns())


def noting(count: int) -> Sequence[Noting]:
    return [Noting() for _ in range(count)]


async def test_each_in_turn_and_never_early() -> None:
    exchanges, start_ns = noting(4), clock_ns() + 5 * MS
    sender = PacedSender(ConstantRate(2_000))
    sender.start(exchanges, start_ns, Window(start_ns, start_ns + 50 * MS))
    with anyio.fail_after(2):
        await sender.done.wait()
    for place, exchange in enumerate(exchanges):
        assert exchange.due == [start_ns + (4 * turn + place) * MS // 2 for turn in range(25)]
        assert all(when >= due for when, due in zip(exchange.when, exchange.due, strict=True))
    sender.stop()
    assert sender.unsent == 0


async def test_a_backlog_is_sent_whole() -> None:
    exchanges, start_ns = noting(1), clock_ns() - 1_000 * MS
    sender = PacedSender(ConstantRate(5_000))
    sender.start(exchanges, start_ns, Window(start_ns, start_ns + 1_000 * MS))
    with anyio.fail_after(2):
        await sender.done.wait()
    sender.stop()
    assert len(exchanges[0].due) == 5_000


@pytest.mark.parametrize(
    ("window_ms", "unsent"),
    [((1_000, 2_000), 1_000_000_000), ((1_000, 1_500), 500_000_000)],
)
async def test_stopping_reckons_what_was_not_sent(window_ms: tuple[int, int], unsent: int) -> None:
    sender = PacedSender(ConstantRate(1e9))
    start_ns = clock_ns() + 60_000 * MS
    sender.start(noting(2), start_ns, Window(start_ns + window_ms[0] * MS, start_ns + window_ms[1] * MS))
    sender.stop()
    sender.stop()
    assert sender.unsent == unsent


async def test_stopped_before_it_was_started() -> None:
    sender = PacedSender(ConstantRate(1000))
    sender.stop()
    assert sender.unsent == 0


async def test_sent_and_unsent_are_all_that_was_due(until: Any) -> None:
    exchange, start_ns = OpenLoop(RING, 0, 10**6), clock_ns()
    window = Window(start_ns + 10 * MS, start_ns + 400 * MS)
    exchange.begin(Journal(window, open_loop=True))
    exchange.send = lambda _payload: None
    sender = PacedSender(ConstantRate(10_000))
    sender.start([exchange], start_ns, window)
    await until(lambda: exchange.unanswered() >= 100)
    sender.stop()
    assert not sender.done.is_set()
    assert exchange.unanswered() + sender.unsent == 3_900


async def test_bursts_are_dealt_in_turn_and_counted_by_the_message() -> None:
    exchanges, start_ns = noting(2), clock_ns() - 1_000 * MS
    sender = PacedSender(ConstantRate(1_000), burst=300)
    sender.start(exchanges, start_ns, Window(start_ns, start_ns + 1_000 * MS))
    with anyio.fail_after(2):
        await sender.done.wait()
    sender.stop()
    assert [len(exchange.due) for exchange in exchanges] == [500, 500]
    assert sender.unsent == 0
    given_up = PacedSender(ConstantRate(1_000), burst=300)
    given_up.start(exchanges, start_ns + 60_000 * MS, Window(start_ns + 60_000 * MS, start_ns + 61_000 * MS))
    given_up.stop()
    assert given_up.unsent == 300_000


async def test_an_end_that_comes_sooner_than_set_leaves_nothing_unsent(until: Any) -> None:
    exchange = Noting()
    sender = PacedSender(ConstantRate(1_000.0))
    start_ns = clock_ns()
    sender.start([exchange], start_ns, Window(start_ns, start_ns + 10**17))
    await until(lambda: len(exchange.due) > 20)
    end_ns = clock_ns()
    sender.end(end_ns)
    await until(sender.done.is_set)
    sender.stop()
    assert sender.unsent == 0
    assert len(exchange.due) == math.ceil((end_ns - start_ns) / 10**6)
