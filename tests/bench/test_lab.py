"""The lab end to end: real Envoys, the real echo server, the ``websockets`` client."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidMessage, InvalidStatus

from tests.bench import samples
from wsbench.arms import ARMS, Arm
from wsbench.envoy import EnvoyBinary
from wsbench.envoy_config import OUTBOUND_CLUSTER
from wsbench.errors import LabDownError, UsageError
from wsbench.evidence import Observer
from wsbench.lab import Lab, LabPlan, LabTarget, open_lab
from wsbench.mesh import Mesh
from wsbench.proof import Proof, Verdict, judge, refusal_of
from wsbench.witnesses import Evidence

pytestmark = pytest.mark.lab
HEADER = "x-wsbench-hop-protocol"


def lab_plan(envoy: EnvoyBinary | None, output: Path, *arms: Arm, concurrency: int = 1) -> LabPlan:
    return LabPlan(arms, output, samples.mesh(envoy) if envoy else None, concurrency, "websockets", 64)


async def exchange(
    url: str, connections: int, while_open: Callable[[], Awaitable[None]] | None = None, **options: Any
) -> Counter[str]:
    """Open them fifty at a time, echo once on each, close them all at once; what the handshakes said of the hop."""
    said: Counter[str] = Counter()
    opened: list[ClientConnection] = []
    try:
        while len(opened) < connections:
            batch = min(50, connections - len(opened))
            opened += await asyncio.gather(*(connect(url, compression=None, **options) for _ in range(batch)))
        for number, connection in enumerate(opened):
            await connection.send(f"hello {number}")
            assert await connection.recv() == f"hello {number}"
            assert connection.response is not None
            said[connection.response.headers.get(HEADER, "")] += 1
        if while_open:
            await while_open()
    finally:
        # Together: Envoy holds each closed connection for a second (its delayed close).
        await asyncio.gather(*(connection.close() for connection in opened))
    return said


async def witnessed(
    target: LabTarget, connections: int, **options: Any
) -> tuple[Proof, Evidence, tuple[int | None, int | None]]:
    observer = Observer(target.client, target.server, target.arm.claim.opened_status)
    await observer.begin()
    hop: tuple[int | None, int | None] = (None, None)

    async def count_hop() -> None:
        nonlocal hop
        hop = await observer.hop_connections()

    said = await exchange(target.url, connections, count_hop, **options)
    evidence = await observer.finish(connections, 0)
    proof = judge(target.arm.claim, opened=connections, refused={}, hop_protocols=said, evidence=evidence)
    return proof, evidence, hop


@pytest.mark.parametrize("concurrency", [1, 2])
def test_each_hop_speaks_what_it_claims_and_all_witnesses_say_so(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path, concurrency: int
) -> None:
    async def work() -> None:
        plan = lab_plan(envoy, tmp_path, ARMS["http1"], ARMS["http2"], concurrency=concurrency)
        async with open_lab(plan) as lab:
            for name in ("http1", "http2"):
                # Twice: over HTTP/2 the second trial may find the first one's connection.
                for _trial in range(2):
                    proof, evidence, _ = await witnessed(lab.targets[name], 40)
                    assert proof.verdict is Verdict.PROVED, proof
                    assert len(proof.testimonies) == 3
                    assert {testimony.websockets for testimony in proof.testimonies} == {40}
                    # The client speaks HTTP/1.1 to its sidecar, whatever the hop speaks.
                    assert evidence.client is not None
                    assert evidence.client.log.counted(lambda kind: kind.protocol) == {"HTTP/1.1": 40}

    on_loop(work)


@pytest.mark.parametrize(
    ("name", "hop"),
    [
        ("http1+mtls", (5, 5)),
        ("http2+mtls", (1, 1)),
        ("hbone", (1, 1)),
        ("http3", (1, 1)),
        ("clientonly", (5, None)),
        ("serveronly", (None, 5)),
    ],
)
def test_every_way_a_hop_can_speak_is_proved(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path, name: str, hop: tuple[int | None, int | None]
) -> None:
    async def work() -> None:
        async with open_lab(lab_plan(envoy, tmp_path, ARMS[name])) as lab:
            proof, _, connections = await witnessed(lab.targets[name], 5)
            assert proof.verdict is Verdict.PROVED, proof
            assert len(proof.testimonies) == 3
            assert {testimony.websockets for testimony in proof.testimonies} == {5}
            assert connections == hop

    on_loop(work)
    # A key is of no use once its lab has ended, and is not left lying about.
    assert not list(tmp_path.rglob("*.key"))


@pytest.mark.parametrize(
    ("claimed", "built", "objection"),
    [
        ("http2", "http2+mtls", "TLSv1.3"),
        ("http2+mtls", "http2", "from a client without a name"),
        ("http2+mtls", "http1+mtls", "says HTTP/1.1"),
        ("http3", "http2+mtls", "says HTTP/2"),
        ("hbone", "http2+mtls", "101 TLSv1.3"),
        ("http2+mtls", "hbone", "200 TLSv1.3"),
    ],
)
def test_a_hop_that_is_another_than_claimed_is_disproved(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path, claimed: str, built: str, objection: str
) -> None:
    async def work() -> None:
        async with open_lab(lab_plan(envoy, tmp_path, ARMS[built])) as lab:
            target = replace(lab.targets[built], arm=ARMS[claimed])
            observer = Observer(target.client, target.server, ARMS[built].claim.opened_status)
            await observer.begin()
            said = await exchange(target.url, 3)
            evidence = await observer.finish(3, 0)
            proof = judge(target.arm.claim, opened=3, refused={}, hop_protocols=said, evidence=evidence)
            assert proof.verdict is Verdict.DISPROVED, proof
            assert objection in proof.summary

    on_loop(work)


@pytest.mark.parametrize("name", ["http1+mtls", "http2+mtls", "hbone", "http3"])
def test_a_server_with_another_identity_is_not_spoken_to(
    on_loop: Callable[..., Any],
    envoy: EnvoyBinary,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setattr("wsbench.identities.SERVER_SPIFFE_ID", "spiffe://cluster.local/ns/wsbench/sa/somebody-else")

    async def work() -> None:
        async with open_lab(lab_plan(envoy, tmp_path, ARMS[name])) as lab:
            # Where a proxy is of layer 4 there is nobody to say 503: the connection is ended.
            with pytest.raises((InvalidStatus, InvalidMessage, ConnectionError)):
                await exchange(lab.targets[name].url, 1)

    on_loop(work)


def test_a_sabotaged_hop_is_disproved_by_every_witness(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path
) -> None:
    async def work() -> None:
        whole = lab_plan(envoy, tmp_path, ARMS["http2"])
        contrary = Mesh({None: envoy}, {"http2": samples.policy("http2").contrary()})
        async with open_lab(replace(whole, mesh=contrary)) as lab:
            proof, _, _ = await witnessed(lab.targets["http2"], 5)
            assert proof.verdict is Verdict.DISPROVED
            assert {testimony.says for testimony in proof.testimonies} == {"HTTP/1.1"}

    on_loop(work)


def test_a_client_cannot_forge_what_the_sidecar_says_of_the_hop(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_lab(lab_plan(envoy, tmp_path, ARMS["http1"])) as lab:
            said = await exchange(lab.targets["http1"].url, 3, additional_headers={HEADER: "HTTP/2"})
            assert said == {"HTTP/1.1": 3}

    on_loop(work)


def test_without_allow_connect_every_upgrade_is_refused_with_503(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path
) -> None:
    async def refused(url: str) -> int:
        try:
            async with connect(url):
                pytest.fail("it was let through")
        except InvalidStatus as error:
            return error.response.status_code

    async def work() -> None:
        async with open_lab(lab_plan(envoy, tmp_path, ARMS["http2-blocked"])) as lab:
            target = lab.targets["http2-blocked"]
            assert target.client is not None
            assert target.server is not None
            observer = Observer(target.client, target.server)
            await observer.begin()
            statuses = Counter(await asyncio.gather(*(refused(target.url) for _ in range(8))))
            evidence = await observer.finish(0, 8)
        assert statuses == {503: 8}
        proof = judge(target.arm.claim, opened=0, refused=statuses, hop_protocols={}, evidence=evidence)
        assert proof.verdict is Verdict.PROVED, proof
        refusal = refusal_of(statuses, evidence)
        assert refusal is not None
        assert "DPE" in refusal.reason
        assert "allow_connect" in refusal.remedy

    on_loop(work)


@pytest.mark.parametrize("name", ["http1", "http2"])
def test_a_few_refused_upgrades_do_not_disprove_a_hop(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path, name: str
) -> None:
    """Envoy counts an upgrade when it is asked for: the refused are among them, the 101s are not."""
    keyless = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"

    async def work() -> None:
        async with open_lab(lab_plan(envoy, tmp_path, ARMS[name])) as lab:
            target = lab.targets[name]
            assert target.client is not None
            assert target.server is not None
            observer = Observer(target.client, target.server)
            await observer.begin()
            async with await anyio.connect_tcp("127.0.0.1", target.client.port) as stream:
                await stream.send(keyless)
                status = int((await stream.receive())[9:12])
            said = await exchange(target.url, 5)
            evidence = await observer.finish(5, 1)
        assert 400 <= status < 500
        proof = judge(target.arm.claim, opened=5, refused={status: 1}, hop_protocols=said, evidence=evidence)
        assert proof.verdict is Verdict.PROVED, proof
        assert {testimony.websockets for testimony in proof.testimonies} == {5}

    on_loop(work)


def test_an_echo_server_that_died_takes_the_lab_down_and_leaves_its_words(
    on_loop: Callable[..., Any], tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_lab(lab_plan(None, tmp_path, ARMS["direct"])) as lab:
            lab.check_alive()
            lab.server.log.write_text("out of memory\n")
            lab.server.child.process.kill()
            await lab.server.child.wait()
            lab.check_alive()

    with pytest.raises(LabDownError, match="the echo server has ended with -9: out of memory"):
        on_loop(work)


def test_1500_websockets_share_a_few_connections_over_http2(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path
) -> None:
    """Beyond Envoy's default circuit breakers (1,024), and every stream upgrades, not the first alone (envoy#38645)."""

    async def work() -> None:
        async with open_lab(lab_plan(envoy, tmp_path, ARMS["http2"])) as lab:
            proof, _, (client_side, server_side) = await witnessed(lab.targets["http2"], 1500)
            assert proof.verdict is Verdict.PROVED, proof
            assert client_side == server_side
            assert client_side in range(1, 5)

    on_loop(work)


