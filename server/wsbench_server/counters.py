"""What the server counts, cheaply: plain integers on the way of a message, summed when somebody asks.

Each process counts for itself in a row of numbers; rows live in memory shared with the supervisor where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from prometheus_client.metrics_core import Metric


@dataclass(slots=True)
class Counters:
    """Running totals of one process (``connections_open`` is a level). Bytes are of payloads."""

    connections: int = 0
    connections_open: int = 0
    messages_received: int = 0
    messages_sent: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    errors: int = 0
    handshake_failures: int = 0

    def row(self) -> list[int]:
        """The numbers in the order of the fields."""
        return [getattr(self, field.name) for field in fields(self)]

    @classmethod
    def summed(cls, rows: Iterable[Sequence[int]]) -> Self:
        """The totals over the rows of several processes."""
        columns = zip(*rows, strict=True)
        return cls(*(sum(column) for column in columns))


WIDTH = len(fields(Counters))

_HELP = {
    "connections": "WebSocket connections accepted.",
    "connections_open": "WebSocket connections open now.",
    "messages_received": "Messages read.",
    "messages_sent": "Messages echoed.",
    "bytes_received": "Payload bytes read.",
    "bytes_sent": "Payload bytes echoed.",
    "errors": "Connections ended by an error: no Close frame, a protocol error, a message too large.",
    "handshake_failures": "Connections that did not become WebSockets.",
}


class _TotalsCollector(Collector):
    def __init__(self, totals: Callable[[], Counters]) -> None:
        self._totals = totals

    def collect(self) -> Iterator[Metric]:
        totals = self._totals()
        for name, text in _HELP.items():
            value = getattr(totals, name)
            if name == "connections_open":
                yield GaugeMetricFamily(f"wsbench_{name}", text, value=value)
            else:
                yield CounterMetricFamily(f"wsbench_{name}", text, value=value)


def exposition(totals: Callable[[], Counters]) -> Callable[[], bytes]:
    """A function that renders the totals in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_TotalsCollector(totals))
    return lambda: generate_latest(registry)
