"""The lab: the echo server, and for each sidecar arm a pair of real Envoys, all on loopback."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio

from wsbench.echo_server import running_echo_server
from wsbench.envoy import ConfigRejectedError, running_sidecar
from wsbench.envoy_config import Hop, SidecarSettings, client_sidecar, server_sidecar
from wsbench.errors import LabError, UsageError
from wsbench.mesh_policy import MeshPolicy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path

    from wsbench.arms import Arm
    from wsbench.echo_server import EchoServer
    from wsbench.envoy import Sidecar
    from wsbench.identities import Identities
    from wsbench.mesh import Mesh

_LEAST_MESSAGE_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class LabPlan:
    """What the lab has to have. ``mesh`` may be None where no arm has sidecars.

    Files go to ``output``: ``server.log``, for each sidecar arm ``envoy/<arm>/{client,server}.*``, and the certificates
    of those whose hop is encrypted ``envoy/certificates/*.pem``.
    """

    arms: tuple[Arm, ...]
    output: Path
    mesh: Mesh | None
    envoy_concurrency: int
    server_engine: str
    max_message_bytes: int


@dataclass(frozen=True, slots=True)
class LabTarget:
    """Where an arm's messages go, and the sidecars in their way (None on a side that has none)."""

    arm: Arm
    url: str
    client: Sidecar | None
    server: Sidecar | None


@dataclass(frozen=True, slots=True)
class Lab:
    """A running lab: a target for each arm, by name, and what echoes behind all of them."""

    targets: Mapping[str, LabTarget]
    server: EchoServer

    def check_alive(self) -> None:
        """Raise LabDownError where the echo server, which every arm needs, has ended."""
        self.server.check_alive()

    async def first_to_end(self) -> LabError:
        """Wait until any part has ended; the error that names it, with its last words."""
        parts: list[EchoServer | Sidecar] = [self.server]
        parts += [side for target in self.targets.values() for side in (target.client, target.server) if side]
        found: list[LabError] = []
        async with anyio.create_task_group() as tasks:

            async def watch(part: EchoServer | Sidecar) -> None:
                await part.child.wait()
                try:
                    part.check_alive()
                except LabError as error:
                    found.append(error)
                tasks.cancel_scope.cancel()

            for part in parts:
                tasks.start_soon(watch, part)
        return found[0]


@asynccontextmanager
async def open_lab(plan: LabPlan) -> AsyncIterator[Lab]:
    """Start everything, wait until it serves, end it on every way out. Raises LabError or UsageError."""
    async with AsyncExitStack() as stack:
        limit = max(_LEAST_MESSAGE_LIMIT, plan.max_message_bytes)
        server = await stack.enter_async_context(
            running_echo_server(
                plan.output / "server.log", engine=plan.server_engine, options=["--max-message-size", str(limit)]
            )
        )
        identities = _identities(stack, plan)
        targets = {}
        for arm in plan.arms:
            targets[arm.name] = await _start_arm(stack, plan, arm, server, identities)
        yield Lab(targets, server)


def hop_of(arm: Arm, mesh: Mesh, identities: Identities | None) -> Hop:
    """What both sidecars of ``arm`` have to agree on: the policy its manifests make, and what carries it."""
    policy = mesh.policies.get(arm.name, MeshPolicy())
    return Hop(policy, arm.claim.transport, identities if arm.claim.encrypted else None)


@contextmanager
def blaming_filters(hop: Hop) -> Iterator[None]:
    """A configuration that Envoy rejects is the user's where filters were applied to it: UsageError, naming them."""
    try:
        yield
    except ConfigRejectedError as error:
        if not hop.policy.filters:
            raise
        raise UsageError(f"with {' and '.join(hop.policy.filters)} applied, {error}") from None


def _identities(stack: AsyncExitStack, plan: LabPlan) -> Identities | None:
    """Certificates, where an arm needs any."""
    if not any(arm.claim.encrypted for arm in plan.arms):
        return None
    # Not with the others above: the client's image has neither this library nor an Envoy to give certificates to.
    from wsbench.identities import issued

    try:
        return stack.enter_context(issued(plan.output / "envoy" / "certificates"))
    except OSError as error:
        raise LabError(f"the lab's certificates cannot be written: {error}") from None


async def _start_arm(
    stack: AsyncExitStack, plan: LabPlan, arm: Arm, server: EchoServer, identities: Identities | None
) -> LabTarget:
    if not arm.has_sidecars:
        return LabTarget(arm, server.url, None, None)
    if plan.mesh is None:
        raise UsageError(f"arm {arm.name!r} needs an Envoy")
    envoy, hop = plan.mesh.envoys[arm.envoy_version], hop_of(arm, plan.mesh, identities)
    folder = plan.output / "envoy" / arm.name
    folder.mkdir(parents=True, exist_ok=True)

    async def sidecar(side: str, of: Callable[[SidecarSettings, Hop], dict[str, Any]], upstream_port: int) -> Sidecar:
        name = f"{arm.name}'s {side} sidecar"
        config = of(SidecarSettings(str(folder / f"{side}.access.log"), upstream_port), hop)
        with blaming_filters(hop):
            return await stack.enter_async_context(
                running_sidecar(envoy, name, config, folder, side, plan.envoy_concurrency)
            )

    # The server's sidecar first: the client's has to know its port.
    port, inner, outer = server.port, None, None
    if arm.claim.sidecars.at_server:
        inner = await sidecar("server", server_sidecar, port)
        port = inner.port
    if arm.claim.sidecars.at_client:
        outer = await sidecar("client", client_sidecar, port)
        port = outer.port
    return LabTarget(arm, f"ws://127.0.0.1:{port}/", outer, inner)
