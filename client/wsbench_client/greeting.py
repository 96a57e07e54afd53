"""The first message of a connection: sent as soon as it is upgraded, to see that it is answered and how soon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from wsbench_client.engine import ConnectError
from wsbench_client.recording import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsbench_client.engine import Connection
    from wsbench_client.exchange import Exchange
    from wsbench_client.plan import DrivePlan


class Greeting:
    """One connection's first message and its echo (one-way: its receipt).

    ``on_closed`` is to be given to the engine; it passes on to ``closed`` what was not this greeting's own doing.
    """

    __slots__ = ("_closed", "_end", "_exchange", "_over", "_read_ns")

    def __init__(self, exchange: Exchange, closed: Callable[[ErrorKind | None, int], None]) -> None:
        self._exchange = exchange
        self._closed = closed
        # Only while it is waited for: the engine keeps the greeting as long as the connection, and an event is heavy.
        self._over: anyio.Event | None = None
        self._end: tuple[ErrorKind, int] | None = None
        self._read_ns = 0

    async def echoed(self, connection: Connection, plan: DrivePlan) -> int:
        """Greet, and wait for the echo: when it was read, on ``clock_ns``.

        Raises ConnectError where it does not come within the plan's time to connect, or the connection ends; it is
        dropped then.
        """
        timeout_s = plan.connect_timeout_ns / 1e9
        if self._exchange.alive:
            self._over = over = anyio.Event()
            self._exchange.greet(self._answered)
            with anyio.move_on_after(timeout_s):
                await over.wait()
            self._over = None
        if self._read_ns:
            return self._read_ns
        if self._end is not None:
            kind, code = self._end
            raise ConnectError(kind, f"closed with {code} before the first message was answered")
        connection.abort()
        answered = "acknowledged" if plan.pattern.one_way else "echoed"
        instead = f", but {self._exchange.mismatched} others came" if self._exchange.mismatched else ""
        raise ConnectError(ErrorKind.NO_ECHO, f"the first message was not {answered} within {timeout_s:g} s{instead}")

    def on_closed(self, kind: ErrorKind, code: int) -> None:
        """The connection is gone. Before it was greeted, that is the greeting's error and counted as such."""
        self._end = (kind, code)
        self._closed(kind if self._read_ns else None, code)
        self._wake()

    def _answered(self, read_ns: int) -> None:
        self._read_ns = read_ns
        self._wake()

    def _wake(self) -> None:
        if self._over is not None:
            self._over.set()
