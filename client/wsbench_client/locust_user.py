"""A Locust user with a WebSocket: it connects, sends and receives under gevent, and tells Locust of every phase.

``websocket-client`` carries it: of the two libraries that work under gevent it costs less (docs/decisions/0012).
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import gevent
import websocket
from locust import User

from wsbench_client.connecting import connect_error
from wsbench_client.engine import ABNORMAL_CLOSURE, HOP_PROTOCOL_HEADER, NO_STATUS, ConnectError, rejection
from wsbench_client.locust_ledgers import MESSAGE, REQUEST_TYPE, TCP_CONNECT, UPGRADE, ledger_of, refuse
from wsbench_client.plan import Endpoint, endpoint
from wsbench_client.recording import ErrorKind
from wsbench_client.timer import clock_ns

if TYPE_CHECKING:
    from locust.env import Environment

_NS_PER_MS = 1_000_000
_TEXT, _BINARY, _CLOSE = websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY, websocket.ABNF.OPCODE_CLOSE
# What websocket-client raises beside the system's own errors.
_TROUBLES = (OSError, websocket.WebSocketException)


class MismatchError(Exception):
    """What was answered is not what was sent."""


class WebSocketUser(User):
    """One WebSocket to ``host``: opened when the user starts, and again when it was lost.

    A task calls ``exchange``, or ``send`` and ``receive``. What they find is told to Locust as the requests
    "tcp connect", "upgrade" and "message" of type WS, and noted to the nanosecond for wsbench. When the user is
    stopped, echoes that are awaited are waited for, so that no message which the server answered is missing.
    """

    abstract = True

    connect_timeout_s = 10.0
    """For TCP, and then for the upgrade."""
    receive_timeout_s = 10.0
    """After which a message counts as unanswered, and the connection is given up."""
    drain_timeout_s = 5.0
    """For the echoes that are awaited when the user is stopped."""
    reconnect_after_s = 1.0
    """The pause after an attempt to connect that failed."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._ledger = ledger_of(self.environment)
        self._connection: websocket.WebSocket | None = None
        self._awaited: deque[tuple[int, bytes | str]] = deque()
        self._sending = False

    # -- what Locust calls

    def on_start(self) -> None:
        """Connect. The test ends where ``host`` is no WebSocket URL."""
        try:
            endpoint(self.host or "")
        except ValueError as error:
            refuse(self.environment, f"{error}: give --host ws://HOST:PORT/")
        self.connect()

    def on_stop(self) -> None:
        """Wait for the echoes that are awaited, then close."""
        connection = self._connection
        if connection is None:
            return
        if self._sending:
            # Stopped in the middle of a frame: nothing more can be said on this connection.
            self._give_up(ABNORMAL_CLOSURE)
            return
        connection.settimeout(self.drain_timeout_s)
        while self._awaited and self._connection is not None:
            self.receive()
        if self._connection is not None:
            self._connection = None
            self._ledger.note_closed(_closed(connection))

    # -- what tasks call

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None

    def connect(self) -> bool:
        """Open the connection. Where that fails, Locust is told, a pause is made, and the answer is False."""
        target = endpoint(self.host or "")
        name, begin_ns = TCP_CONNECT, clock_ns()
        try:
            sock, begin_ns = self._dial(target)
            tcp_ns = clock_ns()
            self._fire(TCP_CONNECT, tcp_ns - begin_ns, 0)
            name = UPGRADE
            connection = self._upgrade(sock, target)
        except ConnectError as error:
            self._ledger.note_error(error.kind, error.detail, error.status)
            self._fire(name, clock_ns() - begin_ns, 0, error)
            gevent.sleep(self.reconnect_after_s)
            return False
        upgraded_ns = clock_ns()
        self._fire(UPGRADE, upgraded_ns - tcp_ns, 0)
        headers = connection.getheaders() or {}
        self._ledger.note_connected(begin_ns, tcp_ns, upgraded_ns, headers.get(HOP_PROTOCOL_HEADER, ""))
        self._connection = connection
        return True

    def exchange(self, payload: bytes | str) -> bytes | None:
        """Send a message and wait for its echo; None where there was none. Connects first where that is needed."""
        if self._connection is None and not self.connect():
            return None
        self.send(payload)
        return self.receive() if self._awaited else None

    def send(self, payload: bytes | str) -> None:
        """Send a message: text for ``str``, binary for ``bytes``. Its echo is awaited from now on."""
        connection = self._connection
        if connection is None:
            return
        self._awaited.append((clock_ns(), payload))
        try:
            self._sending = True
            connection.send(payload, _TEXT if isinstance(payload, str) else _BINARY)
            self._sending = False
        except _TROUBLES as error:
            self._lost(error)

    def receive(self) -> bytes | None:
        """Wait for a message, and give its payload; None where none came in time, or the connection is gone.

        It is held against the oldest message that was sent and not answered; where there is none, it is not counted.
        """
        connection = self._connection
        if connection is None:
            return None
        try:
            opcode, data = connection.recv_data()
        except _TROUBLES as error:
            self._lost(error)
            return None
        now_ns = clock_ns()
        if opcode == _CLOSE:
            self._lost(None, struct.unpack("!H", data[:2])[0] if len(data) > 1 else NO_STATUS)
            return None
        payload: bytes = data
        if not self._awaited:
            return payload
        sent_ns, sent = self._awaited.popleft()
        latency_ns = now_ns - sent_ns
        if payload == (sent if isinstance(sent, bytes) else sent.encode()):
            self._ledger.note_exchange(latency_ns)
            self._fire(MESSAGE, latency_ns, len(payload))
        else:
            self._ledger.note_mismatch()
            self._fire(MESSAGE, latency_ns, len(payload), MismatchError("the answer is not what was sent"))
        return payload

    # -- the parts of connecting

    def _dial(self, target: Endpoint) -> tuple[socket.socket, int]:
        failure: OSError | None = None
        for family, address in _addresses(target.host, target.port):
            begin_ns = clock_ns()
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.settimeout(self.connect_timeout_s)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock, begin_ns
        assert failure is not None, "getaddrinfo gives one address at least"
        raise connect_error(failure, self.connect_timeout_s) from failure

    def _upgrade(self, sock: socket.socket, target: Endpoint) -> websocket.WebSocket:
        connection = websocket.WebSocket(enable_multithread=False, skip_utf8_validation=True)
        try:
            if target.secure:
                sock = ssl.create_default_context().wrap_socket(sock, server_hostname=target.host)
            connection.connect(self.host, socket=sock, timeout=self.connect_timeout_s, redirect_limit=0)
            sock.settimeout(self.receive_timeout_s)
        except _TROUBLES as error:
            sock.close()
            raise _upgrade_error(error) from error
        except BaseException:
            sock.close()
            raise
        return connection

    # -- what went wrong

    def _lost(self, error: Exception | None, code: int = ABNORMAL_CLOSURE) -> None:
        if error is None:
            kind, words = ErrorKind.CLOSED_BY_PEER, f"closed with {code} while in use"
        elif isinstance(error, (websocket.WebSocketTimeoutException, TimeoutError)):
            kind, words = ErrorKind.NO_ECHO, f"no echo within {self.receive_timeout_s:g} s"
        elif isinstance(error, (websocket.WebSocketProtocolException, websocket.WebSocketPayloadException)):
            kind, words = ErrorKind.PROTOCOL, str(error)
        else:
            kind, words = ErrorKind.LOST, str(error)
        self._ledger.note_error(kind, words)
        now_ns = clock_ns()
        for sent_ns, _ in self._awaited:
            self._fire(MESSAGE, now_ns - sent_ns, 0, ConnectError(kind, words))
        self._give_up(code)

    def _give_up(self, code: int) -> None:
        connection, self._connection = self._connection, None
        self._ledger.note_unanswered(len(self._awaited))
        self._awaited.clear()
        self._sending = False
        if connection is not None:
            connection.shutdown()
            self._ledger.note_closed(code)

    def _fire(self, name: str, latency_ns: int, length: int, error: Exception | None = None) -> None:
        self.environment.events.request.fire(
            request_type=REQUEST_TYPE,
            name=name,
            response_time=latency_ns / _NS_PER_MS,
            response_length=length,
            exception=error,
            context=self.context(),
        )


