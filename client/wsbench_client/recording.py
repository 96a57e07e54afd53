"""What a drive found: one frozen value, and its way through a pipe."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from wsbench_client.connect_phases import ConnectPhases
from wsbench_client.histogram import LatencyHistogram
from wsbench_client.plan import DrivePlan
from wsbench_client.series import Interval

if TYPE_CHECKING:
    from collections.abc import Mapping


class ErrorKind(StrEnum):
    """What can go wrong with a connection, from its name being looked up to its close."""

    NAME_LOOKUP = "name_lookup"
    REFUSED = "tcp_refused"
    UNREACHABLE = "tcp_unreachable"
    LIMIT = "local_limit"
    TLS = "tls"
    CONNECT_TIMEOUT = "connect_timeout"
    REJECTED = "rejected"
    NOT_WEBSOCKET = "not_websocket"
    CANNOT_COUNT = "cannot_count"
    NO_ECHO = "no_echo"
    LOST = "connection_lost"
    CLOSED_BY_PEER = "closed_by_peer"
    PROTOCOL = "protocol_error"


class Phase(StrEnum):
    """The phases of a drive, in order. Only what was sent or due while MEASURING is recorded.

    READY is a phase only of a worker that waits for the others: everything is connected.
    """

    CONNECTING = "connecting"
    READY = "ready"
    WARMUP = "warmup"
    MEASURING = "measuring"
    DRAINING = "draining"
    CLOSING = "closing"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a drive is. ``p50_ns`` and ``p99_ns`` are of the round trips recorded so far."""

    phase: Phase
    opened: int
    failed: int
    received: int
    p50_ns: int | None
    p99_ns: int | None


@dataclass(frozen=True, slots=True)
class Recording:
    """The finished drive.

    Latencies are in nanoseconds. ``response_time`` and ``send_lag`` are None in the closed loop, where nothing is due.
    ``opened`` connections were upgraded; ``cold`` has the phases of the first of them where it was opened alone,
    ``warm`` those of all others. ``loop_lag`` is how late the driver's event loop was in the window, ``series`` the
    window in intervals. ``cpu_of_workers_ns`` is each worker's CPU time of a drive that several shared.

    ``sent`` messages left in the measured window (closed loop) or were due in it (open loop, then ``sent + unsent``);
    each is ``received``, ``mismatched`` or ``unanswered``. ``echoes_in_window`` counts echoes read inside the window
    whenever their message was sent: over ``window_ns`` it gives the achieved rate. ``mismatched`` counts warm-up's too.

    One-way, the server's receipts stand for the echoes: ``service_time`` and ``response_time`` are empty,
    ``echoes_in_window`` counts messages acknowledged inside the window, ``bytes_in_window`` their payload bytes. The
    latter is None for the other patterns.

    ``connecting_ns`` is the time from before the first connection to when the last was greeted or given up.
    ``rss_idle_kib`` and ``rss_connected_kib`` are this process's resident memory at its two ends, None where the kernel
    does not say; of a process that has driven before, the first has what it kept of that.

    ``errors`` counts failures by kind and ``rejections`` those by HTTP status; ``details`` has the first words of each
    kind. ``closes`` counts close codes (RFC 6455 section 7.4), 1006 where no Close frame came. ``hop_protocols`` counts
    what the handshakes' ``x-wsbench-hop-protocol`` said, under "" where it was absent. ``cpu_ns`` is this process's, in
    the window.
    """

    plan: DrivePlan
    opened: int
    cold: ConnectPhases
    warm: ConnectPhases
    service_time: LatencyHistogram
    response_time: LatencyHistogram | None
    send_lag: LatencyHistogram | None
    loop_lag: LatencyHistogram
    series: tuple[Interval, ...]
    started_unix_s: float
    window_ns: int
    echoes_in_window: int
    sent: int
    received: int
    unanswered: int
    unsent: int
    mismatched: int
    errors: Mapping[ErrorKind, int]
    rejections: Mapping[int, int]
    details: Mapping[ErrorKind, str]
    closes: Mapping[int, int]
    hop_protocols: Mapping[str, int]
    cpu_ns: int
    peak_rss_kib: int
    bytes_in_window: int | None = None
    cpu_of_workers_ns: tuple[int, ...] = ()
    connecting_ns: int = 0
    rss_idle_kib: int | None = None
    rss_connected_kib: int | None = None

    @property
    def connecting(self) -> ConnectPhases:
        """Cold and warm together."""
        return self.cold | self.warm

    @property
    def goodput(self) -> float | None:
        """Payload bytes per second acknowledged in the window; None but for one-way, and where there was no window."""
        if self.bytes_in_window is None or not self.window_ns:
            return None
        return self.bytes_in_window * 1e9 / self.window_ns

    @property
    def achieved_rate(self) -> float | None:
        """Echoes per second in the window; None where there was no window."""
        return self.echoes_in_window * 1e9 / self.window_ns if self.window_ns else None

    def to_json(self) -> dict[str, Any]:
        """Plain data, histograms in HdrHistogram's V2 encoding: nothing is lost on the way."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of ``to_json``."""
        values = dict(data)
        values["plan"] = DrivePlan.from_json(data["plan"])
        for name in ("cold", "warm"):
            values[name] = ConnectPhases(**{phase: _histogram(found) for phase, found in data[name].items()})
        for name in ("service_time", "loop_lag"):
            values[name] = _histogram(data[name])
        for name in ("response_time", "send_lag"):
            values[name] = None if data[name] is None else _histogram(data[name])
        values["series"] = tuple(Interval(**interval) for interval in data["series"])
        values["cpu_of_workers_ns"] = tuple(data["cpu_of_workers_ns"])
        for name in ("errors", "details"):
            values[name] = {ErrorKind(key): value for key, value in data[name].items()}
        for name in ("rejections", "closes"):
            values[name] = {int(key): value for key, value in data[name].items()}
        return cls(**values)


def _plain(value: object) -> object:
    if isinstance(value, DrivePlan):
        return value.to_json()
    if isinstance(value, LatencyHistogram):
        return {"hdr": value.encode(), "total_ns": value.total_ns, "unrecorded": value.unrecorded}
    if isinstance(value, ConnectPhases):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Interval):
        return asdict(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _histogram(data: dict[str, Any]) -> LatencyHistogram:
    histogram = LatencyHistogram.decode(data["hdr"])
    histogram.total_ns = data["total_ns"]
    histogram.unrecorded = data["unrecorded"]
    return histogram
