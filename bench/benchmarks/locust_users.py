"""Messages per CPU second of Locust's users: the driver user, the plain one, and the libraries that could carry it.

As ``peers.py``: 64 WebSockets with 64-byte messages in the closed loop against one echo server of this run, measured
from outside, by the messages that the server counted over the CPU time of all the client's processes. Exit code 1 where
the driver user does less than 5 times what the plain user does, or ``websocket-client`` is not the cheaper library.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from driver import CONNECTIONS, PAYLOAD_BYTES, program
from peers import PROGRAMS, Client, Peer, echo_server, messages_per_cpu_s, until_quiet

BAR = 5.0
PLAIN, DRIVER = "EchoUser (WebSocketUser)", "DriverUser"
CHOSEN, OTHER = "websocket-client", "websockets.sync"


def _library(name: str) -> Peer:
    return Peer(f"{name}, gevent", "nothing", (sys.executable, str(PROGRAMS / "gevent_loop.py"), name))


def _user(name: str, kind: str, users: int, url: str, folder: Path) -> Peer:
    words = ("--headless", "--skip-log", "--host", url, "--users", str(users), "--spawn-rate", str(users))
    load = ("--payload", str(PAYLOAD_BYTES), "--driver-connections", str(CONNECTIONS))
    output = ("--output", str(folder / kind))
    return Peer(name, "everything", (sys.executable, "-m", "wsbench.locust_main", kind, *words, *load, *output))


def main() -> int:
    """Run all of it; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="every client once in each (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="each measurement (default: %(default)s)")
    parser.add_argument("--warmup", type=float, default=2.0, help="seconds before it (default: %(default)s)")
    options = parser.parse_args()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="wsbench-locust-") as name, echo_server() as server:
        for number in range(options.rounds):
            print(f"  round {number + 1} of {options.rounds}", flush=True)
            folder = Path(name) / str(number)
            folder.mkdir()
            for peer in (
                _library(CHOSEN),
                _library(OTHER),
                _user(PLAIN, "EchoUser", CONNECTIONS, server.url, folder),
                _user(DRIVER, "DriverUser", 1, server.url, folder),
            ):
                with Client(peer.words, folder, server) as client:
                    value = messages_per_cpu_s(client, server, options.warmup, options.seconds)
                found.setdefault(peer.name, []).append(value)
                until_quiet(server)
    return table(found)


def table(found: dict[str, list[float]]) -> int:
    """Print what was found; 1 where a bar is missed."""
    print(f"\nMessages per CPU second, closed loop, {CONNECTIONS} WebSockets, {PAYLOAD_BYTES} bytes\n")
    print(f"  {'client':<28}{'msgs/CPU s':>12}   the plain user's so many times, median (min..max)")
    plain = found[PLAIN]
    times = {name: [one / of for one, of in zip(values, plain, strict=True)] for name, values in found.items()}
    for name, values in found.items():
        ratios = times[name]
        print(f"  {name:<28}{median(values):>12,.0f}   {median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})")
    lean = median(times[DRIVER]) >= BAR
    libraries = [found[f"{name}, gevent"] for name in (CHOSEN, OTHER)]
    cheaper = median(one / other for one, other in zip(*libraries, strict=True)) > 1
    print(f"\n  {'PASS' if lean else 'FAIL'}: bar: {DRIVER} does {BAR:g} times what {PLAIN} does")
    print(f"  {'PASS' if cheaper else 'FAIL'}: bar: {CHOSEN} is the cheaper of the two libraries")
    return 0 if lean and cheaper else 1


if __name__ == "__main__":
    program(main)
