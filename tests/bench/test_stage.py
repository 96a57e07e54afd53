from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.bench import samples
from wsbench.echo_server import running_echo_server
from wsbench.envoy import EnvoyBinary
from wsbench.errors import TargetError
from wsbench.plan import Target, arms_named
from wsbench.progress import Silence
from wsbench.stage import staged
from wsbench_client import Pattern


def children() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


@pytest.mark.lab
def test_all_that_a_plan_needs_is_there_and_ends_with_it(
    on_loop: Callable[..., Any], tmp_path: Path, envoy: EnvoyBinary
) -> None:
    plan = samples.plan(arms=arms_named(["direct", "http2"]))

    async def work() -> tuple[list[tuple[str, str]], set[int]]:
        async with staged(plan, tmp_path, samples.mesh(envoy), Silence()) as stage:
            return [(found.name, found.kind) for found in stage.contenders], children()

    before = children()
    found, during = on_loop(work)
    assert found == [("direct", "direct"), ("http2", "sidecar")]
    # The driver, the echo server and two Envoys at least.
    assert len(during - before) >= 4
    assert children() == before


def test_targets_need_no_lab(on_loop: Callable[..., Any], tmp_path: Path) -> None:
    async def work() -> list[tuple[str, str, str]]:
        async with running_echo_server(tmp_path / "server.log", engine="picows") as server:
            plan = samples.plan(arms=(), targets=(Target("mine", server.url),))
            async with staged(plan, tmp_path, None, Silence()) as stage:
                assert [found.url for found in stage.contenders] == [server.url]
                return [(found.name, found.kind, str(found.claim)) for found in stage.contenders]

    assert on_loop(work) == [("mine", "target", "None")]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [("echo", r"target 'mine' \(ws://127.0.0.1:9/\) cannot be measured: .*refused"), ("one-way", "cannot be measured")],
)
def test_a_dead_target_is_told_at_once(on_loop: Callable[..., Any], tmp_path: Path, pattern: str, words: str) -> None:
    plan = samples.plan(
        arms=arms_named(["direct"]), targets=(Target("mine", "ws://127.0.0.1:9/"),), pattern=Pattern.parse(pattern)
    )

    async def work() -> None:
        async with staged(plan, tmp_path, None, Silence()):
            pytest.fail("there is nothing to measure")

    with pytest.raises(TargetError, match=words):
        on_loop(work)


def test_a_target_that_only_echoes_does_not_count(on_loop: Callable[..., Any], tmp_path: Path) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async def work() -> None:
        async with serve(echo, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            plan = samples.plan(
                arms=(), targets=(Target("mine", f"ws://127.0.0.1:{port}/"),), pattern=Pattern.parse("one-way")
            )
            async with staged(plan, tmp_path, None, Silence()):
                pytest.fail("there is nothing to measure")

    with pytest.raises(TargetError, match=r"did not agree to the subprotocol wsbench\.count\.v1"):
        on_loop(work)
