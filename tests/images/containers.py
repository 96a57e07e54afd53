"""Containers for the tests of the images, by podman: each is gone when its test is over, however it went."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SERVER = f"wsbench-server:{VERSION}"
CLIENT = f"wsbench-client:{VERSION}"
_WITHIN_S = 60
_READY_WITHIN_S = 20
# conmon ends what a killed pytest would leave.
_LONGEST_S = 120


@dataclass(frozen=True, slots=True)
class Container:
    """A running one."""

    podman: Podman
    name: str

    @property
    def pid(self) -> int:
        """Of its first process, as this machine sees it."""
        return int(self.podman("inspect", "--format", "{{.State.Pid}}", self.name).stdout)

    def first_line(self) -> dict[str, Any]:
        """What the server says once it listens. Raises AssertionError with the container's words where it does not."""
        end = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < end:
            said = self.podman("logs", self.name)
            if said.stdout.startswith("{"):
                line: dict[str, Any] = json.loads(said.stdout.splitlines()[0])
                return line
            time.sleep(0.05)
        raise AssertionError(f"{self.name} does not listen: {said.stdout}{said.stderr}")

    def python(self, program: str) -> str:
        """What a program prints inside."""
        return self.podman("exec", self.name, "python", "-c", program).stdout.strip()


@dataclass(frozen=True, slots=True)
class Podman:
    """The command, with the settings that these tests need wherever they run."""

    environment: Mapping[str, str]

    def __call__(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``podman words``. Raises AssertionError with podman's words where that fails."""
        # Without systemd podman cannot time health checks, and complains at every container.
        done = subprocess.run(
            ["podman", "--log-level", "fatal", *words],
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            env={**os.environ, **self.environment},
            check=False,
        )
        assert not check or done.returncode == 0, f"podman {' '.join(words)}: {done.stdout}{done.stderr}"
        return done

    def once(self, image: str, *words: str, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run an image to its end, on this machine's network; its output and exit code."""
        name = new_name()
        try:
            return self("run", *_flags(name), "--network", "host", *flags, image, *words, check=False)
        finally:
            self("rm", "--force", "--ignore", "--volumes", "--time", "0", name)

    @contextmanager
    def running(self, image: str, *words: str, network: str = "host") -> Iterator[Container]:
        """A container of an image."""
        name = new_name()
        try:
            self("run", "--detach", *_flags(name), "--network", network, image, *words)
            yield Container(self, name)
        finally:
            self("rm", "--force", "--ignore", "--volumes", "--time", "0", name)

    @contextmanager
    def playing(self, manifests: Path, deployment: str) -> Iterator[Container]:
        """The container ``echo`` of a Deployment, in a network of its own that leads nowhere."""
        try:
            self("kube", "play", "--network", "none", str(manifests))
            names = self("ps", "--filter", f"name={deployment}", "--format", "{{.Names}}").stdout.split()
            (name,) = [name for name in names if name.endswith("-echo")]
            yield Container(self, name)
        finally:
            self("kube", "down", str(manifests))


def new_name() -> str:
    """One that no container has."""
    return f"wsbench-test-{uuid4().hex[:12]}"


def _flags(name: str) -> tuple[str, ...]:
    return ("--name", name, "--pull", "never", "--timeout", str(_LONGEST_S))


def settings() -> str:
    """containers.conf for these tests."""
    # podman's defaults are higher than some machines allow; no more processes than pid_max there can be.
    most = {
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "nproc": int(Path("/proc/sys/kernel/pid_max").read_text()),
    }
    ours = [f"{name}={limit}:{limit}" for name, limit in most.items() if limit != resource.RLIM_INFINITY]
    return (
        "[containers]\n"
        f"default_ulimits = {json.dumps(ours)}\n"
        # "kube play" reads a pod's sysctls from podman 4.5 on: this is the Deployment's, for those before.
        'default_sysctls = ["net.ipv4.ip_unprivileged_port_start=80"]\n'
    )
