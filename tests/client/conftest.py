"""Servers of every temper for the driver to meet, and a way to see that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from wsbench_client import DrivePlan, EngineName

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

MS = 1_000_000

# How long an example takes says more of the machine's other work than of the code.
settings.register_profile("client", deadline=None)
settings.load_profile("client")


@dataclass
class Seen:
    """What a server saw: the independent witness of the driver's counts. Greetings are not among the messages."""

    greetings: int = 0
    messages: int = 0
    connections: int = 0
    closes: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True)
class Target:
    """A running server."""

    url: str
    port: int
    seen: Seen


class Servers:
    """Starts servers on free ports; each is ended with its ``async with``."""

    @staticmethod
    async def greeted(seen: Seen, connection: ServerConnection) -> None:
        """The beginning of a handler."""
        await greeted(seen, connection)

    @staticmethod
    @asynccontextmanager
    async def websocket(handler: Any, host: str = "127.0.0.1", **options: Any) -> AsyncIterator[Target]:
        """A real WebSocket server; ``handler(seen, connection)`` is its temper."""
        seen = Seen()

        async def handle(connection: ServerConnection) -> None:
            seen.connections += 1
            with suppress(ConnectionClosed):
                await handler(seen, connection)
            await connection.wait_closed()
            seen.closes[connection.close_code or 0] += 1

        options = {"compression": None, "ping_interval": None, "max_size": None, "close_timeout": 1, **options}
        async with serve(handle, host, 0, **options) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            scheme = "wss" if "ssl" in options else "ws"
            shown = f"[{host}]" if ":" in host else host
            yield Target(f"{scheme}://{shown}:{port}/", port, seen)

    @staticmethod
    @asynccontextmanager
    async def raw(
        answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    ) -> AsyncIterator[Target]:
        """A TCP server that reads a request's head and then does what ``answer`` does."""
        seen = Seen()
        tasks: set[asyncio.Task[None]] = set()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.connections += 1
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await answer(reader, writer)
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                tasks.discard(task)
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        try:
            port = server.sockets[0].getsockname()[1]
            yield Target(f"ws://127.0.0.1:{port}/", port, seen)
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await server.wait_closed()
            if tasks:
                await asyncio.wait(tasks)

    @staticmethod
    def answering(head: bytes) -> Any:
        """For ``raw``: read the request, answer ``head`` and close."""

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head)
            await writer.drain()

        return answer


async def greeted(seen: Seen, connection: ServerConnection) -> None:
    """A connection's first message comes back: without it nothing is driven."""
    await connection.send(await connection.recv())
    seen.greetings += 1


async def echo(seen: Seen, connection: ServerConnection) -> None:
    """Every message comes back."""
    await greeted(seen, connection)
    async for message in connection:
        seen.messages += 1
        await connection.send(message)


def handler_of(change: Callable[[int, Any], list[Any]]) -> Any:
    """A server that answers message k after the greeting with ``change(k, message)``."""

    async def handle(seen: Seen, connection: ServerConnection) -> None:
        await greeted(seen, connection)
        place = 0
        async for message in connection:
            seen.messages += 1
            for answer in change(place, message):
                await connection.send(answer)
            place += 1

    return handle


@pytest.fixture
def servers() -> Servers:
    return Servers()


@pytest.fixture
def echoing() -> Any:
    return partial(Servers.websocket, echo)


@pytest.fixture
def changing() -> Any:
    return lambda change, **options: Servers.websocket(handler_of(change), **options)


@pytest.fixture(params=list(EngineName))
def engine(request: pytest.FixtureRequest) -> EngineName:
    return EngineName(request.param)


@pytest.fixture
def make_plan(engine: EngineName) -> Callable[..., DrivePlan]:
    """A small, quick plan, all of it measured, for the engine under test."""

    def make(url: str, **changes: Any) -> DrivePlan:
        quick = {
            "connections": 4,
            "duration_ns": 100 * MS,
            "warmup_ns": 0,
            "drain_timeout_ns": 300 * MS,
            "connect_timeout_ns": 2_000 * MS,
            "engine": engine,
        }
        return DrivePlan(url, **{**quick, **changes})

    return make


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return ("asyncio", {"use_uvloop": True})


def _sockets() -> set[str]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.add(str(entry.readlink()))
    return {link for link in found if link.startswith("socket:") or "timerfd" in link}


async def _until(true: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("not within two seconds")


@pytest.fixture
def until() -> Any:
    """Waits for a condition, two seconds at most."""
    return _until


class Traces:
    """What a drive may leave behind: sockets, timers, tasks."""

    def __init__(self) -> None:
        self._sockets = _sockets()
        self._tasks = asyncio.all_tasks()

    async def gone(self) -> None:
        """Fail unless all that came since goes within two seconds: a server needs a moment to see its clients go."""
        for _ in range(200):
            sockets, tasks = _sockets() - self._sockets, asyncio.all_tasks() - self._tasks
            if not sockets and not tasks:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"left behind: {sockets} {tasks}")


@pytest.fixture
def traces() -> type[Traces]:
    return Traces


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


@pytest.fixture
def server_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture
def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
