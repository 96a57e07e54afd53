"""What the lab tests share: one Envoy binary, and a way to run coroutines on the loop that the bench uses."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import psutil
import pytest
import uvloop

from wsbench.envoy import EnvoyBinary


@pytest.fixture(scope="session")
def envoy() -> EnvoyBinary:
    return EnvoyBinary.find()


@pytest.fixture
def on_loop() -> Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]:
    def run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return anyio.run(work, backend="asyncio", backend_options={"loop_factory": uvloop.new_event_loop})

    return run


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> Any:
    """No test of the bench may leave a child behind."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield
    left = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
    _, alive = psutil.wait_procs(left, timeout=3)
    assert not alive
