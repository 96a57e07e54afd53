"""Gathering evidence: the sidecars' logs and counters, before a trial and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from wsbench.access_log import AccessLogError, parse_line, split_lines
from wsbench.envoy_config import INBOUND_STAT_PREFIX, OUTBOUND_CLUSTER
from wsbench.errors import LabError
from wsbench.proof import SWITCHING_PROTOCOLS, Evidence, LogSummary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wsbench.envoy import Sidecar

_LINES_WITHIN_S = 5.0
_FRESH_WITHIN_S = 5.0
_POLL_S = 0.02
_CHUNK_BYTES = 1 << 20


class Observer:
    """Watches an arm's sidecars over one trial: ``begin``, the trial, ``finish``.

    Raises LabError where one is dead, or its log is not to be read.
    """

    def __init__(self, client: Sidecar, server: Sidecar) -> None:
        self._client = client
        self._server = server
        self._client_log = _Tail(client.access_log)
        self._server_log = _Tail(server.access_log)
        self._before: tuple[Mapping[str, int], Mapping[str, int]] = ({}, {})

    async def begin(self) -> None:
        """Note where logs and counters stand."""
        self._client_log.skip()
        self._server_log.skip()
        self._before = (await self._client.counters(), await self._server.counters())

    async def fresh_hop(self) -> bool:
        """Wait until no connection is open on the hop, five seconds at most; whether that came about.

        The hop of the trial before ends by its idle timeout (``envoy_config``).
        """
        with anyio.move_on_after(_FRESH_WITHIN_S):
            while (await self._client.counters()).get(f"cluster.{OUTBOUND_CLUSTER}.upstream_cx_active", 0):
                self._client.check_alive()
                await anyio.sleep(_POLL_S)
            return True
        return False

    async def hop_connections(self) -> tuple[int, int]:
        """TCP connections open on the hop now, as the client sidecar and as the server sidecar count them."""
        client, server = await self._client.counters(), await self._server.counters()
        return (
            client.get(f"cluster.{OUTBOUND_CLUSTER}.upstream_cx_active", 0),
            server.get(f"http.{INBOUND_STAT_PREFIX}.downstream_cx_active", 0),
        )

    async def finish(self, opened: int, refused: int) -> Evidence:
        """What the trial left. Waits until both logs have their new lines, five seconds at most.

        Envoy writes a WebSocket's line when it closes and flushes it a moment later. Of ``refused`` upgrades the client
        sidecar logs every one; the server sidecar may log a single one, as one refused HTTP/2 stream ends a connection.
        """
        with anyio.move_on_after(_LINES_WITHIN_S):
            while not self._all_written(opened, refused):
                self._client.check_alive()
                self._server.check_alive()
                await anyio.sleep(_POLL_S)
        client, server = await self._client.counters(), await self._server.counters()
        return Evidence(
            client_log=self._client_log.summary,
            server_log=self._server_log.summary,
            client_counters=_rise(self._before[0], client),
            server_counters=_rise(self._before[1], server),
        )

    def _all_written(self, opened: int, refused: int) -> bool:
        client, server = self._client_log.read(), self._server_log.read()
        return (
            client.count >= opened + refused
            and server.answered(SWITCHING_PROTOCOLS) >= opened
            and server.count >= opened + bool(refused)
        )


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
