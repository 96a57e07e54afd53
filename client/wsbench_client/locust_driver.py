"""A Locust user that holds a driver: asyncio and uvloop in a process of their own, outside gevent.

Locust starts and stops it, and decides how many there are; what it does in between costs Locust nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from locust import User, task
from locust.exception import StopUser

from wsbench_client.locust_ledgers import MESSAGE, REQUEST_TYPE, TCP_CONNECT, UPGRADE, ledger_of, log_many, refuse
from wsbench_client.orphaning import die_with_parent
from wsbench_client.plan import DrivePlan, PayloadKind
from wsbench_client.recording import ErrorKind
from wsbench_client.stretch import Stretch

if TYPE_CHECKING:
    from locust.env import Environment

_NS = 1_000_000_000
# Three years: the end is Locust's to say.
_FOR_EVER_NS = 10**17
_IN_USE = {ErrorKind.LOST, ErrorKind.CLOSED_BY_PEER, ErrorKind.PROTOCOL, ErrorKind.NO_ECHO}
_CONNECTING_TCP = {ErrorKind.NAME_LOOKUP, ErrorKind.REFUSED, ErrorKind.UNREACHABLE, ErrorKind.LIMIT}


class DriverUser(User):
    """A driver of ``connections`` WebSockets to ``host``, closed loop or at ``rate``.

    Its messages are counted into Locust's statistics a second at a time, under the entries of a WebSocketUser, with no
    request event for each. When the user is stopped the driver sends nothing further, waits for its echoes and closes.
    """

    abstract = True

    connections = 64
    rate: float | None = None
    """Messages a second of this driver, over all its connections: the open loop; None is the closed loop."""
    payload_bytes = 64
    payload_kind = PayloadKind.BINARY
    stop_timeout_s = 15.0
    """After which a driver that was told to end is killed, and what it had not told is lost."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._ledger = ledger_of(self.environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._over = Event()
        self._ended = False

    def plan(self) -> DrivePlan:
        """What the driver is told. Raises ValueError for what cannot be driven."""
        return DrivePlan(
            url=self.host or "",
            connections=self.connections,
            duration_ns=_FOR_EVER_NS,
            warmup_ns=0,
            payload_bytes=self.payload_bytes,
            payload_kind=self.payload_kind,
            rate=self.rate,
            cold_first=False,
            stretch_ns=_NS,
        )

    def on_start(self) -> None:
        """Start the driver. The test ends where it cannot drive what it is told."""
        try:
            plan = self.plan()
        except ValueError as error:
            refuse(self.environment, f"{error} (--host says where)")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "wsbench_client.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=die_with_parent(),
        )
        # Not this user's own greenlet: it may be stopped in the middle of a line.
        gevent.spawn(self._listen, self._process)
        self._tell(self._process, plan.to_json())

    @task
    def drive(self) -> None:
        """Let it drive, until it or Locust ends it."""
        self._over.wait()
        raise StopUser

    def on_stop(self) -> None:
        """Tell the driver to end, and hear the rest."""
        process = self._process
        if process is None:
            return
        self._tell(process, {"end": True})
        self._over.wait(self.stop_timeout_s)
        if process.poll() is None:
            process.kill()
        process.wait()
        self._over.wait(1)

    def _tell(self, process: subprocess.Popen[bytes], content: dict[str, Any]) -> None:
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(content).encode() + b"\n")
            process.stdin.flush()
        except (OSError, ValueError):
            return  # it has ended, and the listener says so

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        assert process.stdin is not None
        for line in process.stdout:
            message = json.loads(line)
            if "stretch" in message:
                self._note(Stretch.from_json(message["stretch"]))
            elif "error" in message:
                self._ledger.troubles.append(f"a driver could not run its plan: {message['error']}")
            self._ended |= "ended" in message
        code = process.wait()
        process.stdout.close()
        process.stdin.close()
        if not self._ended:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            words = f"a driver's process {how}: what it had recorded since its last word, a second at most, is lost"
            self._ledger.troubles.append(words)
            self.environment.stats.log_error(REQUEST_TYPE, MESSAGE, words)
        self._over.set()

    def _note(self, stretch: Stretch) -> None:
        self._ledger.hand_in(stretch)
        unix_s = (stretch.begin_unix_ns + stretch.end_unix_ns) / 2 / _NS
        latency = "response_time" if "response_time" in stretch.histograms else "service_time"
        for name, of, length in (
            (TCP_CONNECT, "connect_tcp", 0),
            (UPGRADE, "connect_upgrade", 0),
            # A connection's first message, which the driver sends at once, is one too.
            (MESSAGE, "first_echo", self.payload_bytes),
            (MESSAGE, latency, self.payload_bytes),
        ):
            log_many(self.environment, name, stretch.histogram(of), unix_s, length)
        for kind, times in stretch.errors.items():
            name = MESSAGE if kind in _IN_USE else TCP_CONNECT if kind in _CONNECTING_TCP else UPGRADE
            for _ in range(times):
                self.environment.stats.log_error(REQUEST_TYPE, name, stretch.details.get(kind, kind))
