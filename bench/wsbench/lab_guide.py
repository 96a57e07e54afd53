"""How to use a running lab by hand: where everything is, and what to type. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wsbench.arms import Claim
    from wsbench.envoy import Sidecar
    from wsbench.lab import Lab, LabTarget

_HOP_SPOKEN = '"protocol":"[^"]*"'


class ServerGuide(TypedDict):
    """The echo server behind all arms."""

    url: str
    port: int
    pid: int
    log: str


class SidecarGuide(TypedDict):
    """One sidecar: its listener's port on loopback, its admin endpoint, its process, its files."""

    port: int
    admin_url: str
    pid: int
    config: str
    access_log: str
    log: str


class ArmGuide(TypedDict):
    """One arm. ``connect`` and ``proof`` are commands for a shell; ``proof`` shows what the hop has spoken."""

    summary: str
    claim: str
    url: str
    client: SidecarGuide | None
    server: SidecarGuide | None
    connect: str
    proof: list[str]


class LabGuide(TypedDict):
    """A running lab. ``pid`` is the process to send SIGINT or SIGTERM to when it is to end."""

    pid: int
    folder: str
    envoy: str | None
    server: ServerGuide
    arms: dict[str, ArmGuide]


def guide_of(lab: Lab, folder: Path, pid: int, envoy_versions: str | None) -> LabGuide:
    """Where everything of ``lab`` is."""
    server = lab.server
    return LabGuide(
        pid=pid,
        folder=str(folder),
        envoy=envoy_versions,
        server=ServerGuide(url=server.url, port=server.port, pid=server.child.pid, log=str(server.log)),
        arms={name: _arm(target) for name, target in lab.targets.items()},
    )


def text_of(guide: LabGuide) -> str:
    """The guide for a reader. Commands stand on a line of their own, however long, to be copied."""
    return "\n".join(_lines(guide))


def _arm(target: LabTarget) -> ArmGuide:
    return ArmGuide(
        summary=target.arm.summary,
        claim=_claim(target.arm.claim),
        url=target.url,
        client=_sidecar(target.client),
        server=_sidecar(target.server),
        connect=f"python -m websockets {target.url}",
        proof=list(_proof(target)),
    )


def _sidecar(sidecar: Sidecar | None) -> SidecarGuide | None:
    if sidecar is None:
        return None
    return SidecarGuide(
        port=sidecar.port,
        admin_url=f"http://127.0.0.1:{sidecar.admin_port}",
        pid=sidecar.pid,
        config=str(sidecar.config),
        access_log=str(sidecar.access_log),
        log=str(sidecar.log),
    )


def _claim(claim: Claim) -> str:
    if claim.hop_protocol is None:
        return "no proxy is in the way"
    over = f" over {claim.transport}" if claim.encrypted else ""
    refused = f", and every upgrade is refused with {claim.refused_status}" if claim.refused_status else ""
    return f"the hop speaks {claim.hop_protocol}{over}{refused}"


def _proof(target: LabTarget) -> Iterator[str]:
    """What the server's sidecar wrote and counted of the hop; of what the client's opened where there is no other."""
    if target.server:
        yield f"grep -o {shlex.quote(_HOP_SPOKEN)} {shlex.quote(str(target.server.access_log))}"
    if target.client:
        yield _counters(target.client, "upstream_cx_http")
    if target.server:
        yield _counters(target.server, "inbound_.*downstream_cx_(http|upgrades)")


def _counters(sidecar: Sidecar, pattern: str) -> str:
    query = f"http://127.0.0.1:{sidecar.admin_port}/stats?usedonly&filter={pattern}"
    return f"curl -s {shlex.quote(query)}"


def _lines(guide: LabGuide) -> Iterator[str]:
    server = guide["server"]
    yield f"The lab is up, with Envoy {guide['envoy']}." if guide["envoy"] else "The lab is up."
    yield f"Its files are in {guide['folder']}; Ctrl-C (or SIGTERM to pid {guide['pid']}) ends it."
    yield f"Echo server: {server['url']}, pid {server['pid']}, {server['log']}"
    for name, arm in guide["arms"].items():
        yield ""
        yield f"{name}: {arm['summary']}"
        yield f"  claims   {arm['claim']}"
        for side, sidecar in (("client", arm["client"]), ("server", arm["server"])):
            if sidecar:
                yield f"  {side}'s sidecar   port {sidecar['port']}, admin {sidecar['admin_url']}, pid {sidecar['pid']}"
                yield f"    {sidecar['access_log']}"
                yield f"    {sidecar['config']}, {sidecar['log']}"
        yield "  connect"
        yield f"    {arm['connect']}"
        if arm["proof"]:
            yield "  proof"
            for line in arm["proof"]:
                yield f"    {line}"
    if any(arm["proof"] for arm in guide["arms"].values()):
        yield ""
        yield "A line of an access log is written when the WebSocket ends. Watch one: tail -F FILE"
