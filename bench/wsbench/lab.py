"""The lab: the echo server, and for each sidecar arm a pair of real Envoys, all on loopback."""

from __future__ import annotations

import json
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from subprocess import PIPE
from typing import TYPE_CHECKING

import anyio

from wsbench.envoy import running_sidecar
from wsbench.envoy_config import SidecarSettings, client_sidecar, server_sidecar
from wsbench.errors import LabDownError, LabError, UsageError
from wsbench.processes import last_words, spawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from wsbench.arms import Arm
    from wsbench.envoy import EnvoyBinary, Sidecar
    from wsbench.processes import Child

_SERVER_READY_WITHIN_S = 20.0
_SERVER_GRACE_S = 3.0
_LEAST_MESSAGE_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class LabPlan:
    """What the lab has to have. ``envoy`` may be None where no arm has sidecars.

    Files go to ``output``: ``server.log``, and for each sidecar arm ``envoy/<arm>/{client,server}.*``.
    """

    arms: tuple[Arm, ...]
    output: Path
    envoy: EnvoyBinary | None
    envoy_concurrency: int
    server_engine: str
    max_message_bytes: int


@dataclass(frozen=True, slots=True)
class LabTarget:
    """Where an arm's messages go, and the sidecars in their way (None for ``direct``)."""

    arm: Arm
    url: str
    client: Sidecar | None
    server: Sidecar | None


@dataclass(frozen=True, slots=True)
class Lab:
    """A running lab: a target for each arm, by name, and the processes that echo."""

    targets: Mapping[str, LabTarget]
    server_pids: tuple[int, ...]
    server: Child
    server_log: Path

    def check_alive(self) -> None:
        """Raise LabDownError where the echo server, which every arm needs, has ended."""
        if self.server.returncode is not None:
            raise LabDownError(
                f"the echo server has ended with {self.server.returncode}: {last_words(self.server_log)}"
            )


@asynccontextmanager
async def open_lab(plan: LabPlan) -> AsyncIterator[Lab]:
    """Start everything, wait until it serves, end it on every way out. Raises LabError or UsageError."""
    async with AsyncExitStack() as stack:
        server_log = plan.output / "server.log"
        server, port, pids = await stack.enter_async_context(_echo_server(plan, server_log))
        targets = {}
        for arm in plan.arms:
            targets[arm.name] = await _start_arm(stack, plan, arm, port)
        yield Lab(targets, pids, server, server_log)


async def _start_arm(stack: AsyncExitStack, plan: LabPlan, arm: Arm, server_port: int) -> LabTarget:
    if arm.hop is None:
        return LabTarget(arm, _url(server_port), None, None)
    if plan.envoy is None:
        raise UsageError(f"arm {arm.name!r} needs an Envoy")
    folder = plan.output / "envoy" / arm.name
    folder.mkdir(parents=True, exist_ok=True)
    # The server's sidecar first: the client's has to know its port.
    inbound = SidecarSettings(str(folder / "server.access.log"), server_port)
    server = await stack.enter_async_context(
        running_sidecar(
            plan.envoy,
            f"{arm.name}'s server sidecar",
            server_sidecar(inbound, arm.hop),
            folder,
            "server",
            plan.envoy_concurrency,
        )
    )
    outbound = SidecarSettings(str(folder / "client.access.log"), server.port)
    client = await stack.enter_async_context(
        running_sidecar(
            plan.envoy,
            f"{arm.name}'s client sidecar",
            client_sidecar(outbound, arm.hop),
            folder,
            "client",
            plan.envoy_concurrency,
        )
    )
    return LabTarget(arm, _url(client.port), client, server)


@asynccontextmanager
async def _echo_server(plan: LabPlan, log: Path) -> AsyncIterator[tuple[Child, int, tuple[int, ...]]]:
    """The echo server, its port and the ids of the processes that echo."""
    limit = max(_LEAST_MESSAGE_LIMIT, plan.max_message_bytes)
    argv = [sys.executable, "-m", "wsbench_server", "--port", "0", "--engine", plan.server_engine]
    with log.open("wb") as words:
        child = await spawn([*argv, "--max-message-size", str(limit)], stdout=PIPE, stderr=words)
    try:
        assert child.process.stdout is not None
        line = b""
        with anyio.move_on_after(_SERVER_READY_WITHIN_S):
            line = await child.process.stdout.readline()
        if not line:
            raise LabError(f"the echo server did not start: {last_words(log)}")
        ready = json.loads(line)
        yield child, ready["port"], tuple(ready["pids"])
    finally:
        await child.stop(_SERVER_GRACE_S)


def _url(port: int) -> str:
    return f"ws://127.0.0.1:{port}/"
