from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from typing import Any

import pytest
from anyio.abc import ByteStream
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from tests.bench.check.servers import checked, hanging_up, listening, of, saying, silent
from wsbench.arms import HopProtocol
from wsbench.check.findings import Finding, Outcome
from wsbench.check.observation import Step
from wsbench.check.remedies import Remedy

OnLoop = Callable[..., Any]


async def upgrade_of(handle: Any, timeout_s: float = 5.0) -> Finding:
    async with listening(handle) as port:
        return of(await checked(f"ws://127.0.0.1:{port}/", timeout_s=timeout_s), Step.UPGRADE, HopProtocol.HTTP1)


ENVOY_BODY = b"upstream connect error or disconnect/reset before headers. reset reason: "


def answer(head: bytes, body: bytes = b"", *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 " + head, b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    ("said", "reason", "remedy"),
    [
        (answer(b"301 Moved", b"", b"location: https://x/"), "301 Moved to https://x/", Remedy.FOLLOW),
        (answer(b"401 Unauthorized", b"", b"www-authenticate: Bearer"), "(asks for Bearer)", Remedy.CREDENTIALS),
        (answer(b"403 Forbidden", b"RBAC: access denied", b"server: envoy"), "'RBAC: access denied'", Remedy.POLICY),
        (answer(b"403 Forbidden", b"", b"server: envoy"), "upgrade_configs has no websocket", Remedy.UPGRADE_CONFIGS),
        (answer(b"404 Not Found", b"", b"server: nginx"), "404 Not Found from nginx", Remedy.PATH),
        (answer(b"426 Upgrade Required"), "the upgrade did not arrive there", Remedy.PROXY_HEADERS),
        (answer(b"200 OK", b"<html><p>hi</p></html>"), "200 OK: 'hi': an answer of plain HTTP", Remedy.PROXY_HEADERS),
        (b"HTTP/1.0 404 File not found\r\nServer: Simple\r\n\r\n", "404 File not found (HTTP/1.0)", Remedy.PATH),
        (answer(b"502 Bad Gateway"), "502 Bad Gateway", Remedy.UPSTREAM),
        (answer(b"400 Bad Request", b"plain HTTP request was sent to HTTPS port"), "wants TLS", Remedy.USE_TLS),
        (
            answer(b"503 Service Unavailable", ENVOY_BODY + b"connection termination", b"server: istio-envoy"),
            "the other side ended it before an answer",
            Remedy.ALLOW_CONNECT,
        ),
        (
            answer(b"503 Service Unavailable", ENVOY_BODY + b"connection failure", b"server: envoy"),
            "could not connect to what is behind it",
            Remedy.UPSTREAM,
        ),
        (answer(b"503 Service Unavailable", b"no healthy upstream", b"server: envoy"), "flag UH", Remedy.UPSTREAM),
        (
            answer(b"503 Service Unavailable", ENVOY_BODY + b"overflow", b"x-envoy-overloaded: true"),
            "a circuit breaker",
            Remedy.CIRCUIT_BREAKER,
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", r"'SSH-2.0-OpenSSH_9.2\r\n' is no HTTP answer", Remedy.NOT_WEBSOCKET),
        (b"\x15\x03\x01\x00\x02\x02\x46", "the port wants TLS: the peer answers with a TLS alert", Remedy.USE_TLS),
        (b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", "the port takes HTTP/2 alone", Remedy.HTTP1),
    ],
)
def test_each_answer_is_explained(on_loop: OnLoop, said: bytes, reason: str, remedy: Remedy) -> None:
    async def work() -> Finding:
        return await upgrade_of(saying(said))

    finding = on_loop(work)
    assert finding.outcome is Outcome.DOES_NOT
    assert reason in finding.reason
    assert finding.remedies[0] is remedy


def test_a_server_that_closes_at_once_or_never_answers(on_loop: OnLoop) -> None:
    async def work() -> None:
        closed = await upgrade_of(hanging_up)
        assert closed.reason.startswith("the peer ")
        assert closed.reason.endswith("without an answer")
        began = time.monotonic()
        hung = await upgrade_of(silent, 0.6)
        assert hung.reason == "TCP is accepted, but no answer within 0.6 s"
        assert hung.remedies == (Remedy.HUNG_SERVER,)
        # Both versions of HTTP are tried side by side.
        assert time.monotonic() - began < 1.15

    on_loop(work)


def test_a_wrong_accept_is_no_websocket(on_loop: OnLoop) -> None:
    async def handle(stream: ByteStream) -> None:
        await stream.receive()
        accept = base64.b64encode(hashlib.sha1(b"another key").digest())
        await stream.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    async def work() -> None:
        finding = await upgrade_of(handle)
        assert finding.reason.startswith("101, but invalid Sec-WebSocket-Accept header")
        assert finding.remedies == (Remedy.NOT_WEBSOCKET,)

    on_loop(work)


def test_a_sound_server_and_who_asks_it(on_loop: OnLoop) -> None:
    agents: list[tuple[str, str, str]] = []

    def note(_: ServerConnection, request: Request) -> Response | None:
        agents.append((request.path, request.headers["User-Agent"], request.headers["Host"]))
        return None

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async def work() -> None:
        async with serve(echo, "127.0.0.1", 0, process_request=note) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            diagnosis = await checked(f"ws://127.0.0.1:{port}/ws?a=b")
        assert diagnosis.works(HopProtocol.HTTP1)
        assert not diagnosis.works(HopProtocol.HTTP2)
        assert diagnosis.verdict == "Over HTTP/1.1 WebSockets work; over HTTP/2 they do not work."
        (asked,) = agents
        assert asked[0] == "/ws?a=b"
        assert asked[1].startswith("wsbench-check/")
        assert asked[2] == f"127.0.0.1:{port}"

    on_loop(work)
