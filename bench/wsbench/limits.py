"""What was saturated: whose limit a figure may be."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wsbench import document

SATURATED = 0.9
"""Of the cores that a part can use: a queue in front of it grows without bound from there on."""

MACHINE_SATURATED = 0.95
OTHERS_TOO_BUSY = 0.25
STEAL_TOO_MUCH = 0.05
"""Shares of the machine. What neither we nor the hypervisor's guest may use up to there is taken for noise."""

_BOUND_LAG = 0.1


class Bound(StrEnum):
    """A part that was at its limit."""

    DRIVER = "driver"
    SERVER = "server"
    CLIENT_SIDECAR = "client_sidecar"
    SERVER_SIDECAR = "server_sidecar"
    MACHINE = "machine"


def bounds_of(
    figures: document.Figures, *, cpu_count: int, workers: int = 1, envoy_concurrency: int = 1
) -> list[Bound]:
    """What was at its limit in these figures, those first that make them say the least about the way.

    The driver is at its limit as well where its send lag is not small against the response time it reports.
    """
    found = saturated_of(figures, cpu_count=cpu_count, workers=workers, envoy_concurrency=envoy_concurrency)
    return found if Bound.DRIVER in found or not _late(figures) else [Bound.DRIVER, *found]


def saturated_of(
    figures: document.Figures, *, cpu_count: int, workers: int = 1, envoy_concurrency: int = 1
) -> list[Bound]:
    """What used up the cores that it can use, those first that make figures say the least about the way.

    The driver and the echo server have one core for each of their processes, an Envoy one for each worker thread.
    """
    found = []
    if _cores(figures["driver"]) > SATURATED * workers:
        found.append(Bound.DRIVER)
    if _cores(figures["server"]) > SATURATED:
        found.append(Bound.SERVER)
    sidecars = figures["sidecars"]
    if sidecars is not None:
        if _cores(sidecars["client"]) > SATURATED * envoy_concurrency:
            found.append(Bound.CLIENT_SIDECAR)
        if _cores(sidecars["server"]) > SATURATED * envoy_concurrency:
            found.append(Bound.SERVER_SIDECAR)
    machine = figures["machine"]
    if machine is not None and machine["busy_cores"] + machine["steal_cores"] > MACHINE_SATURATED * cpu_count:
        found.append(Bound.MACHINE)
    return found


def too_busy(uses: Iterable[document.MachineUse | None], *, cpu_count: int, load_average: float) -> str | None:
    """Why the machine was too busy with other things to measure on, or None where it was not.

    ``uses`` are those of all trials: the machine is judged by their median, one bad trial is a round's noise.
    """
    known = [use for use in uses if use is not None]
    if not known:
        return None
    steal = _median(use["steal_cores"] for use in known) / cpu_count
    others = [use["others_cores"] for use in known if use["others_cores"] is not None]
    reasons = []
    if steal > STEAL_TOO_MUCH:
        reasons.append(f"the hypervisor kept {steal:.0%} of its CPU time (steal) for others")
    if others and _median(others) > OTHERS_TOO_BUSY * cpu_count:
        reasons.append(f"other work used {_median(others):.1f} of its {cpu_count} cores")
    if not reasons:
        return None
    return f"{' and '.join(reasons)} while it measured; the load average was {load_average:g} when it began"


def lag_share(figures: document.Figures) -> float | None:
    """Send lag's p99 as a share of the response time's; None in the closed loop."""
    lag, response = figures["send_lag"], figures["response_time"]
    if lag is None or response is None or lag["p99_us"] is None or not response["p99_us"]:
        return None
    return lag["p99_us"] / response["p99_us"]


def _late(figures: document.Figures) -> bool:
    return (lag_share(figures) or 0) > _BOUND_LAG


def _cores(cost: document.ProcessCost | None) -> float:
    return (cost["cpu_cores"] if cost else None) or 0.0


def _median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
