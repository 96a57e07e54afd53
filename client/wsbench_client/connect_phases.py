"""The phases of connecting, each with its histogram."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Self

from wsbench_client.histogram import LatencyHistogram


@dataclass(frozen=True, slots=True)
class ConnectPhases:
    """Latencies of a set of connections, one value each.

    ``connect_tcp`` is the TCP handshake, ``connect_upgrade`` from there to the 101 read (TLS included for ``wss://``),
    ``connect`` both: from before ``connect()`` to the 101. ``first_echo`` is from the 101 to the echo of the first
    message, which is sent at once: that of connections that echo.
    """

    connect: LatencyHistogram = field(default_factory=LatencyHistogram)
    connect_tcp: LatencyHistogram = field(default_factory=LatencyHistogram)
    connect_upgrade: LatencyHistogram = field(default_factory=LatencyHistogram)
    first_echo: LatencyHistogram = field(default_factory=LatencyHistogram)

    def record(self, begin_ns: int, tcp_ns: int, upgraded_ns: int) -> None:
        """A connection was upgraded: when it began, when TCP stood, when the 101 was read."""
        self.connect.record_one(upgraded_ns - begin_ns)
        self.connect_tcp.record_one(tcp_ns - begin_ns)
        self.connect_upgrade.record_one(upgraded_ns - tcp_ns)

    def add(self, other: ConnectPhases) -> None:
        """Merge ``other`` into this."""
        for one in fields(self):
            getattr(self, one.name).add(getattr(other, one.name))

    def __or__(self, other: Self) -> ConnectPhases:
        """Both together, as a value of its own."""
        both = ConnectPhases()
        both.add(self)
        both.add(other)
        return both

    def histograms(self) -> tuple[LatencyHistogram, ...]:
        """All four."""
        return (self.connect, self.connect_tcp, self.connect_upgrade, self.first_echo)
