"""Gathering evidence: the sidecars' logs and counters, before a trial and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from wsbench.access_log import AccessLogError, parse_line, split_lines
from wsbench.envoy_config import INBOUND_STAT_PREFIX, OUTBOUND_CLUSTER
from wsbench.errors import LabError
from wsbench.log_summary import SWITCHING_PROTOCOLS, LogSummary
from wsbench.witnesses import Evidence, Traces

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wsbench.envoy import Sidecar

_LINES_WITHIN_S = 5.0
_LINE_WITHIN_S = 0.001
_FRESH_WITHIN_S = 5.0
_POLL_S = 0.02
_CHUNK_BYTES = 1 << 20


class Observer:
    """Watches an arm's sidecars over one trial: ``begin``, the trial, ``finish``.

    ``opened_status`` is the status of a WebSocket's stream in the log of the server's sidecar (see ``Claim``). Raises
    LabError where a sidecar is dead, or its log is not to be read.
    """

    def __init__(
        self, client: Sidecar | None, server: Sidecar | None, opened_status: int = SWITCHING_PROTOCOLS
    ) -> None:
        self._client = _Watch(client) if client else None
        self._server = _Watch(server) if server else None
        self._watches = [watch for watch in (self._client, self._server) if watch]
        self._opened_status = opened_status

    async def begin(self) -> None:
        """Note where logs and counters stand."""
        for watch in self._watches:
            await watch.begin()

    async def fresh_hop(self) -> bool:
        """Wait until no connection is open on the hop, five seconds at most; whether that came about.

        The hop of the trial before ends by its idle timeout (``cluster_config``); one that the driver itself opens has
        ended with the driver's connections.
        """
        if self._client is None:
            return True
        with anyio.move_on_after(_FRESH_WITHIN_S):
            while await self._client.now(f"cluster.{OUTBOUND_CLUSTER}.upstream_cx_active"):
                self._client.sidecar.check_alive()
                await anyio.sleep(_POLL_S)
            return True
        return False

    async def hop_connections(self) -> tuple[int | None, int | None]:
        """Connections open on the hop now, as the client's and as the server's sidecar count them; None without one."""
        client, server = self._client, self._server
        return (
            await client.now(f"cluster.{OUTBOUND_CLUSTER}.upstream_cx_active") if client else None,
            await server.now(f"http.{INBOUND_STAT_PREFIX}.downstream_cx_active") if server else None,
        )

    async def finish(self, opened: int, refused: int) -> Evidence:
        """What the trial left. Waits until the logs have their new lines, 5 s and 1 ms for each of them at most.

        Envoy writes a WebSocket's line when it closes and flushes it a moment later. Of ``refused`` upgrades the client
        sidecar logs every one; the server sidecar may log a single one, as one refused HTTP/2 stream ends a connection.
        """
        with anyio.move_on_after(_LINES_WITHIN_S + _LINE_WITHIN_S * (opened + refused)):
            while not self._all_written(opened, refused):
                for watch in self._watches:
                    watch.sidecar.check_alive()
                await anyio.sleep(_POLL_S)
        return Evidence(
            client=await self._client.traces() if self._client else None,
            server=await self._server.traces() if self._server else None,
        )

    def _all_written(self, opened: int, refused: int) -> bool:
        client = self._client.tail.read() if self._client else None
        server = self._server.tail.read() if self._server else None
        return (client is None or client.count >= opened + refused) and (
            server is None
            or (server.answered(self._opened_status) >= opened and server.count >= opened + bool(refused))
        )


class _Watch:
    """One sidecar over one trial."""

    def __init__(self, sidecar: Sidecar) -> None:
        self.sidecar = sidecar
        self.tail = _Tail(sidecar.access_log)
        self._before: Mapping[str, int] = {}

    async def begin(self) -> None:
        """Note where its log and counters stand."""
        self.tail.skip()
        self._before = await self.sidecar.counters()

    async def now(self, counter: str) -> int:
        """What a counter says now; 0 where it has never moved."""
        return (await self.sidecar.counters()).get(counter, 0)

    async def traces(self) -> Traces:
        """What it has written and counted since the beginning."""
        return Traces(self.tail.summary, _rise(self._before, await self.sidecar.counters()))


class _Tail:
    """The lines that a log gains, counted: 20,000 of them take no more room than two."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.summary = LogSummary()

    def skip(self) -> None:
        """What is there already does not count."""
        self._offset = self._path.stat().st_size if self._path.exists() else 0

    def read(self) -> LogSummary:
        """Read on; all lines so far."""
        if self._path.exists():
            with self._path.open("rb") as log:
                size = 1
                while size:
                    log.seek(self._offset)
                    lines, size = split_lines(log.read(_CHUNK_BYTES))
                    self._offset += size
                    self._count(lines)
        return self.summary

    def _count(self, lines: list[str]) -> None:
        try:
            self.summary = self.summary.plus(parse_line(line) for line in lines)
        except AccessLogError as error:
            raise LabError(f"{self._path}: {error}") from None


def _rise(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}
