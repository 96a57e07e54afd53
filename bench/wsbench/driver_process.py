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

from wsbench.errors import LabDownError, LabError
from wsbench.processes import spawn
from wsbench_client import Phase, Recording
from wsbench_client import Progress as DriveProgress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from wsbench.processes import Child
    from wsbench_client import DrivePlan

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

        Raises LabDownError where the worker has ended, LabError where it cannot make sense of the plan, and whatever
        ``on_progress`` raises, after the drive is over: its answer must not be taken for the next one's.
        """
        process = self._child.process
        assert process.stdin is not None
        assert process.stdout is not None
        if self._child.returncode is not None:
            raise await self._died()
        try:
            process.stdin.write(json.dumps(plan.to_json()).encode() + b"\n")
            await process.stdin.drain()
        except OSError:
            raise await self._died() from None
        trouble: LabError | None = None
        while line := await process.stdout.readline():
            message: dict[str, Any] = json.loads(line)
            if "progress" in message:
                told = message["progress"]
                try:
                    await on_progress(DriveProgress(**{**told, "phase": Phase(told["phase"])}))
                except LabError as error:
                    trouble = trouble or error
            elif trouble is not None:
                raise trouble
            elif "recording" in message:
                return Recording.from_json(message["recording"])
            else:
                raise LabError(f"the driver could not run its plan: {message.get('error')}")
        raise await self._died()

    async def _died(self) -> LabDownError:
        code = await self._child.wait()
        words = self._log.read_text(errors="replace").strip().splitlines()[-1:]
        return LabDownError(f"the driver's process ended with {code}{': ' + words[0] if words else ''}")


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
