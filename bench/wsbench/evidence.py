"""Gathering evidence: the sidecars' logs and counters, before a trial and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from wsbench.access_log import parse_line, split_lines
from wsbench.envoy_config import INBOUND_STAT_PREFIX, OUTBOUND_CLUSTER
from wsbench.proof import Evidence, LogSummary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wsbench.access_log import AccessRecord
    from wsbench.envoy import Sidecar

_LINES_WITHIN_S = 5.0
_POLL_S = 0.02


class Observer:
    """Watches an arm's sidecars over one trial: ``begin``, the trial, ``finish``. Raises LabError where one is dead."""

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
            while self._client_log.read() < opened + refused or self._server_log.read() < opened + bool(refused):
                self._client.check_alive()
                self._server.check_alive()
                await anyio.sleep(_POLL_S)
        client, server = await self._client.counters(), await self._server.counters()
        return Evidence(
            client_log=LogSummary.of(self._client_log.records),
            server_log=LogSummary.of(self._server_log.records),
            client_counters=_rise(self._before[0], client),
            server_counters=_rise(self._before[1], server),
        )


class _Tail:
    """The lines that a log gains."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.records: list[AccessRecord] = []

    def skip(self) -> None:
        """What is there already does not count."""
        self._offset = self._path.stat().st_size if self._path.exists() else 0

    def read(self) -> int:
        """Read on; how many lines there are so far."""
        if self._path.exists():
            with self._path.open("rb") as log:
                log.seek(self._offset)
                lines, size = split_lines(log.read())
            self._offset += size
            self.records.extend(parse_line(line) for line in lines)
        return len(self.records)


def _rise(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}
