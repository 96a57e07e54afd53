from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tests.bench.check.servers import checked, listening, of
from wsbench.arms import HopProtocol
from wsbench.check.findings import Diagnosis, Outcome
from wsbench.check.observation import Step
from wsbench.check.remedies import Remedy

OnLoop = Callable[..., Any]
HTTP1 = HopProtocol.HTTP1


async def seen_of(
    handle: Callable[[ServerConnection], Awaitable[None]],
    *,
    timeout_s: float = 5.0,
    idle_s: float | None = None,
    **options: Any,
) -> Diagnosis:
    async with serve(handle, "127.0.0.1", 0, **options) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        return await checked(f"ws://127.0.0.1:{port}/", timeout_s=timeout_s, idle_s=idle_s)


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def raw(after: Callable[[ByteStream], Awaitable[None]]) -> Callable[[ByteStream], Awaitable[None]]:
    """The upgrade as ``websockets`` makes it, then bytes of our own."""

    async def handle(stream: ByteStream) -> None:
        protocol = ServerProtocol()
        protocol.receive_data(await stream.receive())
        request = next(iter(protocol.events_received()), None)
        if not isinstance(request, Request):
            return  # the preface of HTTP/2
        protocol.send_response(protocol.accept(request))
        for data in protocol.data_to_send():
            await stream.send(data)
        await after(stream)

    return handle


def test_every_step_of_an_echo_server(on_loop: OnLoop) -> None:
    diagnosis = on_loop(lambda: seen_of(echo, idle_s=0.1))
    said = {of.step: of.reason for of in diagnosis.findings if of.over is HTTP1}
    assert said == {
        Step.UPGRADE: "101",
        Step.PING: "pong",
        Step.TEXT: "24 bytes came back",
        Step.BINARY: "256 bytes came back",
        Step.IDLE: "pong after 0.1 s",
        Step.CLOSE: "1000 came back",
    }


def test_a_server_that_does_not_echo_is_not_broken(on_loop: OnLoop) -> None:
    async def greet(connection: ServerConnection) -> None:
        await connection.send("welcome")
        async for _ in connection:
            await connection.send(b"\x01\x02")

    diagnosis = on_loop(lambda: seen_of(greet, timeout_s=0.6))
    text = of(diagnosis, Step.TEXT, HTTP1)
    assert text.outcome is Outcome.UNSURE
    assert text.reason.startswith("no echo within 0.6 s; what came: 'welcome', 2 bytes")
    assert of(diagnosis, Step.BINARY, HTTP1).reason == "no echo of text"
    assert of(diagnosis, Step.CLOSE, HTTP1).outcome is Outcome.WORKS
    assert diagnosis.works(HTTP1)


def test_a_server_that_closes_for_a_word_it_does_not_know_is_not_broken(on_loop: OnLoop) -> None:
    async def refuse(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.close(1008, "what?")

    diagnosis = on_loop(lambda: seen_of(refuse))
    assert of(diagnosis, Step.TEXT, HTTP1).outcome is Outcome.UNSURE
    assert (
        "the server closed the WebSocket with 1008 (policy violation) what?" in of(diagnosis, Step.TEXT, HTTP1).reason
    )
    # Its close is tried on another WebSocket.
    assert of(diagnosis, Step.CLOSE, HTTP1).outcome is Outcome.WORKS
    assert diagnosis.works(HTTP1)


async def nothing(stream: ByteStream) -> None:
    while True:
        await stream.receive()


async def garbage(stream: ByteStream) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\n" + b"x-long: header\r\n" * 10)
    await nothing(stream)


async def end(stream: ByteStream) -> None:
    await stream.receive()


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (nothing, "no answer within 0.6 s: every WebSocket has to answer a ping"),
        (garbage, "what came is no WebSocket frame"),
        (end, "the connection ended without a close frame (1006)"),
    ],
)
def test_whoever_passes_no_frames_on(
    on_loop: OnLoop, after: Callable[[ByteStream], Awaitable[None]], reason: str
) -> None:
    async def work() -> Diagnosis:
        async with listening(raw(after)) as port:
            return await checked(f"ws://127.0.0.1:{port}/", timeout_s=0.6)

    diagnosis = on_loop(work)
    ping = of(diagnosis, Step.PING, HTTP1)
    assert ping.outcome is Outcome.DOES_NOT
    assert reason in ping.reason
    assert ping.remedies == (Remedy.FRAMES,)
    assert not diagnosis.works(HTTP1)


def test_what_is_idle_is_ended(on_loop: OnLoop) -> None:
    async def impatient(connection: ServerConnection) -> None:
        while True:
            try:
                with anyio.fail_after(0.5):
                    await connection.send(await connection.recv())
            except TimeoutError:
                connection.transport.abort()
                return

    diagnosis = on_loop(lambda: seen_of(impatient, idle_s=10.0))
    idle = of(diagnosis, Step.IDLE, HTTP1)
    assert idle.outcome is Outcome.DOES_NOT
    assert "s without a message: the connection ended" in idle.reason
    assert idle.elapsed_s is not None
    assert idle.elapsed_s < 5
    assert idle.remedies == (Remedy.IDLE,)
    assert diagnosis.verdict == "Over HTTP/1.1 WebSockets open, but fail at: idle; over HTTP/2 they do not work."


def test_pings_of_the_server_keep_it_open_and_are_told_of(on_loop: OnLoop) -> None:
    diagnosis = on_loop(lambda: seen_of(echo, idle_s=0.5, ping_interval=0.1))
    assert "; the server sent " in of(diagnosis, Step.IDLE, HTTP1).reason


def test_another_code_than_1000_is_told_of(on_loop: OnLoop) -> None:
    async def rude(stream: ByteStream) -> None:
        while True:
            data = await stream.receive()
            opcode = data[0] & 0x0F
            mask, masked = data[2:6], data[6:]
            plain = bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))
            if opcode == 0x9:
                await stream.send(bytes([0x8A, len(plain)]) + plain)
            elif opcode == 0x8:
                await stream.send(b"\x88\x02" + (4000).to_bytes(2, "big"))
            elif opcode == 0x1:
                await stream.send(bytes([0x81, len(plain)]) + plain)

    async def work() -> Diagnosis:
        async with listening(raw(rude)) as port:
            return await checked(f"ws://127.0.0.1:{port}/", timeout_s=0.6)

    close = of(on_loop(work), Step.CLOSE, HTTP1)
    assert close.outcome is Outcome.DOES_NOT
    assert close.reason == "4000 came back for 1000"
