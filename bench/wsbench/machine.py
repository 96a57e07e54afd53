"""How busy the machine was: the kernel's own CPU times (proc(5), /proc/stat), in shares of all its CPUs."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Sample:
    """CPU seconds since boot, over all CPUs: all there were, those spent idle, those the hypervisor kept."""

    total_s: float
    idle_s: float
    steal_s: float


@dataclass(frozen=True, slots=True)
class Use:
    """Shares (0 to 1) of all the CPU time of an interval: ``busy`` with anything, ``steal`` kept by the hypervisor.

    ``cpu_s`` is the CPU time that there was, seconds: a machine of two CPUs has two each second.
    """

    busy: float
    steal: float
    cpu_s: float


def sample() -> Sample:
    """Now. The kernel counts in ticks of 10 ms on most machines."""
    times = psutil.cpu_times()
    # Linux counts a guest's time in user's as well (proc(5)): not twice.
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return Sample(
        total_s=sum(times) - guests,
        idle_s=times.idle + getattr(times, "iowait", 0.0),
        steal_s=getattr(times, "steal", 0.0),
    )


def use_between(begin: Sample, end: Sample) -> Use | None:
    """What the machine did between two samples; None where no tick lies between them."""
    total_s = end.total_s - begin.total_s
    if total_s <= 0:
        return None
    idle = max(end.idle_s - begin.idle_s, 0.0) / total_s
    steal = max(end.steal_s - begin.steal_s, 0.0) / total_s
    return Use(busy=max(1 - idle - steal, 0.0), steal=steal, cpu_s=total_s)
