"""Pacing as a pure value: when is the k-th thing due?

A pacer knows no clock and keeps no state, so it can be swapped, tested by tables and asked again (the manner of
vegeta's lib/pacer.go).
"""

from __future__ import annotations

from dataclasses import dataclass

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ConstantRate:
    """``per_second`` things each second, evenly spaced, the first one due at once.

    Dealt round-robin to N connections this gives each its own phase, a whole interval apart from the next one's:
    de-phased senders do not queue behind each other.
    """

    per_second: float

    def due_ns(self, index: int) -> int:
        """When thing ``index`` (from 0) is due, nanoseconds after the start."""
        return round(index * SECOND_NS / self.per_second)

    def due_before(self, elapsed_ns: int) -> int:
        """How many things are due strictly before ``elapsed_ns``."""
        count = max(0, int(elapsed_ns * self.per_second / SECOND_NS) - 1)
        while self.due_ns(count) < elapsed_ns:
            count += 1
        return count
