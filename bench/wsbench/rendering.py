"""Envoy configurations written down, not run: to be read, compared, or run by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsbench.envoy import write_config
from wsbench.envoy_config import SidecarSettings, client_sidecar, server_sidecar
from wsbench.errors import ResultError, UsageError
from wsbench.lab import blaming_filters, hop_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from wsbench.arms import Arm
    from wsbench.envoy_config import Hop
    from wsbench.identities import Identities
    from wsbench.mesh import Mesh

UNKNOWN_PORT = 0
"""Stands for the port that only a running server or sidecar could name."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One sidecar's configuration, which the Envoy of ``version`` has accepted."""

    arm: str
    side: str
    path: Path
    version: str


async def render(arms: Sequence[Arm], mesh: Mesh | None, folder: Path) -> list[Rendered]:
    """Write ``<arm>/{server,client}.json`` below ``folder``, and have each validated by the Envoy it is for.

    Paths in them are as ``folder`` is: absolute, if they are to be used from elsewhere. They listen on port 0, which
    has the kernel choose, and send on to UNKNOWN_PORT. Arms whose hop is encrypted come with ``certificates/`` and the
    keys, which stay. Raises UsageError where there is no
    sidecar to configure or filters make what Envoy rejects, LabError where Envoy rejects it all the same, ResultError
    where a file cannot be written.
    """
    arms = [arm for arm in arms if arm.has_sidecars]
    if not arms or mesh is None:
        raise UsageError("nothing to render: no arm named has a sidecar; name another with --arms")
    try:
        identities = _identities(arms, folder)
        return [one for arm in arms for one in await _render_arm(arm, mesh, identities, folder / arm.name)]
    except OSError as error:
        raise ResultError(f"cannot write {error.filename or folder}: {error.strerror}") from None


def _identities(arms: Sequence[Arm], folder: Path) -> Identities | None:
    if not any(arm.claim.encrypted for arm in arms):
        return None
    # As in the lab: an image without Envoy has not this library either.
    from wsbench.identities import issue

    return issue(folder / "certificates")


async def _render_arm(arm: Arm, mesh: Mesh, identities: Identities | None, folder: Path) -> list[Rendered]:
    envoy, hop = mesh.envoys[arm.envoy_version], hop_of(arm, mesh, identities)
    found = []
    for side, path in _write(arm, hop, folder):
        with blaming_filters(hop):
            await envoy.validate(path)
        found.append(Rendered(arm.name, side, path, envoy.version))
    return found


def _write(arm: Arm, hop: Hop, folder: Path) -> Iterator[tuple[str, Path]]:
    folder.mkdir(parents=True, exist_ok=True)
    sidecars = arm.claim.sidecars
    for side, is_there, config_of in (
        ("server", sidecars.at_server, server_sidecar),
        ("client", sidecars.at_client, client_sidecar),
    ):
        if is_there:
            path = folder / f"{side}.json"
            write_config(path, config_of(SidecarSettings(str(folder / f"{side}.access.log"), UNKNOWN_PORT), hop))
            yield side, path
