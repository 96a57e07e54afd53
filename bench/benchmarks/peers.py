"""Messages per CPU second: the driver, recording everything, beside other clients, side by side in one run.

Every client keeps 64 connections of 64 bytes busy in the closed loop against one echo server of this run. All are
measured alike, from outside: the messages that the server counted, over the CPU time of the client's processes.
Peers are installed from their registries into a throwaway folder, or skipped with a word. Exit code 1 where one of them
is cheaper than the driver, or ``websockets``' own client on its default loop less than 3.5 times as dear.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import psutil
from driver import CONNECTIONS, PAYLOAD_BYTES, SECOND_NS, program, started

from wsbench_client import DrivePlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROGRAMS = Path(__file__).with_name("peers")
INSTALL_WITHIN_S = 600
BUSY_WITHIN_S = 60
LIBRARY = "websockets, asyncio"
LIBRARY_BAR = 3.5
HOUR_NS = 3600 * SECOND_NS
NPM = ("npm", "install", "--loglevel=error", "--no-fund", "--no-audit", "--ignore-scripts", "--prefix")
PIP = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target")


@dataclass(frozen=True, slots=True)
class Peer:
    """A client: what installs it into a folder, how it runs from there (``{}``), and what it records meanwhile."""

    name: str
    records: str
    words: tuple[str, ...]
    installer: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()

    def missing(self) -> str | None:
        """Why it cannot even be installed."""
        program = self.installer[0] if self.installer else self.words[0]
        return None if shutil.which(program) else f"there is no {program} on the PATH"


def _loop(library: str, loop: str) -> Peer:
    program = str(PROGRAMS / f"{library}_loop.py")
    return Peer(f"{library}, {loop}", "nothing", (sys.executable, program, loop), PIP, (library, "uvloop"))


# artillery 2.0.21 is the last that runs on Node 20; npm's scripts would have it download browsers.
PEERS = (
    _loop("websockets", "asyncio"),
    _loop("websockets", "uvloop"),
    _loop("aiohttp", "asyncio"),
    _loop("aiohttp", "uvloop"),
    Peer("ws, Node", "nothing", ("node", str(PROGRAMS / "ws_loop.cjs")), NPM, ("ws",)),
    Peer(
        "Locust, websocket-client",
        "round trips",
        (sys.executable, "-m", "locust", "--headless", "--skip-log", "--users", str(CONNECTIONS),
         "--spawn-rate", str(CONNECTIONS), "--locustfile", str(PROGRAMS / "locustfile.py")),
        PIP,
        ("locust", "websocket-client"),
    ),
    Peer(
        "Artillery, ws engine",
        "counts",
        ("{}/node_modules/.bin/artillery", "run", "--quiet", str(PROGRAMS / "artillery.yml")),
        NPM,
        ("artillery@2.0.21",),
    ),
    Peer("k6", "round trips", ("k6", "run", "--quiet", str(PROGRAMS / "k6.js"))),
)  # fmt: skip


class EchoServer:
    """The echo server that outruns the clients, and what it has counted."""

    def __init__(self, port: int, health_port: int) -> None:
        self.url = f"ws://127.0.0.1:{port}/"
        self._metrics = f"http://127.0.0.1:{health_port}/metrics"

    def counted(self, name: str) -> int:
        """The value of one of its metrics."""
        with urllib.request.urlopen(self._metrics, timeout=10) as answer:  # noqa: S310
            lines = answer.read().decode().splitlines()
        return int(float(next(line.split()[1] for line in lines if line.startswith(f"{name} "))))

    @property
    def echoed(self) -> int:
        """Messages, since it was started."""
        return self.counted("wsbench_messages_sent_total")


@contextlib.contextmanager
def echo_server() -> Iterator[EchoServer]:
    """One that runs."""
    with started("-m", "wsbench_server", "--engine", "picows", "--port", "0", "--health-port", "0") as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        yield EchoServer(said["port"], said["health_port"])


class Client:
    """A running client, with all its processes."""

    def __init__(self, words: Sequence[str], folder: Path, server: EchoServer, plan: DrivePlan | None = None) -> None:
        self._server = server
        self._log = (folder / "log").open("w+")
        environment = {
            **os.environ,
            "URL": server.url, "CONNECTIONS": str(CONNECTIONS), "PAYLOAD_BYTES": str(PAYLOAD_BYTES),
            "NODE_PATH": str(folder / "node_modules"), "ARTILLERY_DISABLE_TELEMETRY": "true", "HOME": str(folder),
        }  # fmt: skip
        if plan is None:
            # The driver's own libraries are not to be shadowed by what the others brought along.
            environment["PYTHONPATH"] = str(folder)
        self._process = subprocess.Popen(
            [word.replace("{}", str(folder)) for word in words],
            stdin=subprocess.PIPE, stdout=self._log, stderr=subprocess.STDOUT, env=environment, cwd=folder,
            start_new_session=True,
        )  # fmt: skip
        if plan is not None:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(plan.to_json()).encode() + b"\n")
            self._process.stdin.flush()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_error: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._log.close()

    def cpu_s(self) -> float:
        """CPU time of all its processes so far, in the kernel and out of it."""
        process = psutil.Process(self._process.pid)
        used = [one.cpu_times() for one in (process, *process.children(recursive=True))]
        return sum(times.user + times.system for times in used)

    def until_busy(self) -> None:
        """Wait until all connections are open and messages flow. Raises RuntimeError where they do not in time."""
        until = time.monotonic() + BUSY_WITHIN_S
        while self._server.counted("wsbench_connections_open") < CONNECTIONS:
            if self._process.poll() is not None or time.monotonic() > until:
                self._log.seek(0)
                raise RuntimeError(" ".join(self._log.read().split())[-300:] or "it opened too few connections")
            time.sleep(0.1)


def messages_per_cpu_s(client: Client, server: EchoServer, warmup_s: float, seconds: float) -> float:
    """What the client does with a second of CPU time."""
    client.until_busy()
    time.sleep(warmup_s)
    echoed, cpu_s = server.echoed, client.cpu_s()
    time.sleep(seconds)
    echoed, cpu_s = server.echoed - echoed, client.cpu_s() - cpu_s
    if not echoed or not cpu_s:
        raise RuntimeError(f"{echoed} messages for {cpu_s:.2f} s of CPU time")
    return echoed / cpu_s


def until_quiet(server: EchoServer) -> None:
    """Wait for the server to have noticed that a client is gone."""
    while server.counted("wsbench_connections_open"):
        time.sleep(0.05)


def installed(folder: Path, names: Sequence[str]) -> Iterator[tuple[Peer, Path]]:
    """The peers that can be had, each with the folder of its own; a word for every other."""
    for place, peer in enumerate(peer for peer in PEERS if not names or any(name in peer.name for name in names)):
        own = folder / str(place)
        own.mkdir()
        reason = peer.missing()
        if reason is None and peer.packages:
            print(f"  installing {peer.name} ...", flush=True)
            try:
                subprocess.run(
                    [*peer.installer, str(own), *peer.packages],
                    check=True, capture_output=True, text=True, timeout=INSTALL_WITHIN_S,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                reason = f"its installation took longer than {INSTALL_WITHIN_S} s"
            except subprocess.CalledProcessError as error:
                reason = "its installation failed: " + " ".join(error.stderr.split())[-200:]
        if reason is None:
            yield peer, own
        else:
            print(f"  skipped {peer.name}: {reason}", flush=True)


def main() -> int:
    """Run all of it; 1 where a peer is ahead."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", nargs="*", metavar="NAME", help="only peers whose name has this in it")
    parser.add_argument("--rounds", type=int, default=5, help="every client once in each (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="each measurement (default: %(default)s)")
    parser.add_argument("--warmup", type=float, default=2.0, help="seconds before it (default: %(default)s)")
    options = parser.parse_args()
    ours = Peer("wsbench", "everything", (sys.executable, "-m", "wsbench_client.worker"))
    with tempfile.TemporaryDirectory(prefix="wsbench-peers-") as name, echo_server() as server:
        folder = Path(name)
        plan = DrivePlan(server.url, CONNECTIONS, HOUR_NS, 0, payload_bytes=PAYLOAD_BYTES)
        (folder / "ours").mkdir()
        clients = [(ours, folder / "ours"), *installed(folder, options.peers)]
        found: dict[str, list[float]] = {peer.name: [] for peer, _ in clients}
        for number in range(options.rounds):
            print(f"  round {number + 1} of {options.rounds}", flush=True)
            for peer, own in tuple(clients):
                try:
                    with Client(peer.words, own, server, plan if peer is ours else None) as client:
                        found[peer.name].append(messages_per_cpu_s(client, server, options.warmup, options.seconds))
                except RuntimeError as error:
                    if peer is ours:
                        raise
                    print(f"  skipped {peer.name}: {error}", flush=True)
                    clients.remove((peer, own))
                    del found[peer.name]
                until_quiet(server)
        return table([peer for peer, _ in clients], found)


def table(peers: Sequence[Peer], found: dict[str, list[float]]) -> int:
    """Print what was found, the first of ``peers`` being ours; 1 where another is ahead of it."""
    ours = found[peers[0].name]
    print(f"\nMessages per CPU second, closed loop, {CONNECTIONS} connections, {PAYLOAD_BYTES} bytes\n")
    print(f"  {'client':<26}{'records':<13}{'msgs/CPU s':>12}   wsbench does so many times that, median (min..max)")
    ahead, library = True, None
    for peer in peers:
        values = found[peer.name]
        line = f"  {peer.name:<26}{peer.records:<13}{median(values):>12,.0f}"
        if peer is not peers[0]:
            ratios = [own / other for own, other in zip(ours, values, strict=True)]
            ahead &= median(ratios) > 1
            library = median(ratios) if peer.name == LIBRARY else library
            line += f"   {median(ratios):.1f} ({min(ratios):.1f}..{max(ratios):.1f})"
        print(line)
    print(f"\n  {'PASS' if ahead else 'FAIL'}: bar: ahead of every one of them")
    if library is None:
        return 0 if ahead else 1
    cheap = library >= LIBRARY_BAR
    print(f"  {'PASS' if cheap else 'FAIL'}: bar: {LIBRARY_BAR} times what the library does by itself ({LIBRARY})")
    return 0 if ahead and cheap else 1


if __name__ == "__main__":
    program(main)
