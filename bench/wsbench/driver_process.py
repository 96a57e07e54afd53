"""The driver's processes: plans in, recordings out.

The load is driven from processes of their own, so that the bench's chores (progress, counters, logs) neither share an
event loop with it nor its CPU accounting. Several workers share a drive: each connects its part, and when all are ready
they are told the moment at which traffic begins.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

import anyio

from wsbench.capacity import sources
from wsbench.errors import LabDownError, LabError
from wsbench.kernel_limits import port_range
from wsbench.processes import last_words, spawn
from wsbench_client import Phase, Recording
from wsbench_client import Progress as DriveProgress
from wsbench_client.merging import merged, shares
from wsbench_client.plan import endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from wsbench.capacity import PortRange
    from wsbench.processes import Child
    from wsbench_client import DrivePlan

    _OnProgress = Callable[[DriveProgress], Awaitable[None]]

# A recording's line holds a dozen encoded histograms and those of its series: far more than asyncio's 64 KiB.
_LINE_LIMIT = 256 * 2**20
_GRACE_S = 2.0
_NS = 1_000_000_000
# Until every worker has been told when to begin.
_START_IN_NS = 20_000_000


class Worker:
    """A running ``python -m wsbench_client.worker``."""

    def __init__(self, child: Child, log: Path, name: str) -> None:
        self._child = child
        self._log = log
        self.name = name

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.process.pid

    async def tell(self, content: dict[str, Any]) -> None:
        """Write a line to it. Raises LabDownError where it has ended."""
        process = self._child.process
        assert process.stdin is not None
        if self._child.returncode is not None:
            raise await self._died()
        try:
            process.stdin.write(json.dumps(content).encode() + b"\n")
            await process.stdin.drain()
        except OSError:
            raise await self._died() from None

    async def recording(self, on_progress: _OnProgress) -> Recording:
        """What it says until its drive is over. ``on_progress`` is awaited as it tells, within milliseconds.

        Raises LabDownError where it has ended, LabError where it cannot make sense of the plan, and whatever
        ``on_progress`` raises, after the drive is over: its answer must not be taken for the next one's.
        """
        process = self._child.process
        assert process.stdout is not None
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
                raise LabError(f"{self.name} could not run its plan: {message.get('error')}")
        raise await self._died()

    async def _died(self) -> LabDownError:
        code = await self._child.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return LabDownError(f"{self.name} {how}: {last_words(self._log)}")


class DriverProcess:
    """The driver: one worker, or several that share every drive. ``ports`` are those a source address has."""

    def __init__(self, workers: Sequence[Worker], ports: PortRange) -> None:
        self._workers = workers
        self._ports = ports

    async def drive(self, plan: DrivePlan, on_progress: _OnProgress) -> Recording:
        """One drive, with at most a worker for each connection. ``on_progress`` hears of all workers as of one.

        Raises LabDownError where a worker has ended; the others finish their part first, which is lost with the drive:
        a part of a load is not the load. Raises LabError and what ``on_progress`` raises as ``Worker.recording`` does.
        """
        sourced = replace(plan, source_addresses=sources(endpoint(plan.url).host, plan.connections, self._ports))
        plans = shares(sourced, min(len(self._workers), plan.connections))
        shared = _Shared(self._workers[: len(plans)], plans, on_progress)
        return merged(plan, await shared.drive())


class _Shared:
    """One drive of several workers, as it goes."""

    def __init__(self, workers: Sequence[Worker], plans: Sequence[DrivePlan], on_progress: _OnProgress) -> None:
        self._workers = workers
        self._plans = plans
        self._on_progress = on_progress
        self._told: dict[str, DriveProgress] = {}
        self._begun: set[Phase] = set()
        self._first_connected = anyio.Event()
        self._waiting = set(range(len(workers)))
        self._ready = anyio.Event()
        self._recordings: dict[int, Recording] = {}
        self._troubles: list[LabError] = []

    async def drive(self) -> list[Recording]:
        async with anyio.create_task_group() as tasks:
            for place in range(len(self._workers)):
                tasks.start_soon(self._one, place)
            if len(self._workers) > 1:
                tasks.start_soon(self._start_together)
        if self._troubles:
            down = [trouble for trouble in self._troubles if isinstance(trouble, LabDownError)]
            raise (down or self._troubles)[0]
        return [self._recordings[place] for place in range(len(self._workers))]

    async def _one(self, place: int) -> None:
        worker, plan = self._workers[place], self._plans[place]

        async def on_progress(progress: DriveProgress) -> None:
            if progress.phase is not Phase.CONNECTING or progress.opened or progress.failed:
                # The cold connection has been made: the hop is warm for the others.
                self._first_connected.set()
            if progress.phase is Phase.READY:
                self._is_ready(place)
            await self._tell(worker, progress)

        try:
            if place:
                await self._first_connected.wait()
            await worker.tell(plan.to_json())
            self._recordings[place] = await worker.recording(on_progress)
        except LabDownError as error:
            lost = f"its {plan.connections} of {sum(one.connections for one in self._plans)} connections are lost"
            self._troubles.append(LabDownError(f"{error} ({lost})") if len(self._workers) > 1 else error)
        except LabError as error:
            self._troubles.append(error)
        finally:
            # The others do not wait for one that is gone.
            self._first_connected.set()
            self._is_ready(place)

    def _is_ready(self, place: int) -> None:
        self._waiting.discard(place)
        if not self._waiting:
            self._ready.set()

    async def _start_together(self) -> None:
        await self._ready.wait()
        start_ns = time.monotonic_ns() + _START_IN_NS
        for place, worker in enumerate(self._workers):
            if place not in self._recordings:
                try:
                    await worker.tell({"start_ns": start_ns})
                except LabDownError:
                    continue  # its own task says so

    async def _tell(self, worker: Worker, progress: DriveProgress) -> None:
        """Pass on what one worker told as what all of them do: a phase when the first begins it."""
        self._told[worker.name] = progress
        told = self._told.values()
        if len(self._workers) == 1:
            await self._on_progress(progress)
            return
        if progress.phase is Phase.READY or (progress.phase is Phase.CONNECTING and Phase.CONNECTING in self._begun):
            return
        changed = progress.phase not in self._begun
        self._begun.add(progress.phase)
        if not changed and progress.phase is not max((one.phase for one in told), key=list(Phase).index):
            return
        await self._on_progress(
            DriveProgress(
                progress.phase,
                sum(one.opened for one in told),
                sum(one.failed for one in told),
                sum(one.received for one in told),
                progress.p50_ns,
                progress.p99_ns,
            )
        )


@asynccontextmanager
async def driver_process(log: Path, workers: int = 1, ports: PortRange | None = None) -> AsyncIterator[DriverProcess]:
    """A driver of so many processes, ended on every way out. ``log`` takes what they say on standard error.

    ``ports`` are the local ports of a source address, by default this machine's.
    """
    async with AsyncExitStack() as stack:
        found = []
        for number in range(1, workers + 1):
            words = log if number == 1 else log.with_name(f"{log.stem}-{number}{log.suffix}")
            name = "the driver's process" if workers == 1 else f"driver worker {number} of {workers}"
            found.append(await stack.enter_async_context(_worker(words, name)))
        yield DriverProcess(found, ports or port_range())


@asynccontextmanager
async def _worker(log: Path, name: str) -> AsyncIterator[Worker]:
    with log.open("wb") as stderr:
        child = await spawn(
            [sys.executable, "-m", "wsbench_client.worker"], stdin=PIPE, stdout=PIPE, stderr=stderr, limit=_LINE_LIMIT
        )
    try:
        yield Worker(child, log, name)
    finally:
        await child.stop(_GRACE_S)
