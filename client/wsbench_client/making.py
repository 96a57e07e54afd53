"""Which discipline a plan asks of its connections, and how much each of them may have outstanding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsbench_client.exchange import ClosedBursts, ClosedLoop, Exchange, OpenBursts, OpenLoop, SelfPaced
from wsbench_client.one_way import PacedStream, Stream
from wsbench_client.pattern import PatternKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsbench_client.payload import PayloadRing
    from wsbench_client.plan import DrivePlan

# Over all connections. One-way, all that is in flight has to be drained: a server of 15,000 messages a second does.
_OUTSTANDING_MESSAGES = 250_000
_OUTSTANDING_BYTES = 64 * 1024 * 1024
_IN_FLIGHT_MESSAGES = 50_000
_IN_FLIGHT_BYTES = 32 * 1024 * 1024


def exchange_for(plan: DrivePlan, ring: PayloadRing, place: int, stumbled: Callable[[SelfPaced], None]) -> Exchange:
    """The exchange of connection ``place``. One in the closed loop calls ``stumbled`` after a mismatch."""
    pattern = plan.pattern
    if pattern.one_way:
        limits = max(_IN_FLIGHT_MESSAGES // plan.connections, 1), _IN_FLIGHT_BYTES // plan.connections
        return PacedStream(ring, place, limits) if plan.open_loop else Stream(ring, place, stumbled, limits)
    if plan.open_loop:
        limit = min(_OUTSTANDING_MESSAGES, int(_OUTSTANDING_BYTES / plan.mix.mean_bytes)) // plan.connections
        if pattern.kind is PatternKind.BURST:
            return OpenBursts(ring, place, max(limit, pattern.burst), pattern.burst)
        return OpenLoop(ring, place, max(limit, 1))
    if pattern.kind is PatternKind.BURST:
        return ClosedBursts(ring, place, stumbled, pattern.burst)
    return ClosedLoop(ring, place, stumbled)
