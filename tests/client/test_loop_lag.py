from __future__ import annotations

import asyncio
import time

import anyio
import pytest

from wsbench_client.journal import Window
from wsbench_client.loop_lag import LoopLag
from wsbench_client.timer import clock_ns

pytestmark = pytest.mark.anyio

MS = 1_000_000


async def test_a_loop_that_is_away_is_late_once() -> None:
    lag = LoopLag()
    now_ns = clock_ns()
    lag.watch(Window(now_ns, now_ns + 200 * MS))
    await anyio.sleep(0.05)
    asyncio.get_running_loop().call_soon(time.sleep, 0.1)
    await anyio.sleep(0.2)
    lag.stop()
    lag.stop()
    (worst,) = lag.histogram.percentiles_ns([100])
    assert worst is not None
    assert worst >= 80 * MS
    # One beat in 10 ms, but none for the time away.
    assert 2 <= lag.histogram.count <= 13


async def test_without_a_window_there_is_no_lag() -> None:
    lag = LoopLag()
    lag.stop()
    assert lag.histogram.count == 0


async def test_lags_are_put_away_in_batches_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsbench_client.loop_lag._BATCH", 3)
    lag = LoopLag()
    now_ns = clock_ns()
    lag.watch(Window(now_ns, now_ns + 100 * MS))
    await anyio.sleep(0.08)
    recorded = lag.histogram.count
    assert recorded >= 3
    assert recorded % 3 == 0
    await anyio.sleep(0.05)
    lag.stop()
    assert recorded <= lag.histogram.count <= 11
