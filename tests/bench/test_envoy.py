import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from tests.bench.samples import policy
from wsbench.envoy import EnvoyBinary, running_sidecar
from wsbench.envoy_config import Hop, SidecarSettings, server_sidecar
from wsbench.errors import LabError, UsageError
from wsbench.narration import narrated

pytestmark = pytest.mark.lab


def config(folder: Path) -> dict[str, Any]:
    return server_sidecar(SidecarSettings(str(folder / "a.access.log"), 1), Hop(policy("http2")))


def test_the_packages_envoy_is_found(envoy: EnvoyBinary) -> None:
    assert envoy.path.is_file()
    assert envoy.version[0].isdigit()


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (None, 0, "there is no such file"),
        ("#!/bin/sh\n", 0o644, "is not executable"),
        ("#!/bin/sh\necho something else\n", 0o755, "is not an Envoy: --version says 'something else'"),
        ("neither script nor program", 0o755, "cannot be run"),
        ("#!/bin/sh\nprintf '\\377\\376 envoy?'\n", 0o755, "is not an Envoy: --version says"),
    ],
)
def test_what_is_no_envoy_is_named(tmp_path: Path, content: str | None, mode: int, words: str) -> None:
    path = tmp_path / "envoy"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(UsageError, match=words) as caught:
        EnvoyBinary.find(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_sidecar_serves_on_a_free_port_and_counts(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path, concurrency: int
) -> None:
    async def work() -> None:
        async with running_sidecar(envoy, "it", config(tmp_path), tmp_path, "a", concurrency) as sidecar:
            assert psutil.pid_exists(sidecar.pid)
            counters = await sidecar.counters()
            assert counters["server.live"] == 1
            assert counters["server.concurrency"] == concurrency
            async with await anyio.connect_tcp("127.0.0.1", sidecar.port) as stream:
                await stream.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = await stream.receive()
            # Nothing listens behind it.
            assert answer.startswith(b"HTTP/1.1 503")

    on_loop(work)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.access.log", "a.json", "a.log"]


def test_a_rejected_configuration_gives_envoys_own_words(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path
) -> None:
    broken = config(tmp_path)
    broken["static_resources"]["clusters"][0]["no_such_field"] = 1

    async def work() -> None:
        async with running_sidecar(envoy, "it", broken, tmp_path, "a", 1):
            pytest.fail("it cannot run")

    told: list[str] = []
    with narrated(told.append, wanted=True), pytest.raises(LabError, match=r"Envoy rejects .*a.json: .*no_such_field"):
        on_loop(work)
    assert f"Envoy {envoy.version} rejects {tmp_path / 'a.json'}, in its own words:" in told[-1]
    assert "no_such_field" in told[-1]


def test_all_that_an_envoy_said_at_its_end_is_told_to_who_listens(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path
) -> None:
    async def work() -> None:
        async with running_sidecar(envoy, "it", config(tmp_path), tmp_path, "a", 1) as sidecar:
            os.kill(sidecar.pid, signal.SIGABRT)
            await sidecar.child.wait()
            sidecar.check_alive()

    told: list[str] = []
    with narrated(told.append, wanted=True), pytest.raises(LabError, match="it was killed by signal 6"):
        on_loop(work)
    # Envoy writes a backtrace: far more than the three lines of the error.
    assert told[-1].startswith(f"all that {tmp_path / 'a.log'} says:\n")
    assert "Caught Aborted" in told[-1]
    assert told[-1].count("\n") > 4


def test_a_proxy_of_the_environment_is_not_asked_for_loopback(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    async def work() -> None:
        async with running_sidecar(envoy, "it", config(tmp_path), tmp_path, "a", 1) as sidecar:
            assert (await sidecar.counters())["server.live"] == 1

    on_loop(work)


def test_what_a_killed_run_left_in_the_folder_misleads_nobody(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path
) -> None:
    async def work() -> None:
        async with running_sidecar(envoy, "the one before", config(tmp_path), tmp_path, "b", 1) as other:
            (tmp_path / ".a.admin").write_text(f"127.0.0.1:{other.admin_port}")
            async with running_sidecar(envoy, "it", config(tmp_path), tmp_path, "a", 1) as sidecar:
                assert sidecar.admin_port != other.admin_port
                assert sidecar.port != other.port

    on_loop(work)


def test_an_envoy_killed_this_moment_is_told_as_killed(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path
) -> None:
    """Before its end is known here, it has already hung up: that is not what the error is to say."""

    async def work() -> None:
        async with running_sidecar(envoy, "it", config(tmp_path), tmp_path, "a", 1) as sidecar:
            os.kill(sidecar.pid, signal.SIGKILL)
            await sidecar.counters()

    with pytest.raises(LabError, match="it was killed by signal 9"):
        on_loop(work)


def test_a_killed_envoy_is_an_error_that_names_it(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path
) -> None:
    async def work() -> None:
        async with running_sidecar(envoy, "http2's client sidecar", config(tmp_path), tmp_path, "a", 1) as sidecar:
            os.kill(sidecar.pid, signal.SIGKILL)
            await sidecar.child.wait()
            await sidecar.counters()

    with pytest.raises(LabError, match="http2's client sidecar was killed by signal 9"):
        on_loop(work)


def test_an_envoy_that_hangs_is_an_error_and_no_hang(
    on_loop: Callable[..., Any], envoy: EnvoyBinary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsbench.envoy._ADMIN_TIMEOUT_S", 0.3)

    async def work() -> None:
        async with running_sidecar(envoy, "it", config(tmp_path), tmp_path, "a", 1) as sidecar:
            os.kill(sidecar.pid, signal.SIGSTOP)
            try:
                await sidecar.counters()
            finally:
                os.kill(sidecar.pid, signal.SIGCONT)

    with pytest.raises(LabError, match="does not answer on its admin port"):
        on_loop(work)
