"""One echoing process: listen, echo, and end properly when told to."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from wsbench_server.echo import start_echo

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from wsbench_server.config import ServerConfig
    from wsbench_server.counters import Counters
    from wsbench_server.health import Health


def told_to_end() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    return event


async def serve_until(
    end: asyncio.Event,
    config: ServerConfig,
    listener: socket.socket,
    counters: Counters,
    health: Health | None,
    on_listening: Callable[[], None],
) -> None:
    """Echo until ``end`` is set, then drain: not ready, accept nothing, close everyone with 1001, within the grace."""
    echo = await start_echo(config, listener, counters)
    if health is not None:
        health.ready = True
    on_listening()
    await end.wait()
    if health is not None:
        health.ready = False
    await echo.stop(config.grace_s)
