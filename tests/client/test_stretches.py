from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from wsbench_client import DrivePlan, EngineName, ErrorKind
from wsbench_client.driver import drive
from wsbench_client.stretch import Stretch, added
from wsbench_client.stretches import Told

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

MS = 1_000_000


async def in_stretches(plan: DrivePlan, seconds: float) -> list[Stretch]:
    found: list[Stretch] = []
    told = Told(found.append, anyio.Event())
    async with anyio.create_task_group() as tasks:

        async def end() -> None:
            await anyio.sleep(seconds)
            told.ended.set()

        tasks.start_soon(end)
        await drive(plan, told=told)
        tasks.cancel_scope.cancel()
    return found


@pytest.mark.parametrize("rate", [None, 2000.0])
async def test_its_stretches_have_every_message_once(
    echoing: Any, make_plan: Callable[..., DrivePlan], rate: float | None, traces: Any
) -> None:
    before = traces()
    async with echoing() as target:
        plan = make_plan(target.url, rate=rate, duration_ns=10**17, stretch_ns=50 * MS, cold_first=False)
        found = await in_stretches(plan, 0.6)
        # Greetings are the first echoes, and no messages.
        messages, connections = target.seen.messages, target.seen.connections
    await before.gone()
    total = added(found)
    assert total.received == total.sent == total.histogram("service_time").count == messages > 100
    assert total.opened == total.histogram("first_echo").count == connections == 4
    assert (total.unanswered, total.unsent, total.errors, total.closes) == (0, 0, {}, {1000: 4})
    assert ("response_time" in total.histograms) is (rate is not None)
    if rate:
        assert total.received == pytest.approx(0.6 * rate, rel=0.4)
    # Cut where the wall clock shows a multiple, one after the other, without a gap.
    assert len(found) >= 5
    for one, following in pairwise(found):
        assert one.end_unix_ns == following.begin_unix_ns
    late_ns = [stretch.end_unix_ns % (50 * MS) for stretch in found[:-1]]
    assert sorted(late_ns)[len(late_ns) // 2] < 40 * MS


async def test_what_never_connects_is_told_too(make_plan: Callable[..., DrivePlan], free_port: int) -> None:
    plan = make_plan(f"ws://127.0.0.1:{free_port}/", duration_ns=10**17, stretch_ns=50 * MS)
    (only,) = await in_stretches(plan, 5)
    assert (only.opened, only.sent, only.errors) == (0, 0, {ErrorKind.REFUSED: 4})


async def test_it_ends_by_itself_when_every_connection_is_gone(servers: Any, engine: EngineName) -> None:
    async def short(seen: Any, connection: Any) -> None:
        await servers.greeted(seen, connection)
        for _ in range(3):
            await connection.send(await connection.recv())
        await connection.close(1001)

    async with servers.websocket(short) as target:
        plan = DrivePlan(target.url, 2, 10**17, 0, engine=engine, stretch_ns=10**9, drain_timeout_ns=300 * MS)
        with anyio.fail_after(10):
            total = added(await in_stretches(plan, 60))
    assert total.received == 6
    assert total.closes == {1001: 2}
    assert sum(total.errors.values()) == 2


def test_a_length_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="stretch_ns must be at least 1, not 0"):
        DrivePlan("ws://127.0.0.1:1/", stretch_ns=0)