def test_a_hop_that_is_not_used_ends_and_the_next_trial_opens_a_new_one(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_lab(lab_plan(envoy, tmp_path, ARMS["http2"])) as lab:
            target = lab.targets["http2"]
            assert target.client is not None
            assert target.server is not None
            for _trial in range(2):
                assert await Observer(target.client, target.server).fresh_hop()
                _, evidence, hop = await witnessed(target, 3)
                assert hop == (1, 1)
                assert evidence.client is not None
                assert evidence.client.counters[f"cluster.{OUTBOUND_CLUSTER}.upstream_cx_http2_total"] == 1

    on_loop(work)


def test_direct_alone_starts_no_envoy(on_loop: Callable[..., Any], tmp_path: Path) -> None:
    async def work() -> None:
        async with open_lab(lab_plan(None, tmp_path, ARMS["direct"])) as lab:
            assert await exchange(lab.targets["direct"].url, 2) == {"": 2}
            children = psutil.Process().children(recursive=True)
            assert {child.pid for child in children} >= set(lab.server.pids)
            assert not [child for child in children if "envoy" in child.name()]

    on_loop(work)


def test_an_arm_with_sidecars_needs_an_envoy(on_loop: Callable[..., Any], tmp_path: Path) -> None:
    async def work() -> None:
        async with open_lab(lab_plan(None, tmp_path, ARMS["http1"])):
            pytest.fail("it cannot start")

    with pytest.raises(UsageError, match="arm 'http1' needs an Envoy"):
        on_loop(work)


def test_cancelling_at_any_moment_leaves_nothing(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path
) -> None:
    async def work() -> None:
        for number, moment_s in enumerate((0.05, 0.4, 0.8)):
            output = tmp_path / str(number)
            output.mkdir()
            with anyio.move_on_after(moment_s):
                async with open_lab(lab_plan(envoy, output, ARMS["http1"], ARMS["http2"])):
                    await anyio.sleep_forever()
            assert not psutil.Process().children(recursive=True)

    on_loop(work)


def the_articles_session(url: str) -> str:
    """``python -m websockets URL`` on a terminal: hello, then Ctrl-D; what it printed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "websockets", url], stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    ) as client:
        os.close(theirs)
        said = b""

        def read_until(words: bytes) -> None:
            nonlocal said
            while words not in said:
                said += os.read(ours, 4096)

        try:
            read_until(b"Connected to")
            os.write(ours, b"hello\r")
            read_until(b"< hello")
            os.write(ours, b"\x04")
            read_until(b"Connection closed: 1000 (OK).")
            assert client.wait(timeout=20) == 0
        finally:
            client.kill()
            os.close(ours)
    return said.decode()


def test_the_articles_session_works_word_for_word(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path
) -> None:
    async def session(lab: Lab, name: str) -> None:
        said = await anyio.to_thread.run_sync(the_articles_session, lab.targets[name].url)
        assert "< hello" in said

    async def work() -> None:
        async with open_lab(lab_plan(envoy, tmp_path, ARMS["direct"], ARMS["http1"], ARMS["http2"])) as lab:
            for name in lab.targets:
                await session(lab, name)

    on_loop(work)
