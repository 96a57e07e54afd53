"""Both engines are to behave the same, seen from a client."""

import asyncio
import contextlib
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

from tests.server.conftest import HANDSHAKE, Running, read_to_end, upgraded

pytestmark = pytest.mark.parametrize("engine", ["websockets", "picows"])
HEADER = "x-wsbench-hop-protocol"


def sent(*frames: Frame, reserved: int = 0) -> bytes:
    """Frames as a client sends them, with reserved bits of the first set: what the library's own encoder refuses."""
    data = bytearray(b"".join(frame.serialize(mask=True) for frame in frames))
    data[0] |= reserved
    return bytes(data)


@pytest.fixture
def server(serve: Callable[..., Running], engine: str) -> Iterator[Running]:
    running = serve("--engine", engine, "--max-message-size", "64KiB", "--grace", "1s")
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


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (sent(Frame(Opcode.TEXT, b"\xff\xfe")), 1007),
        (sent(Frame(Opcode.TEXT, b"\xc3", fin=False), Frame(Opcode.CONT, b"x")), 1007),
        (sent(Frame(Opcode.TEXT, b"x"), reserved=0x40), 1002),
        (sent(Frame(Opcode.BINARY, b"x"), reserved=0x10), 1002),
        (sent(Frame(Opcode.CONT, b"x")), 1002),
        (sent(Frame(Opcode.TEXT, b"x", fin=False), Frame(Opcode.TEXT, b"y")), 1002),
    ],
    ids=["utf8", "utf8-joined", "rsv1", "rsv3", "continuation-of-nothing", "message-in-message"],
)
def test_what_is_no_message_is_closed_not_echoed(server: Running, data: bytes, code: int) -> None:
    """RFC 6455 sections 5.2, 5.4 and 8.1; and the server goes on."""
    with connect(server.url) as connection:
        connection.socket.sendall(data)
        with pytest.raises(ConnectionClosedError) as caught:
            connection.recv(timeout=5)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == code
    server.wait_for("errors_total", 1)
    assert server.metric("messages_sent_total") == 0
    with connect(server.url) as connection:
        connection.send("still here")
        assert connection.recv(timeout=5) == "still here"


def test_a_character_may_be_split_between_fragments(client: ClientConnection) -> None:
    client.socket.sendall(sent(Frame(Opcode.TEXT, b"\xc3", fin=False), Frame(Opcode.CONT, b"\xbc")))
    assert client.recv(timeout=5) == "ü"


def test_a_close_without_a_code_is_answered_without_one_and_nothing_after_it_is_echoed(server: Running) -> None:
    with upgraded(server.port) as plain:
        plain.sendall(sent(Frame(Opcode.CLOSE, b""), Frame(Opcode.TEXT, b"too late")))
        assert read_to_end(plain) == b"\x88\x00"


def test_many_small_fragments_hold_up_nobody_else(server: Running) -> None:
    """Joining must cost by the byte, not by the square of the fragments; a library may refuse so many instead."""
    first, middle = Frame(Opcode.BINARY, b"x", fin=False), Frame(Opcode.CONT, b"y", fin=False)
    many = sent(first) + sent(middle) * 60_000
    with upgraded(server.port) as plain, connect(server.url) as other:
        with contextlib.suppress(ConnectionError):
            plain.sendall(many)
        begun = time.monotonic()
        other.send("meanwhile")
        assert other.recv(timeout=10) == "meanwhile"
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("header", "instead"),
    [(b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 7"), (b"Sec-WebSocket-Key", b"X-Key")],
)
def test_a_handshake_refused_is_counted(server: Running, header: bytes, instead: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
        plain.sendall(HANDSHAKE.replace(header, instead))
        assert plain.recv(1024).startswith(b"HTTP/1.1 4")
    server.wait_for("handshake_failures_total", 1)
    assert server.metric("connections_total") == 0


def test_clients_are_pinged(serve: Callable[..., Running], engine: str) -> None:
    running = serve("--engine", engine, "--ping-interval", "50ms")
    with upgraded(running.port) as plain:
        assert plain.recv(1)[0] & 0x0F == Opcode.PING
    assert running.stop() == 0


def test_a_delay_does_not_hoard_the_echoes_of_a_client_that_does_not_read(
    serve: Callable[..., Running], engine: str
) -> None:
    running = serve("--engine", engine, "--delay", "1ms")
    block = sent(Frame(Opcode.BINARY, bytes(60_000))) * 20
    taken, most = 0, 200_000_000
    with upgraded(running.port) as plain:
        plain.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while taken < most:
                taken += plain.send(block)
    assert taken < most
    assert running.stop() == 0


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
