"""What must not have become worse: ``http2.rtt.p99 > +10%`` as a value, and what the data say of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from wsbench.errors import UsageError

if TYPE_CHECKING:
    from wsbench.run_comparison import Change

_LATENCIES = ("rtt", "connect", "first_echo")
_PERCENTILES = {"p50": "p50_us", "p90": "p90_us", "p99": "p99_us", "p99.9": "p999_us", "p99.99": "p9999_us"}
_CPU = {
    "cpu.driver": "driver.cpu_us_per_message",
    "cpu.server": "server.cpu_us_per_message",
    "cpu.client_sidecar": "sidecars.client.cpu_us_per_message",
    "cpu.server_sidecar": "sidecars.server.cpu_us_per_message",
}
_CONDITION = re.compile(
    r"\s*(?P<arm>\S+?)\.(?P<metric>rate|cpu\.\w+|(?:rtt|connect|first_echo)\.p[\d.]+)"
    r"\s*(?P<sense>[<>])\s*(?P<change>[+-]\d+(?:\.\d+)?)\s*%\s*"
)
GRAMMAR = (
    "ARM.METRIC > +P% or ARM.METRIC < -P%, with METRIC one of rate, "
    + ", ".join(f"{what}.pNN" for what in _LATENCIES)
    + " (NN: 50, 90, 99, 99.9, 99.99), "
    + ", ".join(_CPU)
)


class Judged(StrEnum):
    """What the data say of a condition."""

    FAILS = "fails"
    HOLDS_OFF = "does not"
    OPEN = "not shown"
    UNKNOWN = "no data"


@dataclass(frozen=True, slots=True)
class Condition:
    """The run fails where the change of ``metric`` (a name of the command line) of ``arm`` is beyond ``threshold``.

    ``threshold`` is a ratio, new over base: 1.1 for +10%. ``above`` says on which side of it failing is.
    """

    text: str
    arm: str
    metric: str
    above: bool
    threshold: float

    def path(self, *, open_loop: bool) -> str:
        """The metric by its path in a round's figures."""
        return metric_path(self.metric, open_loop=open_loop)

    def judge(self, change: Change | None) -> Judged:
        """Fails only where the whole interval is beyond the threshold, does not where none of it is."""
        if change is None or change["ci_low"] is None or change["ci_high"] is None:
            return Judged.UNKNOWN
        low, high = change["ci_low"], change["ci_high"]
        if low > self.threshold if self.above else high < self.threshold:
            return Judged.FAILS
        if high <= self.threshold if self.above else low >= self.threshold:
            return Judged.HOLDS_OFF
        return Judged.OPEN


def parse_condition(text: str) -> Condition:
    """A condition as it is written. Raises UsageError with the text and the grammar in it."""
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is no condition: write {GRAMMAR}")
    try:
        metric_path(match["metric"], open_loop=False)
    except KeyError:
        raise UsageError(f"{text!r}: there is no metric {match['metric']!r}: write {GRAMMAR}") from None
    above, change = match["sense"] == ">", float(match["change"]) / 100
    if change <= -1:
        raise UsageError(f"{text!r}: nothing falls by 100% or more")
    return Condition(" ".join(text.split()), match["arm"], match["metric"], above, 1 + change)


def metric_path(name: str, *, open_loop: bool) -> str:
    """A metric of the command line by its path in a round's figures. Raises KeyError for one that there is not.

    ``rtt`` is the latency that counts: response time in the open loop, service time in the closed one.
    """
    if name == "rate":
        return "achieved_rate"
    if name in _CPU:
        return _CPU[name]
    what, _, percentile = name.partition(".")
    if what not in _LATENCIES:
        raise KeyError(name)
    latency = what if what != "rtt" else ("response_time" if open_loop else "service_time")
    return f"{latency}.{_PERCENTILES[percentile]}"
