"""``wsbench check`` as its users run it: on the lab's Envoys, on what is dead, and with words that are wrong."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psutil
import pytest

from tests.bench.commands.words import running, wsbench
from tests.bench.test_lab import lab_plan
from wsbench.arms import ARMS
from wsbench.check.address import parse_address
from wsbench.check.dialing import Trust
from wsbench.check.examining import examine
from wsbench.check.findings import Need
from wsbench.check.probing import CheckPlan
from wsbench.check.report import document
from wsbench.check.sidecars import Sidecars
from wsbench.check.websocket_steps import StepLimits
from wsbench.cli import main
from wsbench.envoy import EnvoyBinary, Sidecar
from wsbench.lab import LabTarget, open_lab
from wsbench.manifests import shipped


@dataclass(frozen=True)
class Said:
    """What one run of the command printed as JSON."""

    code: int
    content: dict[str, Any]

    def outcome(self, step: str, over: str | None = None) -> tuple[str, str]:
        (of,) = (of for of in self.content["steps"] if (of["step"], of["over"]) == (step, over))
        return of["outcome"], of["reason"]


def check(*words: str) -> Said:
    done = wsbench("check", "--format", "json", *words)
    assert not done.stderr, done.stderr
    return Said(done.returncode, json.loads(done.stdout))


def inside(target: LabTarget) -> str:
    """The server sidecar's own port."""
    assert target.server is not None
    return f"ws://127.0.0.1:{target.server.port}/"


# -- the lab


async def examined(url: str, need: Need = Need.ANY, *sidecars: Sidecar | None, idle_s: float | None = None) -> Said:
    """As ``check``, in this process: it is quicker. The sidecars' admin endpoints and logs are read."""
    known = [sidecar for sidecar in sidecars if sidecar is not None]
    to_read = Sidecars(
        [f"http://127.0.0.1:{sidecar.admin_port}" for sidecar in known], [sidecar.access_log for sidecar in known], 5.0
    )
    diagnosis = await examine(CheckPlan(parse_address(url), Trust(), StepLimits(5.0, idle_s)), need, to_read)
    return Said(0 if diagnosis.met else 3, document(diagnosis, {}))


