"""Several echoing processes on one port, and the parent that starts, counts and ends them."""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import multiprocessing.resource_tracker
import os
import signal
import sys
from typing import TYPE_CHECKING

import uvloop

from wsbench_server.counters import WIDTH, Counters
from wsbench_server.listening import bind
from wsbench_server.server import serve_until, told_to_end

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from wsbench_server.config import ServerConfig
    from wsbench_server.health import Health

_SYNC_EVERY_S = 0.1
_JOIN_SPARE_S = 2.0
_PR_SET_PDEATHSIG = 1


class WorkerDiedError(Exception):
    """An echoing process ended by itself: which, and how."""


class Supervisor:
    """``config.processes`` workers on ``port``, each accepting on its own socket (SO_REUSEPORT)."""

    def __init__(self, config: ServerConfig, port: int) -> None:
        self._config = config
        self._context = multiprocessing.get_context("spawn")
        # One row a worker; each is written by its worker alone, whole numbers at a time, so no lock is needed.
        self._rows: ctypes.Array[ctypes.c_longlong] = self._context.RawArray(
            ctypes.c_longlong, config.processes * WIDTH
        )
        self._workers: list[BaseProcess] = []
        self._port = port

    def totals(self) -> Counters:
        """What all workers have counted, at most a tenth of a second old."""
        rows = [self._rows[place * WIDTH : (place + 1) * WIDTH] for place in range(self._config.processes)]
        return Counters.summed(rows)

    async def run(self, end: asyncio.Event, health: Health | None, on_listening: Callable[[list[int]], None]) -> None:
        """Serve until ``end`` is set. Raises WorkerDiedError where a worker ends before; no worker is left behind."""
        try:
            await self._start()
            if health is not None:
                health.ready = True
            on_listening([worker.pid or 0 for worker in self._workers])
            while not end.is_set():
                self._check()
                try:
                    await asyncio.wait_for(end.wait(), _SYNC_EVERY_S)
                except TimeoutError:
                    continue
        finally:
            if health is not None:
                health.ready = False
            await self._stop()

    async def _start(self) -> None:
        waiting: list[Connection] = []
        for place in range(self._config.processes):
            ours, theirs = self._context.Pipe(duplex=False)
            worker = self._context.Process(
                target=_work, args=(self._config, self._port, self._rows, place, theirs, os.getpid()), daemon=True
            )
            _start_deaf_to_interrupts(worker)
            theirs.close()
            self._workers.append(worker)
            waiting.append(ours)
        for pipe in waiting:
            while not pipe.poll():
                self._check()
                await asyncio.sleep(0.01)
            pipe.close()

    def _check(self) -> None:
        for worker in self._workers:
            if worker.exitcode is not None:
                raise WorkerDiedError(f"echo process {worker.pid} ended by itself with {worker.exitcode}")

    async def _stop(self) -> None:
        for worker in self._workers:
            if worker.is_alive():
                worker.terminate()
        deadline = asyncio.get_running_loop().time() + self._config.grace_s + _JOIN_SPARE_S
        for worker in self._workers:
            await asyncio.to_thread(worker.join, max(0, deadline - asyncio.get_running_loop().time()))
            if worker.is_alive():
                worker.kill()
                worker.join()


def _start_deaf_to_interrupts(worker: BaseProcess) -> None:
    """Start a worker that inherits a blocked SIGINT.

    Ctrl-C goes to every process of the terminal: this one hears it and ends the workers in order, with SIGTERM. Theirs
    would come while they still import, as tracebacks, or end them before this process knows that they should.
    """
    # Starting it unblocks SIGINT (multiprocessing.resource_tracker), so it is started before the mask is set.
    multiprocessing.resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        worker.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(config: ServerConfig, port: int, rows: list[int], place: int, ready: Connection, parent: int) -> None:
    """A worker's main: runs in its own process."""
    _die_with(parent)
    uvloop.run(_serve(config, port, rows, place, ready))


async def _serve(config: ServerConfig, port: int, rows: list[int], place: int, ready: Connection) -> None:
    counters = Counters()

    def sync() -> None:
        rows[place * WIDTH : (place + 1) * WIDTH] = counters.row()

    async def keep_in_sync() -> None:
        while True:
            sync()
            await asyncio.sleep(_SYNC_EVERY_S)

    end = told_to_end()
    syncing = asyncio.create_task(keep_in_sync())
    await serve_until(
        end, config, bind(config.host, port, shared=True), counters, None, lambda: ready.send("listening")
    )
    syncing.cancel()
    sync()


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent is gone, however that went (prctl(2), Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
