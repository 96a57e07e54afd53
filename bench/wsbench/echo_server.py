"""The project's echo server as a process of the lab."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from subprocess import PIPE
from typing import TYPE_CHECKING

import anyio

from wsbench.errors import LabDownError, LabError
from wsbench.processes import last_words, spawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from wsbench.processes import Child

_log = logging.getLogger(__name__)
_READY_WITHIN_S = 20.0
_GRACE_S = 3.0


@dataclass(frozen=True, slots=True)
class EchoServer:
    """A running echo server on loopback: its port, and the processes that echo."""

    port: int
    pids: tuple[int, ...]
    child: Child
    log: Path

    @property
    def url(self) -> str:
        """Where it echoes."""
        return f"ws://127.0.0.1:{self.port}/"

    def check_alive(self) -> None:
        """Raise LabDownError where it has ended."""
        if self.child.returncode is not None:
            raise LabDownError(f"the echo server has ended with {self.child.returncode}: {last_words(self.log)}")


@asynccontextmanager
async def running_echo_server(log: Path, *, engine: str, options: Sequence[str] = ()) -> AsyncIterator[EchoServer]:
    """Start one, wait until it listens, end it on every way out. ``log`` takes its words. Raises LabError."""
    argv = [sys.executable, "-m", "wsbench_server", "--port", "0", "--engine", engine, *options]
    with log.open("wb") as words:
        child = await spawn(argv, stdout=PIPE, stderr=words)
    try:
        assert child.process.stdout is not None
        line = b""
        with anyio.move_on_after(_READY_WITHIN_S):
            line = await child.process.stdout.readline()
        if not line:
            raise LabError(f"the echo server did not start: {last_words(log)}")
        ready = json.loads(line)
        _log.info("echo server: pid %d, 127.0.0.1:%d; %s", child.pid, ready["port"], log)
        yield EchoServer(ready["port"], tuple(ready["pids"]), child, log)
    finally:
        await child.stop(_GRACE_S)
