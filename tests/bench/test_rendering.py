import json
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bench import samples
from wsbench.arms import ARMS, Arm
from wsbench.envoy import EnvoyBinary
from wsbench.errors import ResultError, UsageError
from wsbench.rendering import render

pytestmark = pytest.mark.lab


@pytest.fixture
def rendered(on_loop: Callable[..., Any], envoy: EnvoyBinary) -> Callable[..., list[Path]]:
    def of(folder: Path, *arms: Arm) -> list[Path]:
        async def work() -> list[Path]:
            return [one.path for one in await render(arms, samples.mesh(envoy), folder)]

        found: list[Path] = on_loop(work)
        return found

    return of


def test_every_arm_is_rendered_and_what_is_there_is_what_envoy_takes(
    rendered: Callable[..., list[Path]], envoy: EnvoyBinary, tmp_path: Path
) -> None:
    paths = rendered(tmp_path, *ARMS.values())
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        *("http1/server.json", "http1/client.json", "http2/server.json", "http2/client.json"),
        *("http2-blocked/server.json", "http2-blocked/client.json"),
        *("http1+mtls/server.json", "http1+mtls/client.json", "http2+mtls/server.json", "http2+mtls/client.json"),
        *("hbone/server.json", "hbone/client.json", "http3/server.json", "http3/client.json"),
        *("clientonly/client.json", "serveronly/server.json"),
    ]
    # Once more by hand, as a reader would: the encrypted ones have all their certificates.
    for arm in ("http2", "http2+mtls", "http3"):
        command = [str(envoy.path), "--mode", "validate", "-c", str(tmp_path / arm / "client.json")]
        done = subprocess.run(command, cwd="/", capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
    for name in ("client.key", "server.key"):
        assert stat.S_IMODE((tmp_path / "certificates" / name).stat().st_mode) == 0o600


def test_ports_are_nought_and_nothing_is_left_open(rendered: Callable[..., list[Path]], tmp_path: Path) -> None:
    for path in rendered(tmp_path, ARMS["http2"]):
        content = json.loads(path.read_text())
        (listener,) = content["static_resources"]["listeners"]
        (cluster,) = content["static_resources"]["clusters"]
        (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        assert listener["address"]["socket_address"]["port_value"] == 0
        assert endpoint["endpoint"]["address"]["socket_address"]["port_value"] == 0
    assert not (tmp_path / "certificates").exists()


def test_what_cannot_be_rendered_is_said(rendered: Callable[..., list[Path]], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no arm named has a sidecar"):
        rendered(tmp_path, ARMS["direct"])
    with pytest.raises(ResultError, match="cannot write /proc/nowhere"):
        rendered(Path("/proc/nowhere"), ARMS["http1"])
