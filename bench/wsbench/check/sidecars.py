"""What the Envoys on the way say of themselves while a URL is checked: configuration, counters, access log lines."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from wsbench.access_log import split_lines
from wsbench.check.admin import Admin, AdminError
from wsbench.check.sidecar_views import LogView, SidecarView
from wsbench.envoy_admin import OWN_ADMIN_URL
from wsbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wsbench.envoy_admin import EnvoyIdentity

_TAIL = 1 << 20
# Istio's sidecars write their log once a second (--file-flush-interval-msec 1000), the lab's every 50 ms; a bare Envoy
# takes 10 s, which nobody is made to wait for: its lines from before are looked at.
_FLUSHED_WITHIN_S = 1.2


@dataclass(slots=True)
class Sidecars:
    """Those to be asked: ``begin`` before the URL is tried, ``finish`` after it.

    Where no admin endpoint is named, ``own`` is tried, and nothing is said where it is none.
    """

    admins: Sequence[str]
    logs: Sequence[Path]
    timeout_s: float
    own: str = OWN_ADMIN_URL
    _before: dict[str, tuple[EnvoyIdentity, Mapping[str, int]]] = field(default_factory=dict)
    _problems: dict[str, str] = field(default_factory=dict)
    _sizes: dict[Path, int] = field(default_factory=dict)

    @property
    def _asked(self) -> Sequence[str]:
        return self.admins or (self.own,)

    async def begin(self) -> None:
        """Note counters and the lengths of logs. Raises UsageError where a log cannot be read."""
        for path in self.logs:
            self._sizes[path] = _size(path)
        async with anyio.create_task_group() as tasks:
            for url in self._asked:
                tasks.start_soon(self._look, url)

    async def finish(self) -> tuple[tuple[SidecarView, ...], tuple[LogView, ...]]:
        """What they say now."""
        if self.logs:
            await anyio.sleep(_FLUSHED_WITHIN_S)
        logs = tuple(self._lines(path) for path in self.logs)
        views = []
        for url in self._asked:
            if url not in self._before:
                continue
            identity, before = self._before[url]
            admin = Admin(url, self.timeout_s)
            try:
                config, after = await admin.config(), await admin.counters()
            except AdminError as error:
                self._problems[url] = str(error)
                continue
            rose = {name: value - before.get(name, 0) for name, value in after.items() if value > before.get(name, 0)}
            views.append(SidecarView(url, identity.node, identity.version, config, rose, found=not self.admins))
        views += [SidecarView(url, problem=problem) for url, problem in self._problems.items()]
        return tuple(views), logs

    async def _look(self, url: str) -> None:
        admin = Admin(url, self.timeout_s)
        try:
            self._before[url] = await admin.identity(), await admin.counters()
        except AdminError as error:
            # Nobody said that there is a sidecar beside us.
            if self.admins:
                self._problems[url] = str(error)

    def _lines(self, path: Path) -> LogView:
        """The lines written since ``begin``; where there are none, the last ones from before."""
        begin = self._sizes[path]
        fresh = _size(path) > begin
        start = begin if fresh else max(0, begin - _TAIL)
        with path.open("rb") as log:
            log.seek(start)
            lines, _ = split_lines(log.read())
        return LogView(str(path), tuple(lines[1:] if start and not fresh else lines), fresh)


def _size(path: Path) -> int:
    try:
        with path.open("rb") as log:
            return log.seek(0, os.SEEK_END)
    except OSError as error:
        raise UsageError(f"--access-log {path} cannot be read: {error.strerror}") from None
