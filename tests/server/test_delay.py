import asyncio
import statistics
import time
from collections.abc import Callable

import pytest
import uvloop

from wsbench_server.delay import DelayLine


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_things_come_back_when_due_in_order(run: Callable[..., None]) -> None:
    """Below libuv's millisecond: half of the delays come back within 0.5 ms of their time, and none before it."""

    async def work() -> None:
        line = DelayLine(0, 0)
        late: list[int] = []
        order: list[int] = []
        start = time.monotonic_ns()
        dues = [start + 1_300_000 * (number + 1) for number in range(60)]

        def come(number: int) -> None:
            late.append(time.monotonic_ns() - dues[number])
            order.append(number)
            if len(order) == len(dues):
                done.set()

        done = asyncio.Event()
        for number in reversed(range(60)):
            line.call_at(dues[number], lambda number=number: come(number))  # type: ignore[misc]
        await asyncio.wait_for(done.wait(), 10)
        line.close()
        assert order == list(range(60))
        assert min(late) >= 0
        assert statistics.median(late) < 500_000

    run(work())


def test_a_connections_messages_keep_their_order_whatever_the_jitter() -> None:
    async def work() -> None:
        line = DelayLine(1_000_000, 5_000_000)
        previous = 0
        for number in range(200):
            due = line.due_after(1_000 * number, previous)
            assert due >= previous
            assert due - 1_000 * number >= 1_000_000
            previous = due
        line.close()

    asyncio.run(work())


def test_a_closed_line_calls_nobody() -> None:
    async def work() -> None:
        line = DelayLine(0, 0)
        called: list[int] = []
        line.call_at(time.monotonic_ns() + 1_000_000, lambda: called.append(1))
        line.close()
        await asyncio.sleep(0.01)
        assert not called

    asyncio.run(work())


def test_one_that_fails_does_not_hold_up_the_others() -> None:
    async def work() -> None:
        failures: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(str(context["exception"])))
        line = DelayLine(0, 0)
        done = asyncio.Event()

        def fail() -> None:
            raise RuntimeError("no echo")

        now = time.monotonic_ns()
        line.call_at(now + 1_000_000, fail)
        line.call_at(now + 2_000_000, done.set)
        await asyncio.wait_for(done.wait(), 5)
        line.close()
        assert failures == ["no echo"]

    asyncio.run(work())
