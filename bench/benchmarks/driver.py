"""What the driver itself costs, against a bare C loop, and how punctual it is.

CPU per round trip of ``wslimit.c`` and of the driver with either engine, in short interleaved rounds against one echo
server of this run; the cost of recording one value; the send lag of the open loop over a sweep of rates. Exit code 1
where a bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from wsbench_client import DrivePlan, EngineName, Recording
from wsbench_client.histogram import HIGHEST_NS, LatencyHistogram
from wsbench_client.journal import Journal, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RATIO_BAR = 1.6
RATIO_AIM = 1.4
RECORDING_BAR_NS = 200.0
CONNECTIONS = 64
PAYLOAD_BYTES = 64
SWEEP = (1_000, 5_000, 20_000, 40_000, 60_000, 80_000, 100_000)
LAG_BAR_AT = 20_000
LAG_BAR_US = 1_000.0
# The driver judges 512 messages at least, and what gathers in its tick of 20 ms: 1,000 at 50,000 messages a second.
BATCHES = (512, 1_000, 2_000)
SECOND_NS = 1_000_000_000


class Worker:
    """A driver's process, as the bench starts it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def drive(self, plan: DrivePlan) -> Recording:
        """One drive. Raises RuntimeError with the worker's words where it cannot be done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(plan.to_json()), file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            message = json.loads(line)
            if "recording" in message:
                return Recording.from_json(message["recording"])
            if "error" in message:
                raise RuntimeError(message["error"])
        raise RuntimeError("the driver's process ended")


@contextlib.contextmanager
def started(*words: str, stdin: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """A Python process that is ended on every way out."""
    process = subprocess.Popen([sys.executable, *words], stdin=stdin, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


@contextlib.contextmanager
def echo_server() -> Iterator[int]:
    """The echo server that outruns the drivers; yields its port."""
    with started("-m", "wsbench_server", "--engine", "picows", "--port", "0") as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["port"]


@contextlib.contextmanager
def worker() -> Iterator[Worker]:
    """A driver's process."""
    with started("-m", "wsbench_client.worker", stdin=subprocess.PIPE) as process:
        yield Worker(process)


