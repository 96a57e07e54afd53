"""The sidecar of the pod that the driver is in: found on loopback, and what it counts, read around every trial."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from wsbench.cluster_stats import StatsError, from_admin, from_prometheus, stats_filter
from wsbench.envoy_admin import OWN_ADMIN_URL, UnreadableError, get, identity_in
from wsbench.mesh_proof import Destination, SidecarEvidence
from wsbench.plan import AUTO_SIDECAR, NO_SIDECAR, PROMETHEUS_PATH
from wsbench_client.plan import endpoint

if TYPE_CHECKING:
    from wsbench.cluster_stats import ClusterStats

_PROMETHEUS_URL = f"http://127.0.0.1:15090{PROMETHEUS_PATH}"
_WITHIN_S = 3.0
_RESOLVER = Path("/etc/resolv.conf")


class _Kind(StrEnum):
    ADMIN = "admin"
    PROMETHEUS = "Prometheus"


@dataclass(frozen=True, slots=True)
class PodSidecar:
    """An Envoy that answers. ``version`` is None where only its Prometheus port was reached."""

    url: str
    kind: _Kind
    version: str | None

    def __str__(self) -> str:
        return f"own sidecar (Envoy{f' {self.version}' if self.version else ''}, {self.kind} at {self.url})"

    async def stats(self, port: int) -> ClusterStats:
        """What it counts of its outbound clusters of this port, zeros too. Raises UnreadableError."""
        pattern = quote(stats_filter(port), safe="")
        if self.kind is _Kind.ADMIN:
            text, read = await get(f"{self.url}/stats?format=json&filter={pattern}", _WITHIN_S), from_admin
        else:
            text, read = await get(f"{self.url}?filter={pattern}", _WITHIN_S), from_prometheus
        try:
            return read(text)
        except StatsError as error:
            raise UnreadableError(str(error)) from None


@dataclass(frozen=True, slots=True)
class PodMesh:
    """What is known of the mesh from within: the own sidecar, or why there is none, and the resolver's domains."""

    sidecar: PodSidecar | None
    trouble: str
    search: tuple[str, ...]

    def watch(self, url: str) -> HopWatch:
        """A watch over one trial of the target at this URL."""
        place = endpoint(url)
        return HopWatch(self, Destination(place.host, place.port, self.search))


class HopWatch:
    """Reads the sidecar's counters over one trial: ``begin``, ``while_open``, ``finish``.

    Nothing is raised: what cannot be read is a trouble in the evidence, and leaves the claim unproved.
    """

    def __init__(self, mesh: PodMesh, destination: Destination) -> None:
        self._mesh = mesh
        self.destination = destination
        self._before: ClusterStats = {}
        self._while_open: ClusterStats | None = None
        self._trouble: str | None = None if mesh.sidecar else mesh.trouble

    async def begin(self) -> None:
        """Note where the counters stand."""
        self._before = await self._read() or {}

    async def while_open(self) -> None:
        """Note them once more, with every WebSocket open."""
        self._while_open = await self._read()

    async def finish(self) -> SidecarEvidence:
        """What the trial left."""
        after = await self._read()
        source = str(self._mesh.sidecar) if self._mesh.sidecar else "own sidecar"
        if after is None or self._trouble is not None:
            return SidecarEvidence.none(source, self._trouble or "")
        return SidecarEvidence(source, self._before, self._while_open, after)

    async def _read(self) -> ClusterStats | None:
        sidecar = self._mesh.sidecar
        # One that did not answer is not waited for again in this trial.
        if sidecar is None or self._trouble is not None:
            return None
        try:
            return await sidecar.stats(self.destination.port)
        except UnreadableError as error:
            self._trouble = f" does not answer any more: {error}"
            return None


async def look_around(choice: str) -> PodMesh:
    """The mesh as it is seen from here: ``choice`` is AUTO_SIDECAR, NO_SIDECAR or the URL of a sidecar.

    What answers on a port but is not an Envoy is not taken for one. Takes three seconds a port at most.
    """
    search = _search_domains()
    if choice == NO_SIDECAR:
        return PodMesh(None, " was not asked (--sidecar none)", search)
    tried = []
    for url in (OWN_ADMIN_URL, _PROMETHEUS_URL) if choice == AUTO_SIDECAR else _addresses(choice):
        try:
            return PodMesh(await _recognised(url), "", search)
        except UnreadableError as error:
            tried.append(f"{url}: {error}")
    advice = (
        "is the pod injected (istio-injection, sidecar.istio.io/inject)? For other ports, --sidecar URL"
        if choice == AUTO_SIDECAR
        else "--sidecar needs the address of an Envoy's admin, or of its metrics"
    )
    return PodMesh(None, f" not found ({'; '.join(tried)}): {advice}", search)


def _addresses(choice: str) -> tuple[str, ...]:
    """What a URL of the user's own may be: the metrics where its path says so, else an admin, which has them too."""
    url = choice.rstrip("/")
    return (url,) if url.endswith(PROMETHEUS_PATH) else (url, f"{url}{PROMETHEUS_PATH}")


async def _recognised(url: str) -> PodSidecar:
    """The Envoy that answers there. Raises UnreadableError."""
    if url.endswith(PROMETHEUS_PATH):
        # Istio never hides these.
        text = await get(f"{url}?usedonly&filter={quote('^server.', safe='')}", _WITHIN_S)
        if not re.search(r"^envoy_server_\w+[{ ]", text, re.MULTILINE):
            raise UnreadableError(f"no metrics of an Envoy: {text[:40]!r}")
        return PodSidecar(url, _Kind.PROMETHEUS, None)
    text = await get(f"{url}/server_info", _WITHIN_S)
    identity = identity_in(text)
    if identity is None:
        raise UnreadableError(f"not the admin of an Envoy: {text[:40]!r}")
    return PodSidecar(url, _Kind.ADMIN, identity.version)


def _search_domains() -> tuple[str, ...]:
    """Those with which this pod's resolver completes a short name (resolv.conf(5); the last line counts)."""
    try:
        lines = _RESOLVER.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    found = [line.split()[1:] for line in lines if line.split()[:1] == ["search"]]
    return tuple(found[-1]) if found else ()
