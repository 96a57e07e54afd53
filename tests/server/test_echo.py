"""Both engines are to behave the same, seen from a client."""

import asyncio
import socket
import statistics
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from tests.server.conftest import Running

pytestmark = pytest.mark.parametrize("engine", ["websockets", "picows"])
HEADER = "x-wsbench-hop-protocol"


@pytest.fixture
def server(serve: Callable[..., Running], engine: str) -> Iterator[Running]:
    running = serve("--engine", engine, "--max-message-size", "64KiB")
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(server: Running) -> Iterator[ClientConnection]:
    with connect(server.url) as connection:
        yield connection


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(message=st.one_of(st.text(max_size=500), st.binary(max_size=500)))
def test_text_and_binary_come_back_unchanged(client: ClientConnection, message: str | bytes) -> None:
    client.send(message)
    assert client.recv(timeout=5) == message


@pytest.mark.parametrize("size", [125, 126, 65_535, 65_536])
def test_sizes_up_to_the_limit(client: ClientConnection, size: int) -> None:
    client.send(bytes(size))
    assert client.recv(timeout=5) == bytes(size)


def test_a_message_over_the_limit_closes_with_1009_and_is_counted(server: Running) -> None:
    with connect(server.url) as connection:
        connection.send(bytes(65_537))
        with pytest.raises(ConnectionClosedError) as caught:
            connection.recv(timeout=5)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009
    server.wait_for("errors_total", 1)


def test_fragments_over_the_limit_close_with_1009(server: Running) -> None:
    with connect(server.url) as connection, pytest.raises(ConnectionClosedError) as caught:
        connection.send([bytes(40_000), bytes(40_000)])
        connection.recv(timeout=5)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009


def test_fragments_are_one_message(client: ClientConnection) -> None:
    client.send(["hel", "lo ", "world"])
    assert client.recv(timeout=5) == "hello world"
    client.send([b"\x00", b"\x01\x02"])
    assert client.recv(timeout=5) == b"\x00\x01\x02"


def test_a_ping_is_answered(client: ClientConnection) -> None:
    assert client.ping().wait(timeout=5)


@pytest.mark.parametrize("code", [1000, 4001])
def test_a_close_is_answered_with_the_same_code(server: Running, code: int) -> None:
    with connect(server.url) as connection:
        connection.close(code, "bye")
    assert connection.protocol.close_rcvd is not None
    assert connection.protocol.close_rcvd.code == code
    server.wait_for("errors_total", 0)


@pytest.mark.parametrize(("value", "expected"), [("HTTP/2", "HTTP/2"), ("a b", None), (None, None)])
def test_the_hops_protocol_is_repeated_in_the_handshake(
    server: Running, value: str | None, expected: str | None
) -> None:
    with connect(server.url, additional_headers={HEADER: value} if value else {}) as connection:
        assert connection.response is not None
        assert connection.response.headers.get(HEADER) == expected


def test_compression_is_not_offered_by_default(server: Running) -> None:
    with connect(server.url, compression="deflate") as connection:
        assert connection.response is not None
        assert "Sec-WebSocket-Extensions" not in connection.response.headers


def test_what_is_counted(server: Running) -> None:
    with connect(server.url) as first, connect(server.url):
        for message in ("hello", b"\x00\x01", "ü"):
            first.send(message)
            first.recv(timeout=5)
        server.wait_for("connections_open", 2)
    names = ("connections_total", "messages_received_total", "messages_sent_total")
    assert [server.metric(name) for name in names] == [2, 3, 3]
    assert server.metric("bytes_received_total") == server.metric("bytes_sent_total") == 5 + 2 + 2
    server.wait_for("errors_total", 0)


def test_a_plain_request_is_no_websocket_and_is_counted(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert plain.recv(1024).startswith(b"HTTP/1.1 426 ")
    server.wait_for("handshake_failures_total", 1)


def test_text_that_is_no_utf8_does_not_stop_the_server(server: Running) -> None:
    """``websockets`` closes with 1007 (RFC 6455 section 8.1); picows echoes the bytes, as its path has no decoder."""
    with connect(server.url) as connection:
        connection.socket.sendall(Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True))
        with pytest.raises((ConnectionClosedError, UnicodeDecodeError)):
            connection.recv(timeout=5)
    with connect(server.url) as connection:
        connection.send("still here")
        assert connection.recv(timeout=5) == "still here"


@pytest.mark.parametrize("connections", [1, 16])
def test_a_delay_is_kept_and_pipelined(serve: Callable[..., Running], engine: str, connections: int) -> None:
    running = serve("--engine", engine, "--delay", "20ms")

    async def one() -> tuple[list[float], float]:
        times = []
        async with connect_async(running.url) as connection:
            for _ in range(5):
                begun = time.monotonic()
                await connection.send("x")
                await connection.recv()
                times.append(time.monotonic() - begun)
            begun = time.monotonic()
            for number in range(10):
                await connection.send(str(number))
            assert [await connection.recv() for _ in range(10)] == [str(number) for number in range(10)]
            together = time.monotonic() - begun
        return times, together

    async def work() -> None:
        found = await asyncio.gather(*(one() for _ in range(connections)))
        times = [taken for each, _ in found for taken in each]
        assert min(times) >= 0.020
        assert statistics.median(times) < 0.030
        # Ten at once are each delayed from their own arrival, not one after the other.
        assert all(0.020 <= together < 0.120 for _, together in found)

    asyncio.run(work())
    assert running.stop() == 0
