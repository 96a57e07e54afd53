"""The lab held open, as its users hold it: real Envoys, the ``websockets`` client, signals, a death."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.sync.client import connect

from tests.bench.commands.words import children_of, running, wsbench
from wsbench.cli import main


def line_of(lab: subprocess.Popen[str]) -> dict[str, Any]:
    assert lab.stdout is not None
    said: dict[str, Any] = json.loads(lab.stdout.readline())
    return said


def echoed(url: str) -> None:
    with connect(url, compression=None, proxy=None) as websocket:
        websocket.send("hello")
        assert websocket.recv() == "hello"


def typed(command: str) -> str:
    return subprocess.run(command, shell=True, capture_output=True, text=True, timeout=30, check=True).stdout


@pytest.mark.lab
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_is_up_until_a_signal_and_leaves_no_process_and_no_key(tmp_path: Path, number: signal.Signals) -> None:
    output = tmp_path / "lab"
    words = ("lab", "up", "--arms", "direct,http2,http1+mtls", "--format", "json", "-o", str(output))
    with running(*words) as lab:
        said = line_of(lab)
        assert said == json.loads((output / "lab.json").read_text())
        assert list(said["arms"]) == ["direct", "http2", "http1+mtls"]
        for arm in said["arms"].values():
            echoed(arm["url"])
        _, client_counters, server_counters = said["arms"]["http2"]["proof"]
        assert "upstream_cx_http2_total: 1" in typed(client_counters)
        assert "downstream_cx_http2_total: 1" in typed(server_counters)
        assert len(list(output.rglob("*.key"))) == 2
        children = children_of(lab)
        assert {said["server"]["pid"], said["arms"]["http2"]["client"]["pid"]} < {child.pid for child in children}
        os.kill(lab.pid, number)
        assert lab.wait(timeout=30) == 0
        assert lab.stderr is not None
        assert lab.stderr.read() == ""
    _, alive = psutil.wait_procs(children, timeout=3)
    assert not alive
    assert not list(output.rglob("*.key"))
    assert not (output / "lab.json").exists()
    # The lines of the WebSockets that were: the server sidecar's says what the hop spoke.
    assert typed(said["arms"]["http2"]["proof"][0]) == '"protocol":"HTTP/2"\n'
    assert typed(said["arms"]["http1+mtls"]["proof"][0]) == '"protocol":"HTTP/1.1"\n'


@pytest.mark.lab
def test_a_part_that_dies_is_told_with_exit_3(tmp_path: Path) -> None:
    with running("lab", "up", "--arms", "http2", "--format", "json", "-o", str(tmp_path / "lab")) as lab:
        said = line_of(lab)
        children = children_of(lab)
        os.kill(said["arms"]["http2"]["server"]["pid"], signal.SIGKILL)
        assert lab.wait(timeout=30) == 3
        assert lab.stderr is not None
        told = lab.stderr.read()
    assert told.startswith("wsbench: error: http2's server sidecar was killed by signal 9: ")
    assert told.count("\n") == 1
    _, alive = psutil.wait_procs(children, timeout=3)
    assert not alive


@pytest.mark.lab
def test_the_text_tells_what_to_type_and_verbose_what_was_started(tmp_path: Path) -> None:
    with running("lab", "up", "--arms", "http2-blocked", "-v", "-o", str(tmp_path / "lab")) as lab:
        assert lab.stdout is not None
        said = []
        for line in lab.stdout:
            said.append(line)
            if line.startswith("A line of an access log"):
                break
        text = "".join(said)
        url = re.search(r"^ +python -m websockets (ws://127.0.0.1:\d+/)$", text, re.MULTILINE)
        assert url
        assert "every upgrade is refused with 503" in text
        with pytest.raises(Exception, match="503"):
            echoed(url[1])
        os.kill(lab.pid, signal.SIGINT)
        assert lab.wait(timeout=30) == 0
        assert lab.stderr is not None
        aside = lab.stderr.read()
    assert re.search(r"pid \d+ started: \S+python\S* -m wsbench_server --port 0", aside)
    assert re.search(r"pid \d+ started: \S+envoy --config-path \S+http2-blocked/client.json", aside)
    assert re.search(
        r"http2-blocked's client sidecar: Envoy [\d.]+, pid \d+, 127.0.0.1:\d+, admin 127.0.0.1:\d+", aside
    )


@pytest.mark.lab
def test_a_reader_who_has_had_enough_ends_it(tmp_path: Path) -> None:
    with running("lab", "up", "--arms", "direct", "-o", str(tmp_path / "lab")) as lab:
        assert lab.stdout is not None
        lab.stdout.close()
        assert lab.wait(timeout=30) == 141


@pytest.mark.parametrize("command", ["up", "render"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--arms", "http9"], "unknown arm 'http9': choose from direct"),
        (["--arms", ""], "nothing to measure"),
        (["--arms", "http1", "--sabotage", "http2"], "cannot sabotage 'http2'"),
        (["--arms", "http1", "--envoy", "/no/such/envoy"], "no Envoy at /no/such/envoy"),
        (["--arms", "http2", "--manifests", "/no/such/folder"], "/no/such/folder"),
        (["--target", "ws://h/"], "--target"),
        (["-o", "/proc/nowhere"], "cannot write to the output folder /proc/nowhere"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    command: str,
    words: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = [] if "-o" in words or command == "up" else ["-o", "x"]
    assert main(["lab", command, *words, *folder]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("wsbench: error: ")
    assert captured.err.count("\n") == 1
    assert said in captured.err
    assert not list(tmp_path.iterdir())


def test_no_command_and_no_folder_are_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab"]) == 2
    assert main(["lab", "render"]) == 2
    assert "-o/--output" in capsys.readouterr().err


@pytest.mark.lab
def test_configurations_are_rendered_and_nothing_is_started(tmp_path: Path) -> None:
    done = wsbench("lab", "render", "--arms", "http2", "--mtls", "-o", str(tmp_path / "rendered"))
    assert (done.returncode, done.stderr) == (0, "")
    server, client, certificates = done.stdout.splitlines()
    for line, side in ((server, "server"), (client, "client")):
        assert line.startswith(f"{tmp_path}/rendered/http2+mtls/{side}.json   accepted by Envoy ")
    assert "bare keys, good for a day" in certificates
    assert (tmp_path / "rendered" / "certificates" / "client.key").exists()


@pytest.mark.lab
def test_what_envoy_rejects_is_one_line_and_no_folder_stays(tmp_path: Path) -> None:
    manager = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    (tmp_path / "bad.yaml").write_text(
        """\
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: wrong}
spec:
  configPatches:
    - applyTo: NETWORK_FILTER
      match:
        context: SIDECAR_INBOUND
        listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}
      patch:
        operation: MERGE
        value:
          typed_config:
            "@type": TYPE
            no_such_field: true
""".replace("TYPE", manager)
    )
    done = wsbench(
        "lab", "render", "--arms", "http2", "--manifests", str(tmp_path / "bad.yaml"), "-o", str(tmp_path / "out")
    )
    assert done.returncode == 2, done.stderr
    assert "no_such_field" in done.stderr
    assert done.stderr.count("\n") == 1