@lru_cache
def _addresses(host: str, port: int) -> tuple[tuple[int, Any], ...]:
    """Looked up once in a process: its time is no part of connect latency. Raises ConnectError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConnectError(ErrorKind.NAME_LOOKUP, f"{host}: {error}") from error
    return tuple((family, address) for family, _, _, _, address in found)


def _upgrade_error(error: Exception) -> ConnectError:
    if isinstance(error, websocket.WebSocketBadStatusException):
        body = error.resp_body if isinstance(error.resp_body, bytes) else b""
        return rejection(error.status_code, "", body)
    if isinstance(error, ssl.SSLError):
        return ConnectError(ErrorKind.TLS, str(error))
    if isinstance(error, (websocket.WebSocketTimeoutException, TimeoutError)):
        return ConnectError(ErrorKind.CONNECT_TIMEOUT, "no answer to the upgrade request")
    if isinstance(error, (OSError, websocket.WebSocketConnectionClosedException)):
        return ConnectError(ErrorKind.LOST, str(error))
    return ConnectError(ErrorKind.NOT_WEBSOCKET, str(error))


def _closed(connection: websocket.WebSocket) -> int:
    """Close in order, and say with which code the peer did (1005 for none, 1006 where it did not answer)."""
    connection.close(timeout=1)
    frame = connection.close_frame
    if frame is None:
        return ABNORMAL_CLOSURE
    data = frame.data
    return int(struct.unpack("!H", data[:2])[0]) if isinstance(data, bytes) and len(data) > 1 else NO_STATUS
