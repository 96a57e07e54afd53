from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, cast

from wsbench.arms import ARMS
from wsbench.envoy import Sidecar
from wsbench.lab import Lab, LabTarget
from wsbench.lab_guide import LabGuide, guide_of, text_of


class Pid:
    """A child by its number; the guide asks for no more."""

    def __init__(self, pid: int) -> None:
        self.pid = pid


class Server:
    url, port, child, log = "ws://127.0.0.1:9/", 9, Pid(90), Path("my lab/server.log")


def sidecar(side: str, port: int) -> Sidecar:
    folder = Path("my lab/envoy/http2")
    files = (folder / f"{side}.json", folder / f"{side}.access.log", folder / f"{side}.log")
    return Sidecar(f"http2's {side} sidecar", cast("Any", Pid(port + 1)), port, port + 2, *files)


def guide(*targets: LabTarget) -> LabGuide:
    lab = Lab({target.arm.name: target for target in targets}, cast("Any", Server()))
    return guide_of(lab, Path("my lab"), 1, "1.40.0")


def test_an_arm_tells_its_ports_files_and_what_to_type() -> None:
    arm = guide(LabTarget(ARMS["http2"], "ws://127.0.0.1:10/", sidecar("client", 10), sidecar("server", 20)))["arms"]
    found = arm["http2"]
    assert found["connect"] == "python -m websockets ws://127.0.0.1:10/"
    assert found["claim"] == "the hop speaks HTTP/2"
    assert found["server"] == {
        "port": 20,
        "admin_url": "http://127.0.0.1:22",
        "pid": 21,
        "config": "my lab/envoy/http2/server.json",
        "access_log": "my lab/envoy/http2/server.access.log",
        "log": "my lab/envoy/http2/server.log",
    }
    # A shell takes them as they are, blanks and all.
    log, client, server = map(shlex.split, found["proof"])
    assert log[-1] == "my lab/envoy/http2/server.access.log"
    assert client[-1] == "http://127.0.0.1:12/stats?usedonly&filter=upstream_cx_http"
    assert server[-1].startswith("http://127.0.0.1:22/stats")


def test_an_arm_without_a_sidecar_on_a_side_has_no_proof_from_there() -> None:
    arms = guide(
        LabTarget(ARMS["direct"], "ws://127.0.0.1:9/", None, None),
        LabTarget(ARMS["clientonly"], "ws://127.0.0.1:10/", sidecar("client", 10), None),
    )["arms"]
    assert (arms["direct"]["proof"], arms["direct"]["claim"]) == ([], "no proxy is in the way")
    assert [line for line in arms["clientonly"]["proof"] if "server" in line or "downstream" in line] == []
    assert len(arms["clientonly"]["proof"]) == 1


def test_the_text_has_every_command_on_a_line_of_its_own() -> None:
    made = guide(LabTarget(ARMS["http2+mtls"], "ws://127.0.0.1:10/", sidecar("client", 10), sidecar("server", 20)))
    lines = text_of(made).splitlines()
    arm = made["arms"]["http2+mtls"]
    for command in (arm["connect"], *arm["proof"]):
        assert f"    {command}" in lines
    assert "  claims   the hop speaks HTTP/2 over mTLS" in lines
