"""The plan of one drive: what load to put on which URL. Frozen: made once, read by everyone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, Self
from urllib.parse import urlsplit

from wsbench_client.mix import MAX_PAYLOAD_BYTES, PayloadMix, counts_of
from wsbench_client.pattern import ECHO, Pattern, PatternKind

_DEFAULT_PORTS = {"ws": 80, "wss": 443}


class EngineName(StrEnum):
    """The WebSocket library that carries the load."""

    PICOWS = "picows"
    WEBSOCKETS = "websockets"


class PayloadKind(StrEnum):
    """The WebSocket data frame (RFC 6455 section 5.6) that carries the payload."""

    BINARY = "binary"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class DrivePlan:
    """One drive of one URL.

    Times are nanoseconds, rates are per second. ``rate`` None is the closed loop (a connection's next message waits for
    its echo); a number is the open loop (that many messages are due each second over all connections, whatever the
    echoes do). ``connect_rate`` None opens connections as fast as ``connect_concurrency`` allows.

    Messages are of ``payload_bytes`` each or, where ``payload_mix`` is given, of its sizes in its proportions. A
    ``pattern`` of bursts sends that many messages at once; in the open loop ``rate`` still counts messages, so bursts
    are due at ``rate`` / N. The one-way pattern needs a server that speaks ``one_way.SUBPROTOCOL``.

    ``connect_concurrency`` is small by default: handshakes that queue behind each other in one process would have their
    waiting measured as connect latency.

    The first connection is opened alone where ``cold_first``: over a proxy it finds a hop without connections.
    ``series_interval_ns`` is the grain of ``Recording.series``. Of a drive that several workers share, ``phase_ns``
    shifts this one's dues, and ``await_start`` makes it wait, connected, for the moment to begin. ``stretch_ns`` is of
    a drive whose end is not known beforehand: what is recorded is handed on every so often, cut where the wall clock
    shows a multiple of it, and ``duration_ns`` is the longest that it may take.

    ``source_addresses`` are IP addresses of this machine to connect from, in turn; where there is none the kernel
    chooses. One address has as many ports as ``net.ipv4.ip_local_port_range`` for each address it connects to.

    Raises ValueError, naming the field and the value, for what cannot be driven.
    """

    url: str
    connections: int = 64
    duration_ns: int = 2_000_000_000
    warmup_ns: int = 500_000_000
    payload_bytes: int = 64
    payload_kind: PayloadKind = PayloadKind.BINARY
    rate: float | None = None
    connect_rate: float | None = None
    connect_concurrency: int = 4
    connect_timeout_ns: int = 10_000_000_000
    drain_timeout_ns: int = 5_000_000_000
    engine: EngineName = EngineName.PICOWS
    seed: int = 0
    payload_mix: PayloadMix | None = None
    pattern: Pattern = ECHO
    cold_first: bool = True
    series_interval_ns: int = 1_000_000_000
    phase_ns: int = 0
    await_start: bool = False
    source_addresses: tuple[str, ...] = ()
    stretch_ns: int | None = None

    def __post_init__(self) -> None:
        endpoint(self.url)
        for name in (
            "connections",
            "duration_ns",
            "connect_concurrency",
            "connect_timeout_ns",
            "drain_timeout_ns",
            "series_interval_ns",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.stretch_ns is not None and self.stretch_ns < 1:
            raise ValueError(f"stretch_ns must be at least 1, not {self.stretch_ns}")
        for name in ("warmup_ns", "phase_ns"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        if not 1 <= self.payload_bytes <= MAX_PAYLOAD_BYTES:
            raise ValueError(f"payload_bytes must be from 1 to {MAX_PAYLOAD_BYTES}, not {self.payload_bytes}")
        for name in ("rate", "connect_rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1e9:
                raise ValueError(f"{name} must be above 0 and at most 1e9 a second, not {value}")
        for address in self.source_addresses:
            try:
                ip_address(address)
            except ValueError:
                raise ValueError(f"source_addresses must be IP addresses, not {address!r}") from None
        counts_of(self.mix)
        burst_bytes = self.pattern.burst * self.mix.largest_bytes
        if self.pattern.kind is PatternKind.BURST and burst_bytes > MAX_PAYLOAD_BYTES:
            raise ValueError(f"a burst must be of {MAX_PAYLOAD_BYTES} bytes at most, not {burst_bytes}")

    @property
    def open_loop(self) -> bool:
        """Whether messages are due at a set rate rather than upon the echo before."""
        return self.rate is not None

    @property
    def mix(self) -> PayloadMix:
        """The sizes of the messages; a single one is a mix too."""
        return self.payload_mix or PayloadMix.of(self.payload_bytes)

    @property
    def answer_kind(self) -> PayloadKind:
        """The data frame that a right answer comes in: an echo's is its message's, a receipt is text."""
        return PayloadKind.TEXT if self.pattern.one_way else self.payload_kind

    def to_json(self) -> dict[str, Any]:
        """Plain data for the worker's pipe."""
        return {**asdict(self), "pattern": str(self.pattern)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of ``to_json``."""
        mix = data.get("payload_mix")
        return cls(
            **{
                **data,
                "engine": EngineName(data["engine"]),
                "payload_kind": PayloadKind(data["payload_kind"]),
                "payload_mix": mix and PayloadMix(tuple((size, weight) for size, weight in mix["parts"])),
                "source_addresses": tuple(data.get("source_addresses", ())),
                "pattern": Pattern.parse(data.get("pattern", "echo")),
            },
        )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a WebSocket URL (RFC 6455 section 3) leads."""

    host: str
    port: int
    secure: bool


def endpoint(url: str) -> Endpoint:
    """Host, port and TLS of a ``ws://`` or ``wss://`` URL. Raises ValueError with the URL in it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not a WebSocket URL: {url!r} ({error})") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError(f"not a WebSocket URL: {url!r} (it must begin with ws:// or wss://)")
    if not parts.hostname:
        raise ValueError(f"not a WebSocket URL: {url!r} (it names no host)")
    if parts.fragment or parts.username or parts.password:
        raise ValueError(f"not a WebSocket URL: {url!r} (no fragment or user information, RFC 6455 section 3)")
    if port == 0:
        raise ValueError(f"not a WebSocket URL: {url!r} (port 0 cannot be connected to)")
    return Endpoint(parts.hostname, port or _DEFAULT_PORTS[parts.scheme], parts.scheme == "wss")