@pytest.mark.lab
def test_the_labs_envoys(on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path) -> None:
    """One lab for all, because it takes seconds to start."""

    async def work() -> None:
        plan = lab_plan(envoy, tmp_path, ARMS["http1"], ARMS["http2"], ARMS["http2-blocked"])
        async with open_lab(plan) as lab, anyio.create_task_group() as tasks:
            tasks.start_soon(blocked, lab.targets["http2-blocked"])
            tasks.start_soon(everything_works, lab.targets["http2"])
            tasks.start_soon(nothing_is_wrong, lab.targets["http1"])
            tasks.start_soon(found_beside_this_process, lab.targets["http1"])

    async def blocked(target: LabTarget) -> None:
        await blocked_at_the_servers_sidecar(target)
        await anyio.to_thread.run_sync(blocked_through_the_clients_sidecar, target)

    async def blocked_at_the_servers_sidecar(target: LabTarget) -> None:
        alone = await examined(inside(target), Need.HTTP2)
        assert alone.code == 3
        assert alone.outcome("upgrade", "HTTP/1.1") == ("works", "101")
        assert alone.outcome("connection", "HTTP/2")[0] == "works"
        outcome, reason = alone.outcome("ENABLE_CONNECT_PROTOCOL", "HTTP/2")
        assert outcome == "does not"
        assert "lacks http2_protocol_options.allow_connect" in reason
        assert alone.outcome("extended CONNECT", "HTTP/2")[0] == "does not"
        assert [of["remedy"] for of in alone.content["remedies"]] == ["allow-connect"]
        read = await examined(inside(target), Need.ANY, target.server)
        assert read.code == 0
        clues = "\n".join(clue["text"] for clue in read.content["clues"])
        assert 'listener "websockets" (inbound), connection manager "inbound_0.0.0.0_80": ' in clues
        assert "allow_connect is missing" in clues
        assert "downstream_cx_protocol_error rose by 1" in clues
        assert "1 x HTTP/2 0 DPE http2.invalid.header.field" in clues
        assert "written during the check" in clues

    def blocked_through_the_clients_sidecar(target: LabTarget) -> None:
        assert target.client is not None
        assert target.server is not None
        words = [
            word
            for sidecar in (target.client, target.server)
            for word in ("--admin", str(sidecar.admin_port), "--access-log", str(sidecar.access_log))
        ]
        done = wsbench("check", target.url, *words)
        assert done.returncode == 3
        lines = done.stdout.splitlines()
        # First of all it names who refuses.
        assert lines[1] == "WebSockets do not work here."
        assert '"server-sidecar"' in lines[2]
        assert "allow_connect is missing" in lines[4]
        said = " ".join(done.stdout.split())
        assert "503 Service Unavailable from envoy: 'upstream connect error" in said
        assert "The hop is HTTP/2: the server's sidecar does not allow extended CONNECT" in said
        assert "the check's own attempt over HTTP/2" in said
        assert f"kubectl apply -f {shipped('http2')}/allow-connect.yaml" in said
        assert "allow_connect: true" in said
        assert "h2UpgradePolicy: DO_NOT_UPGRADE" in said

    async def everything_works(target: LabTarget) -> None:
        found = await examined(inside(target), Need.BOTH, idle_s=0.3)
        assert found.code == 0, found.content
        assert {of["outcome"] for of in found.content["steps"]} == {"works"}
        assert found.outcome("several streams at once", "HTTP/2") == ("works", "4 of 4 on one connection")
        # Envoy adds no key for a server of HTTP/1.1 (envoy#8547): should it begin to, the words are to change.
        assert found.outcome("extended CONNECT", "HTTP/2")[1].startswith("200, but only with a Sec-WebSocket-Key")

    async def found_beside_this_process(target: LabTarget) -> None:
        """As in a pod, where Istio's sidecar has its admin endpoint on port 15000, which is not ours to take here."""
        assert target.client is not None
        to_read = Sidecars((), (), 5.0, own=f"http://127.0.0.1:{target.client.admin_port}")
        plan = CheckPlan(parse_address(target.url), Trust(), StepLimits(5.0))
        diagnosis = await examine(plan, Need.ANY, to_read)
        assert diagnosis.client_side
        assert {clue.source.rpartition(", ")[2] for clue in diagnosis.clues} == {"found beside this process"}

    async def nothing_is_wrong(target: LabTarget) -> None:
        found = await examined(target.url, Need.ANY, target.client)
        assert found.code == 0
        assert found.content["verdict"].startswith("WebSockets work over HTTP/1.1, which is what applications speak")
        assert found.content["remedies"] == []

    on_loop(work)


# -- what is dead, silent or not a WebSocket


