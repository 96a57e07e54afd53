"""A trial: one arm in one round, everything that was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsbench.machine import Use
    from wsbench.proof import Proof, Refusal
    from wsbench_client import Recording


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """What one part of the lab used in a trial: CPU in the measured window, and memory above its idle size.

    ``rss_growth_bytes`` and ``hop_connections`` are of the loaded state; None where they were not to be had.
    """

    cpu_ns: int
    rss_growth_bytes: int | None = None
    hop_connections: int | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One arm (or target) in one round.

    ``position`` is its place in the round's shuffled order, from 1. ``server`` is the echo server's use, None for a
    target; ``client_sidecar`` and ``server_sidecar`` are None where there are none. ``driver_growth_bytes`` is how much
    larger the driver's processes were with all connections open than before their first one ever, None where that is
    not known. ``machine`` is what the whole machine did in the measured window. ``fresh_hop`` says that no connection
    was open on the hop before. ``failure`` is None where the trial gave what its arm claims, otherwise the reason it
    did not.
    """

    name: str
    round: int
    position: int
    recording: Recording
    proof: Proof
    refusal: Refusal | None = None
    server: ProcessUse | None = None
    driver_growth_bytes: int | None = None
    client_sidecar: ProcessUse | None = None
    server_sidecar: ProcessUse | None = None
    machine: Use | None = None
    fresh_hop: bool = True
    failure: str | None = None