def compiled(folder: Path) -> Path | None:
    """The C loop; None without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    program = folder / "wslimit"
    subprocess.run([compiler, "-O2", "-o", program, Path(__file__).with_name("wslimit.c")], check=True)
    return program


def cpu_us_of_c(program: Path, port: int, seconds: float) -> float:
    """CPU per round trip of the C loop, microseconds."""
    words = [program, "127.0.0.1", port, CONNECTIONS, seconds, PAYLOAD_BYTES]
    done = subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout)["cpu_us_per_round_trip"])


def cpu_us_of_driver(driver: Worker, engine: EngineName, port: int, seconds: float) -> float:
    """CPU per round trip of the driver's process with all recording on, microseconds."""
    url = f"ws://127.0.0.1:{port}/"
    found = driver.drive(DrivePlan(url, CONNECTIONS, round(seconds * SECOND_NS), SECOND_NS // 10, engine=engine))
    assert found.received == found.sent, f"{found.unanswered} unanswered, {found.mismatched} mismatched: {found.errors}"
    return found.cpu_ns / found.echoes_in_window / 1e3


def round_trips(port: int, rounds: int, seconds: float) -> bool:
    """Print the table of CPU per round trip; whether the default engine meets the bar (True where nothing tells)."""
    print(f"CPU per round trip, closed loop, {CONNECTIONS} connections, {PAYLOAD_BYTES} bytes, {rounds} rounds\n")
    costs: dict[str, list[float]] = {"wslimit": [], **{engine.value: [] for engine in EngineName}}
    with tempfile.TemporaryDirectory() as folder, worker() as driver:
        program = compiled(Path(folder))
        if program is None:
            print("no C compiler (cc, gcc, clang): without wslimit there is no ratio\n")
        for _round in range(rounds):
            if program is not None:
                costs["wslimit"].append(cpu_us_of_c(program, port, seconds))
            for engine in EngineName:
                costs[engine.value].append(cpu_us_of_driver(driver, engine, port, seconds))
    print(f"  {'':<12}{'median us':>10}   {'ratio to wslimit, median (min..max over rounds)':<48}")
    met = True
    for name, found in costs.items():
        if not found:
            continue
        line = f"  {name:<12}{median(found):>10.2f}"
        if costs["wslimit"] and name != "wslimit":
            ratios = [ours / bare for ours, bare in zip(found, costs["wslimit"], strict=True)]
            line += f"   {median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})"
            if name == EngineName.PICOWS:
                met = median(ratios) <= RATIO_BAR
                line += f"   {'PASS' if met else 'FAIL'}: bar {RATIO_BAR}, aim {RATIO_AIM}"
        print(line)
    dear, cheap = costs[EngineName.WEBSOCKETS], costs[EngineName.PICOWS]
    ratio = median(one / other for one, other in zip(dear, cheap, strict=True))
    print(f"\n  the websockets engine costs {ratio:.1f} times the picows engine (make bench-peers has bare loops)")
    return met


def recording() -> bool:
    """Print what recording one value costs; whether every batch size meets the bar.

    The least of many repetitions over some seconds, as ``timeit`` advises: other work on the machine can only add.
    """
    print("\nRecording one service time, noted and judged (ns)\n")
    rng = np.random.default_rng(0)
    met = True
    for batch in BATCHES:
        read = [int(value) for value in SECOND_NS + rng.lognormal(13, 0.5, batch)]
        journal = Journal(Window(0, HIGHEST_NS), open_loop=False)
        times = []
        until = time.perf_counter_ns() + SECOND_NS
        while time.perf_counter_ns() < until:
            begin = time.perf_counter_ns()
            for value in read:
                journal.note_sent(SECOND_NS)
                journal.note_read(value)
            journal.judge()
            times.append((time.perf_counter_ns() - begin) / batch)
        met &= min(times) <= RECORDING_BAR_NS
        print(f"  batches of {batch:>5}{min(times):>10.0f}")
    hdr = LatencyHistogram().to_hdr()
    times = []
    for _ in range(20):
        begin = time.perf_counter_ns()
        for value in range(2_000):
            hdr.record_value(500_000 + value)
        times.append((time.perf_counter_ns() - begin) / 2_000)
    print(f"  hdrh, one by one{min(times):>8.0f}")
    print(f"\n  {'PASS' if met else 'FAIL'}: bar {RECORDING_BAR_NS:.0f} ns")
    return met


def send_lag(port: int, seconds: float) -> bool:
    """Print how late the open loop's messages leave, and up to which rate that stays small; whether the bar is met."""
    print(f"\nSend lag, open loop, {CONNECTIONS} connections, {EngineName.PICOWS}, one process (us)\n")
    print(f"  {'messages/s':>12}{'p50':>8}{'p99':>8}{'p99.9':>8}{'unsent':>8}{'achieved/s':>12}")
    met, unbroken, punctual = False, True, 0
    with worker() as driver:
        for rate in SWEEP:
            plan = DrivePlan(f"ws://127.0.0.1:{port}/", CONNECTIONS, round(seconds * SECOND_NS), rate=float(rate))
            found = driver.drive(plan)
            assert found.send_lag is not None
            lags = [(value or 0) / 1e3 for value in found.send_lag.percentiles_ns([50, 99, 99.9])]
            print(
                f"  {rate:>12,}" + "".join(f"{lag:>8,.0f}" for lag in lags),
                f"{found.unsent:>8,}{found.achieved_rate or 0:>12,.0f}",
                sep="",
                flush=True,
            )
            small = lags[1] < LAG_BAR_US and not found.unsent
            # A rate that is too high by bad luck ends it: what lies beyond says nothing of it.
            unbroken = unbroken and small
            punctual = rate if unbroken else punctual
            met |= small and rate == LAG_BAR_AT
    print(f"\n  p99 stays under {LAG_BAR_US:,.0f} us up to {punctual:,} messages/s")
    print(f"  {'PASS' if met else 'FAIL'}: bar {LAG_BAR_US:,.0f} us at {LAG_BAR_AT:,} messages/s")
    return met


def program(main: Callable[[], int]) -> NoReturn:
    """Run it as a program: Ctrl-C and SIGTERM end it in order, and with it what it started."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def main() -> int:
    """Run all of it; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="of the comparison (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="each measurement (default: %(default)s)")
    options = parser.parse_args()
    with echo_server() as port:
        cheap = round_trips(port, options.rounds, options.seconds)
        quick = recording()
        punctual = send_lag(port, 2 * options.seconds)
    return 0 if cheap and quick and punctual else 1


if __name__ == "__main__":
    program(main)
