"""The locustfile of wsbench: ``EchoUser``, one WebSocket each, and ``DriverUser``, a whole driver each.

``wsbench locust`` runs it; with ``locust -f`` it works as any other, without result.json.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from locust import constant, constant_throughput, task

from wsbench_client import locust_driver, locust_options, locust_user
from wsbench_client.mix import PayloadMix
from wsbench_client.payload import PayloadRing
from wsbench_client.plan import PayloadKind

if TYPE_CHECKING:
    from locust.env import Environment

# Importing it adds the options.
__all__ = ["DriverUser", "EchoUser", "locust_options"]


class EchoUser(locust_user.WebSocketUser):
    """Sends a message, waits for its echo, sends the next."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        options = environment.parsed_options
        assert options is not None, "Locust has parsed its options before there is a user"
        kind = PayloadKind(options.payload_kind)
        self._ring = _ring(options.payload, kind)
        self._text = kind is PayloadKind.TEXT
        self._at = random.randrange(len(self._ring))
        self._pace = constant_throughput(options.user_rate) if options.user_rate else constant(0)

    def wait_time(self) -> float:
        """Locust's own pacing: none, or ``--user-rate``."""
        return float(self._pace(self))

    @task
    def echo(self) -> None:
        """One exchange."""
        self._at = (self._at + 1) % len(self._ring)
        payload = self._ring[self._at]
        self.exchange(payload.decode() if self._text else payload)


class DriverUser(locust_driver.DriverUser):
    """A driver with ``--driver-connections``."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        options = environment.parsed_options
        assert options is not None, "Locust has parsed its options before there is a user"
        self.connections = options.driver_connections
        self.rate = options.user_rate
        self.payload_bytes = options.payload
        self.payload_kind = PayloadKind(options.payload_kind)


_RINGS: dict[tuple[int, PayloadKind], tuple[bytes, ...]] = {}


def _ring(size: int, kind: PayloadKind) -> tuple[bytes, ...]:
    if (size, kind) not in _RINGS:
        _RINGS[size, kind] = PayloadRing.build(PayloadMix.of(size), kind, 0).messages
    return _RINGS[size, kind]
