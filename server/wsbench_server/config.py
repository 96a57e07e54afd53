"""What the echo server is told: frozen, made once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

_MAX_PORT = 65535
_HOUR_S = 3600
_HOUR_NS = _HOUR_S * 1_000_000_000
_GIB = 1 << 30


class Engine(StrEnum):
    """The WebSocket library that echoes."""

    WEBSOCKETS = "websockets"
    PICOWS = "picows"


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The server's settings. Times are nanoseconds unless their name says otherwise.

    ``port`` and ``health_port`` 0 take free ones; ``health_port`` None serves no health. Every echo leaves ``delay_ns``
    plus a uniform 0 to ``delay_jitter_ns`` after its message was read. ``grace_s`` is how long connections have to
    answer the close when the server is told to end.

    Raises ValueError, naming the value, for what cannot be served.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    health_port: int | None = None
    max_message_bytes: int = 1 << 20
    compression: bool = False
    ping_interval_s: float | None = None
    delay_ns: int = 0
    delay_jitter_ns: int = 0
    processes: int = 1
    engine: Engine = Engine.WEBSOCKETS
    grace_s: float = 5.0

    def __post_init__(self) -> None:
        for name, port in (("port", self.port), ("health-port", self.health_port)):
            if port is not None and not 0 <= port <= _MAX_PORT:
                raise ValueError(f"{name} must be from 0 to {_MAX_PORT}, not {port}")
        if not 1 <= self.max_message_bytes <= _GIB:
            raise ValueError(f"max-message-size must be from 1 byte to 1 GiB, not {self.max_message_bytes} bytes")
        for name, held_ns in (("delay", self.delay_ns), ("delay-jitter", self.delay_jitter_ns)):
            if not 0 <= held_ns <= _HOUR_NS:
                raise ValueError(f"{name} must be from 0 to 1h, not {held_ns / 1e9:g} s")
        # Written so that NaN, which compares false with everything, is refused too.
        if not 0 <= self.grace_s <= _HOUR_S:
            raise ValueError(f"grace must be from 0 to 1h, not {self.grace_s:g} s")
        if self.processes < 1:
            raise ValueError(f"processes must be at least 1, not {self.processes}")
        if self.ping_interval_s is not None and not 0 < self.ping_interval_s <= _HOUR_S:
            raise ValueError(f"ping-interval must be above 0 and at most 1h, not {self.ping_interval_s:g} s")
        if self.compression and self.engine is Engine.PICOWS:
            raise ValueError("compression needs the engine websockets: picows has none")

    @property
    def delayed(self) -> bool:
        """Whether echoes are held back."""
        return self.delay_ns > 0 or self.delay_jitter_ns > 0
