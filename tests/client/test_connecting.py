from __future__ import annotations

import asyncio
import errno
import resource
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from wsbench_client.connecting import Address, Dialer, connect_tcp, raise_file_limit, resolve
from wsbench_client.engine import ConnectError
from wsbench_client.plan import Endpoint
from wsbench_client.recording import ErrorKind
from wsbench_client.timer import clock_ns

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio


def address(port: int) -> Address:
    return Address(socket.AF_INET, ("127.0.0.1", port))


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ports that were dialled, in order."""
    ports: list[int] = []

    async def noting(address: Any, timeout_s: float, source: str | None) -> socket.socket:
        ports.append(address.sockaddr[1])
        return await connect_tcp(address, timeout_s, source)

    monkeypatch.setattr("wsbench_client.connecting.connect_tcp", noting)
    return ports


async def test_a_connected_socket_does_not_wait_to_send(listening: socket.socket) -> None:
    with await connect_tcp(address(listening.getsockname()[1]), 1) as sock:
        assert sock.getpeername() == listening.getsockname()
        assert not sock.getblocking()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_the_first_address_that_answers_and_then_only_that(
    listening: socket.socket, free_port: int, tried: list[int]
) -> None:
    port = listening.getsockname()[1]
    dialer = Dialer((address(free_port), address(port)), 1)
    for _ in range(2):
        began_ns = clock_ns()
        sock, begin_ns = await dialer.dial()
        sock.close()
        assert began_ns <= begin_ns <= clock_ns()
    assert tried == [free_port, port, port]


async def test_once_one_has_answered_its_failures_are_failures(free_port: int, tried: list[int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        dialer = Dialer((address(port), address(free_port)), 1)
        (await dialer.dial())[0].close()
    with pytest.raises(ConnectError) as raised:
        await dialer.dial()
    assert raised.value.kind is ErrorKind.REFUSED
    assert tried == [port, port]


async def test_where_none_answers(free_port: int, tried: list[int]) -> None:
    with pytest.raises(ConnectError) as raised:
        await Dialer((address(free_port), address(free_port)), 1).dial()
    assert raised.value.kind is ErrorKind.REFUSED
    assert tried == [free_port, free_port]


async def test_sources_are_taken_in_turn(listening: socket.socket) -> None:
    dialer = Dialer((address(listening.getsockname()[1]),), 1, ("127.0.0.2", "127.0.0.3"))
    made = [(await dialer.dial())[0] for _ in range(4)]
    found = [sock.getsockname()[0] for sock in made]
    for sock in made:
        sock.close()
    assert found == ["127.0.0.2", "127.0.0.3"] * 2


async def test_the_port_is_chosen_for_the_destination_so_that_two_may_share_it(listening: socket.socket) -> None:
    """A port that bind() had chosen would be taken from all destinations."""
    with await connect_tcp(address(listening.getsockname()[1]), 1, "127.0.0.2") as sock:
        assert sock.getsockopt(socket.IPPROTO_IP, 24) == 1  # IP_BIND_ADDRESS_NO_PORT
        assert sock.getsockname()[1]


async def test_a_source_that_is_not_ours_is_a_limit_of_this_machine(listening: socket.socket) -> None:
    with pytest.raises(ConnectError) as raised:
        await connect_tcp(address(listening.getsockname()[1]), 1, "192.0.2.1")
    assert raised.value.kind is ErrorKind.LIMIT


async def test_a_full_backlog_times_out(listening: socket.socket) -> None:
    async def fill() -> None:
        for _ in range(10):
            waiting.append(await connect_tcp(address(listening.getsockname()[1]), 0.05))

    listening.listen(0)
    waiting: list[socket.socket] = []
    with pytest.raises(ConnectError, match=r"within 0\.05 s") as raised:
        await fill()
    for sock in waiting:
        sock.close()
    assert raised.value.kind is ErrorKind.CONNECT_TIMEOUT


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EMFILE, ErrorKind.LIMIT),
        (errno.EADDRNOTAVAIL, ErrorKind.LIMIT),
        (errno.ECONNREFUSED, ErrorKind.REFUSED),
        (errno.EHOSTUNREACH, ErrorKind.UNREACHABLE),
        (errno.ENETUNREACH, ErrorKind.UNREACHABLE),
        (errno.ETIMEDOUT, ErrorKind.CONNECT_TIMEOUT),
    ],
)
async def test_the_kernels_errors(monkeypatch: pytest.MonkeyPatch, number: int, kind: ErrorKind) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(number, "the kernel's words")

    monkeypatch.setattr("wsbench_client.connecting.socket", SimpleNamespace(socket=refuse, SOCK_STREAM=1))
    with pytest.raises(ConnectError) as raised:
        await connect_tcp(address(1), 1)
    assert raised.value.kind is kind


async def test_resolving() -> None:
    assert await resolve(Endpoint("127.0.0.1", 80, secure=False), 1) == (address(80),)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".example"])
async def test_no_such_name(host: str) -> None:
    with pytest.raises(ConnectError, match=host) as raised:
        await resolve(Endpoint(host, 80, secure=False), 5)
    assert raised.value.kind is ErrorKind.NAME_LOOKUP


async def test_a_name_server_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        async def getaddrinfo(self, *_: Any, **__: Any) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr("wsbench_client.connecting.asyncio.get_running_loop", Silent)
    with pytest.raises(ConnectError, match=r"no answer within 0\.05 s") as raised:
        await resolve(Endpoint("example.org", 80, secure=False), 0.05)
    assert raised.value.kind is ErrorKind.NAME_LOOKUP


@pytest.mark.parametrize(
    ("limits", "connections", "expected"),
    [
        ((256, 4096), 100, None),
        ((256, 4096), 1000, (1064, 4096)),
        ((256, 512), 1000, (1064, 1064)),
        ((256, resource.RLIM_INFINITY), 1000, (1064, resource.RLIM_INFINITY)),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), 1000, None),
    ],
)
async def test_the_limit_of_files_is_raised_as_far_as_needed(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], connections: int, expected: tuple[int, int] | None
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _what: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _what, limit: asked.append(limit))
    raise_file_limit(connections)
    assert asked == ([expected] if expected else [])


async def test_a_hard_limit_that_may_not_be_raised_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[tuple[int, int]] = []

    def allow(_what: int, limit: tuple[int, int]) -> None:
        if limit[1] > 512:
            raise ValueError("not allowed to raise maximum limit")
        kept.append(limit)

    monkeypatch.setattr(resource, "getrlimit", lambda _what: (256, 512))
    monkeypatch.setattr(resource, "setrlimit", allow)
    raise_file_limit(1000)
    assert kept == [(512, 512)]
