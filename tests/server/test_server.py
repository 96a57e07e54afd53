"""How the server ends."""

import signal
import socket
import threading
import time
from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

from tests.server.conftest import Running, upgraded

pytestmark = pytest.mark.parametrize("engine", ["websockets", "picows"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_clients_are_told_1001_and_the_server_exits_0(
    serve: Callable[..., Running], engine: str, number: signal.Signals
) -> None:
    running = serve("--engine", engine)
    with connect(running.url) as first, connect(running.url) as second:
        running.process.send_signal(number)
        for connection in (first, second):
            with pytest.raises(ConnectionClosed) as caught:
                connection.recv(timeout=5)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
    assert running.process.wait(timeout=10) == 0


def test_a_flooding_client_does_not_keep_the_server(serve: Callable[..., Running], engine: str) -> None:
    running = serve("--engine", engine, "--grace", "2s")
    codes: list[int] = []

    def flood() -> None:
        with connect(running.url) as connection:
            try:
                while True:
                    connection.send(b"x" * 1000)
                    connection.recv(timeout=5)
            except ConnectionClosed as closed:
                codes.append(closed.rcvd.code if closed.rcvd else 1006)

    flooder = threading.Thread(target=flood)
    flooder.start()
    while running.metric("messages_sent_total") < 10:
        assert flooder.is_alive()
    assert running.stop() == 0
    flooder.join(10)
    assert codes == [1001]


def test_a_client_that_never_answers_the_close_is_dropped_after_the_grace(
    serve: Callable[..., Running], engine: str
) -> None:
    running = serve("--engine", engine, "--grace", "500ms")
    with upgraded(running.port):
        begun = time.monotonic()
        running.process.terminate()
        draining = running.ask("/readyz")
        assert draining == (503, "not ready\n")
        assert running.ask("/healthz")[0] == 200
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", running.port), timeout=5)
        assert running.process.wait(timeout=10) == 0
        assert 0.4 < time.monotonic() - begun < 5


@pytest.mark.parametrize("said", [b"", b"GET / HT"], ids=["silent", "half-a-handshake"])
def test_a_client_that_never_finishes_its_handshake_is_dropped_after_the_grace(
    serve: Callable[..., Running], engine: str, said: bytes
) -> None:
    running = serve("--engine", engine, "--grace", "200ms")
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as slow:
        slow.sendall(said)
        # The next connection is accepted after this one: its echo says that both were.
        with connect(running.url) as connection:
            connection.send("x")
            connection.recv(timeout=5)
        begun = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - begun < 3


def test_a_client_that_floods_and_never_reads_is_dropped_after_the_grace(
    serve: Callable[..., Running], engine: str
) -> None:
    running = serve("--engine", engine, "--grace", "200ms")
    with upgraded(running.port) as plain:
        plain.settimeout(0.3)
        with pytest.raises(TimeoutError):
            while True:
                plain.sendall(Frame(Opcode.BINARY, bytes(60_000)).serialize(mask=True))
        begun = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - begun < 3
