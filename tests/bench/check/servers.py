"""Servers that are bad in one way each, on real sockets, and what is seen of them."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import h2.events
from anyio.abc import ByteStream
from anyio.streams.tls import TLSListener
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from wsbench.arms import HopProtocol
from wsbench.check.address import parse_address
from wsbench.check.dialing import Trust
from wsbench.check.findings import Diagnosis, Finding, Need, diagnose
from wsbench.check.observation import Step
from wsbench.check.probing import CheckPlan, probe
from wsbench.check.websocket_steps import StepLimits

Handler = Callable[[ByteStream], Awaitable[None]]


@asynccontextmanager
async def listening(handle: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve every connection so, on a free port."""

    async def serve(stream: ByteStream) -> None:
        gone = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, ssl.SSLError, H2Error)
        with suppress(*gone):
            async with stream:
                await handle(stream)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    async with listener, anyio.create_task_group() as tasks:
        port = listener.listeners[0].extra(anyio.abc.SocketAttribute.local_port)
        if tls is None:
            tasks.start_soon(listener.serve, serve)
        else:
            tasks.start_soon(TLSListener(listener, tls, standard_compatible=False).serve, serve)
        yield port
        tasks.cancel_scope.cancel()


def saying(answer: bytes) -> Handler:
    """Answer whatever comes first with these bytes, then hang up."""

    async def handle(stream: ByteStream) -> None:
        await stream.receive()
        await stream.send(answer)

    return handle


async def silent(stream: ByteStream) -> None:
    """Never answer."""
    while True:
        await stream.receive()


async def hanging_up(stream: ByteStream) -> None:
    """Close at once."""


class Http2Server:
    """HTTP/2 with WebSockets in its streams, as ``h2`` and ``websockets`` make them; subclasses break a part of it."""

    announces = True

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.sockets: dict[int, ServerProtocol] = {}

    @classmethod
    async def handle(cls, stream: ByteStream) -> None:
        server = cls(stream)
        if cls.announces:
            server.h2.local_settings = Settings(client=False, initial_values={SettingCodes.ENABLE_CONNECT_PROTOCOL: 1})
        server.h2.initiate_connection()
        while True:
            await stream.send(server.h2.data_to_send())
            for event in server.h2.receive_data(await stream.receive()):
                await server.take(event)

    async def take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            assert event.stream_id is not None
            await self.asked(event.stream_id, {str(name): str(value) for name, value in event.headers or ()})
        elif isinstance(event, h2.events.DataReceived) and event.stream_id in self.sockets:
            socket = self.sockets[event.stream_id]
            socket.receive_data(event.data or b"")
            for frame in socket.events_received():
                if isinstance(frame, Frame) and frame.opcode is Opcode.TEXT:
                    socket.send_text(frame.data)
                elif isinstance(frame, Frame) and frame.opcode is Opcode.BINARY:
                    socket.send_binary(frame.data)
            for data in socket.data_to_send():
                self.h2.send_data(event.stream_id, data, end_stream=not data)

    async def asked(self, number: int, headers: dict[str, str]) -> None:
        assert headers[":protocol"] == "websocket"
        self.h2.send_headers(number, [(":status", "200")])
        self.sockets[number] = ServerProtocol(state=State.OPEN)


async def checked(
    url: str, *, timeout_s: float = 5.0, idle_s: float | None = None, trust: Trust | None = None
) -> Diagnosis:
    address = parse_address(url)
    observations = await probe(CheckPlan(address, trust or Trust(), StepLimits(timeout_s, idle_s)))
    return diagnose(address, Need.ANY, observations)


def of(diagnosis: Diagnosis, step: Step, over: HopProtocol | None = None) -> Finding:
    (finding,) = (of for of in diagnosis.findings if (of.step, of.over) == (step, over))
    return finding


def trusting(certificate: tuple[Path, Path]) -> Trust:
    return Trust(ca=certificate[0])