@contextmanager
def bound() -> Iterator[int]:
    """A port that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_closed_port(capsys: pytest.CaptureFixture[str]) -> None:
    with bound() as port:
        pass
    assert main(["check", f"ws://127.0.0.1:{port}/"]) == 3
    said = capsys.readouterr()
    assert "connection refused: nothing listens there [1]" in said.out
    assert said.err == ""


def test_a_server_that_never_answers_is_told_of_within_the_timeout(capsys: pytest.CaptureFixture[str]) -> None:
    for scheme, words in (("ws", "TCP is accepted, but no answer within 0.3 s"), ("wss", "to the TLS handshake")):
        with bound() as port:
            assert main(["check", f"{scheme}://127.0.0.1:{port}/", "--timeout", "300ms"]) == 3
        assert words in " ".join(capsys.readouterr().out.split())


def test_the_echo_server_of_the_project() -> None:
    with running("serve", "--port", "0") as server:
        assert server.stdout is not None
        port = json.loads(server.stdout.readline())["port"]
        found = check(f"http://127.0.0.1:{port}/")
        assert found.code == 0
        assert found.content["verdict"] == "Over HTTP/1.1 WebSockets work; over HTTP/2 they do not work."
        assert check(f"ws://127.0.0.1:{port}/", "--need", "both").code == 3
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)


def test_ctrl_c_ends_it() -> None:
    with bound() as port, running("check", f"ws://127.0.0.1:{port}/", "--timeout", "60s") as bench:
        process = psutil.Process(bench.pid)
        while port not in {getattr(of.raddr, "port", None) for of in process.net_connections()}:
            assert bench.poll() is None
        bench.send_signal(signal.SIGINT)
        assert bench.wait(timeout=20) == 130
        assert bench.stderr is not None
        assert bench.stderr.read() == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "the following arguments are required: URL"),
        (["echo:8080"], "not a WebSocket URL: 'echo:8080'"),
        (["ws://x/", "--need", "http3"], "'http3' is none of any, http1, http2, both"),
        (["ws://x/", "--timeout", "0s"], "'0s' is no time"),
        (["ws://x/", "--idle", "long"], "'long' is not a time"),
        (["ws://x/", "--admin", "nowhere"], "'nowhere' is no admin endpoint"),
        (["ws://x/", "--access-log", "/no/such/log"], "--access-log /no/such/log cannot be read"),
        (["wss://x/", "--ca", "/no/such/ca"], "--ca /no/such/ca cannot be read"),
    ],
)
def test_bad_words_are_exit_code_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_help_has_examples_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    said = capsys.readouterr().out
    assert "exit codes: 0 what --need names works, 2 usage, 3 it does not" in said
    assert "wsbench check wss://echo.example/ws --ca ca.pem --idle 90s" in said


# -- proxies that are not ours, where they are installed


def free_port() -> int:
    """nginx and haproxy bind no port 0 that they would tell of."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def proxy(argv: list[str], port: int) -> Iterator[None]:
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while True:
                assert process.poll() is None, argv
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=5).close()
                    break
                except ConnectionRefusedError:
                    pass
            yield
        finally:
            process.terminate()


@contextmanager
def echo_server() -> Iterator[int]:
    with running("serve", "--port", "0") as server:
        assert server.stdout is not None
        yield json.loads(server.stdout.readline())["port"]
        server.terminate()
        server.wait(timeout=20)


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="needs haproxy: apt-get install haproxy")
def test_haproxy_takes_websockets_over_both(tmp_path: Path) -> None:
    port = free_port()
    with echo_server() as echo:
        config = tmp_path / "haproxy.cfg"
        config.write_text(
            "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n timeout tunnel 1h\n"
            f"frontend front\n bind 127.0.0.1:{port}\n default_backend back\n"
            f"backend back\n server echo 127.0.0.1:{echo}\n"
        )
        with proxy(["haproxy", "-f", str(config), "-db"], port):
            found = check(f"ws://127.0.0.1:{port}/", "--need", "both")
    assert found.code == 0, found.content
    # HAProxy adds the key that RFC 8441 leaves out.
    assert found.outcome("extended CONNECT", "HTTP/2") == ("works", "200")


@pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx: apt-get install nginx")
def test_nginx_without_upgrade_headers_is_named(tmp_path: Path) -> None:
    port = free_port()
    with echo_server() as echo:
        config = tmp_path / "nginx.conf"
        temporary = " ".join(
            f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config.write_text(
            f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error; events {{}}\n"
            f"http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port}; "
            f"location / {{ proxy_pass http://127.0.0.1:{echo}; }} }} }}\n"
        )
        with proxy(["nginx", "-c", str(config), "-e", str(tmp_path / "error"), "-p", str(tmp_path)], port):
            found = check(f"ws://127.0.0.1:{port}/")
    assert found.code == 3
    assert found.outcome("upgrade", "HTTP/1.1")[0] == "does not"
    assert found.content["remedies"][0]["remedy"] == "proxy-headers"
    assert found.outcome("connection", "HTTP/2") == (
        "does not",
        "no HTTP/2: it answers the HTTP/2 preface with HTTP/1: 400 Bad Request",
    )
