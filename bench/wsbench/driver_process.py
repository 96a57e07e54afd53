"""The driver's process: plans in, recordings out.

The load is driven from a process of its own, so that the bench's chores (progress, counters, logs) neither share its
event loop nor its CPU accounting.
"""

from __future__ import annotations

import json
import sys
from contextlib import asynccontextmanager
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

from wsbench_client import Phase, Recording
from wsbench_client import Progress as DriveProgress

from wsbench.errors import LabError
from wsbench.processes import spawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from wsbench_client import DrivePlan

    from wsbench.processes import Child

# A recording's line holds six encoded histograms: far more than asyncio's 64 KiB for a line.
_LINE_LIMIT = 64 * 2**20
_GRACE_S = 2.0


class DriverProcess:
    """A running ``python -m wsbench_client.worker``."""

    def __init__(self, child: Child, log: Path) -> None:
        self._child = child
        self._log = log

    async def drive(self, plan: DrivePlan, on_progress: Callable[[DriveProgress], Awaitable[None]]) -> Recording:
        """One drive. ``on_progress`` is awaited as the worker tells, within milliseconds.

        Raises LabError where the worker ends or cannot make sense of the plan.
        """
        process = self._child.process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(plan.to_json()).encode() + b"\n")
            await process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise await self._died() from None
        while line := await process.stdout.readline():
            message: dict[str, Any] = json.loads(line)
            if "progress" in message:
                told = message["progress"]
                await on_progress(DriveProgress(**{**told, "phase": Phase(told["phase"])}))
            elif "recording" in message:
                return Recording.from_json(message["recording"])
            else:
                raise LabError(f"the driver could not run its plan: {message.get('error')}")
        raise await self._died()

    async def _died(self) -> LabError:
        code = await self._child.wait()
        words = self._log.read_text(errors="replace").strip().splitlines()[-1:]
        return LabError(f"the driver's process ended with {code}{': ' + words[0] if words else ''}")


@asynccontextmanager
async def driver_process(log: Path) -> AsyncIterator[DriverProcess]:
    """A driver's process, ended on every way out. ``log`` takes what it says on standard error."""
    with log.open("wb") as stderr:
        child = await spawn(
            [sys.executable, "-m", "wsbench_client.worker"], stdin=PIPE, stdout=PIPE, stderr=stderr, limit=_LINE_LIMIT
        )
    try:
        yield DriverProcess(child, log)
    finally:
        await child.stop(_GRACE_S)
