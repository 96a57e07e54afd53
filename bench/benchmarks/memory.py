"""Whether the driver's memory grows with the run's length: peak RSS of its process for a short and a long run.

The closed loop at full speed is the harder case and the default: it records the most values.
"""

from __future__ import annotations

import argparse

from driver import SECOND_NS, echo_server, program, worker

from wsbench_client import DrivePlan, EngineName

BAR = 0.10


def peak_mib(port: int, seconds: float, options: argparse.Namespace) -> float:
    """Peak RSS of a driver's process of its own, MiB."""
    plan = DrivePlan(
        f"ws://127.0.0.1:{port}/",
        options.connections,
        round(seconds * SECOND_NS),
        rate=options.rate,
        engine=EngineName(options.engine),
    )
    with worker() as driver:
        found = driver.drive(plan)
    print(f"  {seconds:>6g} s{found.received:>14,} messages{found.peak_rss_kib / 1024:>10.1f} MiB", flush=True)
    return found.peak_rss_kib / 1024


def main() -> int:
    """Run both; 1 where the long run's peak is more than the bar above the short one's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", type=float, default=10, metavar="S", help="seconds (default: %(default)s)")
    parser.add_argument("--long", type=float, default=600, metavar="S", help="seconds (default: %(default)s)")
    parser.add_argument("--rate", type=float, help="messages/s, open loop (default: closed loop, as fast as it goes)")
    parser.add_argument("--connections", type=int, default=64, help="(default: %(default)s)")
    parser.add_argument("--engine", choices=[engine.value for engine in EngineName], default="picows")
    options = parser.parse_args()
    loop = f"{options.rate:g} messages/s" if options.rate else "closed loop"
    print(f"Peak memory of the driver, {options.engine}, {options.connections} connections, {loop}\n")
    with echo_server() as port:
        short, long = (peak_mib(port, seconds, options) for seconds in (options.short, options.long))
    met = abs(long / short - 1) <= BAR
    print(f"\n  ratio {long / short:.3f}   {'PASS' if met else 'FAIL'}: bar {1 - BAR:g} to {1 + BAR:g}")
    return 0 if met else 1


if __name__ == "__main__":
    program(main)
