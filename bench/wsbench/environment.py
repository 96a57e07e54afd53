"""The machine and the versions that a result was made with."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from wsbench.document import Environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LIBRARIES = ("websockets", "picows", "uvloop", "hdrhistogram", "anyio", "numpy", "scipy")


def capture(envoy_version: str | None) -> Environment:
    """Look at this machine now."""
    return Environment(
        platform=platform.platform(),
        kernel=platform.release(),
        cpu_model=_cpu_model(),
        cpu_count=os.cpu_count() or 1,
        memory_mib=psutil.virtual_memory().total // 2**20,
        python=platform.python_version(),
        libraries=dict(_installed(_LIBRARIES)),
        envoy=envoy_version,
        load_average=round(os.getloadavg()[0], 2),
        congestion_control=_first_line(Path("/proc/sys/net/ipv4/tcp_congestion_control")),
    )


def _installed(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        # scipy is in the lab, and not in the image of the client.
        with suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text().splitlines()[0]
    except (OSError, IndexError):
        return None


def now() -> str:
    """The time of day, UTC, as results have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
