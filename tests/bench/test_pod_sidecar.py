"""Finding a sidecar and reading it: a real Envoy, and everything that may listen in its place."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.bench.test_lab import exchange, lab_plan
from wsbench import pod_sidecar
from wsbench.arms import ARMS, Claim, HopProtocol
from wsbench.envoy import EnvoyBinary
from wsbench.envoy_config import OUTBOUND_CLUSTER
from wsbench.lab import open_lab
from wsbench.mesh_proof import judge_target
from wsbench.pod_sidecar import HopWatch, look_around
from wsbench.proof import Proof, Verdict
from wsbench.witnesses import Stance

URL = "ws://websockets-server.wsbench.svc.cluster.local:8080/"


async def witnessed(watch: HopWatch, lab_url: str, claim: HopProtocol, opened: int = 5) -> Proof:
    """What the watch says of WebSockets that are sent to the lab's sidecar; its cluster has Istio's name."""
    await watch.begin()
    said = await exchange(lab_url, opened, watch.while_open, proxy=None)
    return judge_target(
        Claim(claim),
        watch.destination,
        opened=opened,
        refused={},
        hop_protocols=said,
        evidence=await watch.finish(),
    )


@pytest.mark.lab
@pytest.mark.parametrize("name", ["http1", "http2"])
def test_a_real_sidecar_is_found_and_read_by_its_admin_and_never_by_a_proxy(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    claimed = ARMS[name].claim.hop_protocol
    assert claimed is not None

    async def work() -> None:
        async with open_lab(lab_plan(envoy, tmp_path, ARMS[name])) as lab:
            place = lab.targets[name]
            assert place.client is not None
            around = await look_around(f"http://127.0.0.1:{place.client.admin_port}")
            assert str(around.sidecar).startswith(f"own sidecar (Envoy {envoy.version}, admin at http://127.0.0.1:")
            # The second trial may find the first one's connection.
            for _trial in range(2):
                proof = await witnessed(around.watch(URL), place.url, claimed)
                assert proof.verdict is Verdict.PROVED, proof
                counters = proof.testimonies[0]
                assert (counters.says, counters.websockets) == (claimed, 5)
                open_under_load = 5 if claimed is HopProtocol.HTTP1 else 1
                assert f"cluster {OUTBOUND_CLUSTER}: " in counters.detail
                assert f", {open_under_load} open under load, 5 requests, 5 x 101;" in counters.detail
            wrong = HopProtocol.HTTP1 if claimed is HopProtocol.HTTP2 else HopProtocol.HTTP2
            proof = await witnessed(around.watch(URL), place.url, wrong)
            assert [testimony.verdict for testimony in proof.testimonies] == [Stance.CONTRADICTS] * 2
            assert {testimony.says for testimony in proof.testimonies} == {claimed}

    on_loop(work)


@pytest.mark.lab
def test_a_sidecar_that_dies_in_a_trial_leaves_words_and_no_traceback(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_lab(lab_plan(envoy, tmp_path, ARMS["http2"])) as lab:
            client = lab.targets["http2"].client
            assert client is not None
            watch = (await look_around(f"http://127.0.0.1:{client.admin_port}")).watch(URL)
            await watch.begin()
            client.child.process.kill()
            await client.child.wait()
            await watch.while_open()
            evidence = await watch.finish()
        assert evidence.trouble == " does not answer any more: connection refused"

    on_loop(work)


# -- what is not a sidecar


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Something on a free port that has its own way to answer."""
    ended = threading.Event()

    def serve(server: socket.socket) -> None:
        while not ended.is_set():
            with suppress(OSError):
                peer, _ = server.accept()
                with peer:
                    answer(peer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            thread.join()


def says(text: bytes) -> Callable[[socket.socket], None]:
    def answer(peer: socket.socket) -> None:
        peer.recv(4096)
        peer.sendall(text)

    return answer


def http(body: bytes, status: bytes = b"200 OK") -> Callable[[socket.socket], None]:
    return says(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))


def mute(peer: socket.socket) -> None:
    """Answers nothing, until the other side has had enough."""
    while peer.recv(4096):
        pass


def drip(peer: socket.socket) -> None:
    """A byte now and then: no single read times out."""
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(600):
        peer.sendall(b"x")
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http(b"<html>It works!</html>"), "not the admin of an Envoy: '<html>It works!</html>'"),
        (http(b'{"version": "1.2.3", "state": "LIVE"}'), "not the admin of an Envoy"),
        (http(b'["version"]'), "not the admin of an Envoy"),
        (http(b"", b"404 Not Found"), "HTTP 404"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n"), "no HTTP: BadStatusLine"),
        (says(b""), "no HTTP: RemoteDisconnected"),
        (says(bytes(range(256)) * 300), "no HTTP"),
    ],
    ids=["HTML", "another version", "a list", "404", "SSH", "nothing", "garbage"],
)
def test_what_is_no_envoy_is_not_taken_for_one(
    on_loop: Callable[..., Any], answer: Callable[[socket.socket], None], words: str
) -> None:
    with listening(answer) as port:
        around = on_loop(lambda: look_around(f"http://127.0.0.1:{port}"))
    assert around.sidecar is None
    assert f"http://127.0.0.1:{port}: {words}" in around.trouble
    assert f"http://127.0.0.1:{port}/stats/prometheus: " in around.trouble
    assert "\n" not in around.trouble


@pytest.mark.parametrize("answer", [mute, drip], ids=["mute", "a byte at a time"])
def test_who_does_not_come_to_an_end_is_not_waited_for(
    on_loop: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, answer: Callable[[socket.socket], None]
) -> None:
    monkeypatch.setattr(pod_sidecar, "_WITHIN_S", 0.3)
    with listening(answer) as port:
        begun = time.monotonic()
        around = on_loop(lambda: look_around(f"http://127.0.0.1:{port}/stats/prometheus"))
        assert time.monotonic() - begun < 2
    assert around.sidecar is None
    assert "/stats/prometheus: no answer within 0.3 s" in around.trouble


def test_metrics_of_others_are_not_an_envoys(on_loop: Callable[..., Any]) -> None:
    with listening(http(b"# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 1.5\n")) as port:
        around = on_loop(lambda: look_around(f"http://127.0.0.1:{port}/stats/prometheus"))
    assert around.sidecar is None
    assert "no metrics of an Envoy: '# TYPE process_cpu" in around.trouble


def test_none_is_not_looked_for(on_loop: Callable[..., Any]) -> None:
    async def work() -> Any:
        around = await look_around("none")
        watch = around.watch("ws://h/")
        await watch.begin()
        await watch.while_open()
        return around, await watch.finish()

    around, evidence = on_loop(work)
    assert around.sidecar is None
    assert evidence.source + evidence.trouble == "own sidecar was not asked (--sidecar none)"


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("search a.svc.x svc.x\nnameserver 10.0.0.1\n", ("a.svc.x", "svc.x")),
        ("search first\n# search no\nsearch last one\n", ("last", "one")),
        ("nameserver 10.0.0.1\n", ()),
        ("search\n", ()),
        (None, ()),
    ],
)
def test_the_pods_search_domains(
    on_loop: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str | None,
    search: tuple[str, ...],
) -> None:
    path = tmp_path / "resolv.conf"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(pod_sidecar, "_RESOLVER", path)
    around = on_loop(lambda: look_around("none"))
    destination = around.watch("ws://websockets-server:8080/").destination
    assert (destination.host, destination.port, destination.search) == ("websockets-server", 8080, search)
