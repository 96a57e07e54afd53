from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.server.conftest import Running
from wsbench_server.counting import SUBPROTOCOL, offered

ENGINES = ["websockets", "picows"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], False),
        ([SUBPROTOCOL], True),
        (["chat", f"superchat , {SUBPROTOCOL}"], True),
        (["chat, superchat"], False),
        ([SUBPROTOCOL.upper()], False),
        ([f"x{SUBPROTOCOL}"], False),
    ],
)
def test_what_is_an_offer(headers: list[str], expected: bool) -> None:
    assert offered(headers) is expected


@pytest.fixture(params=ENGINES)
def server(serve: Callable[..., Running], request: pytest.FixtureRequest) -> Iterator[Running]:
    # A delay holds back echoes: receipts it must leave alone.
    running = serve("--engine", request.param, "--delay", "1m", "--grace", "1s")
    yield running
    assert running.stop() == 0


def counted(server: Running) -> ClientConnection:
    return connect(server.url, subprotocols=[Subprotocol("chat"), Subprotocol(SUBPROTOCOL)])


def last_receipt(connection: ClientConnection, messages: int) -> tuple[int, dict[str, int]]:
    """How many receipts there were up to the one of so many messages, and that one."""
    before, number = 0, 0
    while True:
        said = connection.recv(timeout=5)
        assert isinstance(said, str)
        told: dict[str, int] = json.loads(said)
        number += 1
        assert before < told["messages"] <= messages
        before = told["messages"]
        if before == messages:
            return number, told


def test_messages_are_counted_and_not_echoed(server: Running) -> None:
    with counted(server) as connection:
        assert connection.subprotocol == SUBPROTOCOL
        for message in ("hello", b"\x00\x01", "ü", ["in ", "pieces"]):
            connection.send(message)
        _, told = last_receipt(connection, 4)
    assert told == {"messages": 4, "bytes": 5 + 2 + 2 + 9}
    server.wait_for("errors_total", 0)
    assert server.metric("messages_received_total") == 4
    assert server.metric("bytes_received_total") == 18
    assert server.metric("messages_sent_total") == 0


def test_what_is_read_together_has_one_receipt(server: Running) -> None:
    one_write = b"".join(b"\x81\x83\x00\x00\x00\x00abc" for _ in range(1000))
    with counted(server) as connection:
        connection.socket.sendall(one_write)
        receipts, told = last_receipt(connection, 1000)
    assert told == {"messages": 1000, "bytes": 3000}
    assert receipts < 500


def test_each_connection_has_its_own_count(server: Running) -> None:
    with counted(server) as first, counted(server) as second:
        for connection, size in ((first, 1), (second, 10)):
            connection.send(bytes(size))
            assert last_receipt(connection, 1)[1] == {"messages": 1, "bytes": size}


def test_a_close_is_answered(server: Running) -> None:
    with counted(server) as connection:
        connection.send("x")
        connection.close(1000)
    assert connection.protocol.close_rcvd is not None
    assert connection.protocol.close_rcvd.code == 1000
    server.wait_for("connections_open", 0)
    server.wait_for("errors_total", 0)
    assert server.metric("messages_received_total") == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_whoever_offers_another_subprotocol_is_echoed_to(serve: Callable[..., Running], engine: str) -> None:
    running = serve("--engine", engine)
    with connect(running.url, subprotocols=[Subprotocol("chat")]) as connection:
        assert connection.subprotocol is None
        connection.send("hello")
        assert connection.recv(timeout=5) == "hello"
    assert running.stop() == 0
