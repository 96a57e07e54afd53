"""What an echo engine is: something that listens, echoes and can be told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from wsbench_server.config import Engine, ServerConfig

if TYPE_CHECKING:
    import socket

    from wsbench_server.counters import Counters

GOING_AWAY = 1001
"""Close code of a server going down (RFC 6455 section 7.4.1)."""


class Echo(Protocol):
    """A listening echo server."""

    async def stop(self, grace_s: float) -> None:
        """Accept nothing more, close every connection with 1001, drop those that have not answered in time."""


async def start_echo(config: ServerConfig, listener: socket.socket, counters: Counters) -> Echo:
    """Start the configured engine on a bound socket."""
    # Imported when chosen: an image need not have both libraries.
    if config.engine is Engine.PICOWS:
        from wsbench_server.echo_picows import PicowsEcho

        return await PicowsEcho.start(config, listener, counters)
    from wsbench_server.echo_websockets import WebsocketsEcho

    return await WebsocketsEcho.start(config, listener, counters)
