"""How the server ends."""

import signal
import socket
import threading
import time
from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.server.conftest import Running

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
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as mute:
        mute.sendall(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b" 101 " in mute.recv(1024)
        begun = time.monotonic()
        running.process.terminate()
        draining = running.ask("/readyz")
        assert draining == (503, "draining\n")
        assert running.ask("/healthz")[0] == 200
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", running.port), timeout=5)
        assert running.process.wait(timeout=10) == 0
        assert 0.4 < time.monotonic() - begun < 5
