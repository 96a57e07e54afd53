from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h2.errors
import pytest
from anyio.abc import ByteStream

from tests.bench.check.servers import Http2Server, checked, hanging_up, listening, of, saying, silent, trusting
from wsbench.arms import HopProtocol
from wsbench.check.findings import Diagnosis, Outcome
from wsbench.check.observation import Step
from wsbench.check.remedies import Remedy

OnLoop = Callable[..., Any]
HTTP2 = HopProtocol.HTTP2


async def seen_of(handle: Callable[[ByteStream], Any], timeout_s: float = 5.0) -> Diagnosis:
    async with listening(handle) as port:
        return await checked(f"ws://127.0.0.1:{port}/", timeout_s=timeout_s)


def test_a_sound_server_works_in_every_step(on_loop: OnLoop) -> None:
    async def work() -> None:
        diagnosis = await seen_of(Http2Server.handle)
        assert {of.outcome for of in diagnosis.findings if of.over is HTTP2} == {Outcome.WORKS}
        assert of(diagnosis, Step.TUNNEL, HTTP2).reason == "200"
        assert of(diagnosis, Step.STREAMS, HTTP2).reason == "4 of 4 on one connection"
        assert diagnosis.works(HTTP2)
        assert diagnosis.met

    on_loop(work)


def test_alpn_chooses_h2_or_there_is_none(
    on_loop: OnLoop, certificate: tuple[Path, Path], server_tls: ssl.SSLContext
) -> None:
    with_h2 = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with_h2.load_cert_chain(*certificate)
    with_h2.set_alpn_protocols(["h2"])

    async def work() -> None:
        async with listening(Http2Server.handle, with_h2) as port:
            diagnosis = await checked(f"wss://localhost:{port}/", trust=trusting(certificate))
        assert of(diagnosis, Step.TLS).reason == "TLSv1.3, ALPN chose h2"
        assert diagnosis.works(HTTP2)
        async with listening(silent, server_tls) as port:
            diagnosis = await checked(f"wss://localhost:{port}/", trust=trusting(certificate), timeout_s=0.6)
        assert "ALPN did not choose it" in of(diagnosis, Step.CONNECTION, HTTP2).reason

    on_loop(work)


@pytest.mark.parametrize(
    ("handle", "reason"),
    [
        (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "it answers the HTTP/2 preface with HTTP/1: 400 Bad Request"),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), "is no SETTINGS frame"),
        (hanging_up, "the peer "),
        (silent, "no answer within 0.3 s to the HTTP/2 preface"),
    ],
)
def test_who_does_not_speak_http2(on_loop: OnLoop, handle: Any, reason: str) -> None:
    async def work() -> None:
        finding = of(await seen_of(handle, 0.3), Step.CONNECTION, HTTP2)
        assert finding.outcome is Outcome.DOES_NOT
        assert reason in finding.reason
        # Of who understands no HTTP at all, that is the thing to mend.
        assert finding.remedies == ((Remedy.HTTP2,) if "with HTTP/1" in reason else ())

    on_loop(work)


class Unannounced(Http2Server):
    announces = False


class KeyWanted(Http2Server):
    async def asked(self, number: int, headers: dict[str, str]) -> None:
        if "sec-websocket-key" in headers:
            await super().asked(number, headers)
        else:
            self.h2.send_headers(number, [(":status", "400"), ("server", "envoy")])
            self.h2.send_data(number, b"missing Sec-WebSocket-Key", end_stream=True)


class FirstOnly(Http2Server):
    async def asked(self, number: int, headers: dict[str, str]) -> None:
        if self.sockets:
            self.h2.send_headers(number, [(":status", "404")], end_stream=True)
        else:
            await super().asked(number, headers)


class Resetting(Http2Server):
    async def asked(self, number: int, headers: dict[str, str]) -> None:
        self.h2.reset_stream(number, h2.errors.ErrorCodes.REFUSED_STREAM)


class GoingAway(Http2Server):
    async def asked(self, number: int, headers: dict[str, str]) -> None:
        self.h2.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM, b"too many")


class EndingEnvoy(Http2Server):
    """As an Envoy without allow_connect."""

    announces = False

    async def asked(self, number: int, headers: dict[str, str]) -> None:
        await self.stream.aclose()


def test_a_tunnel_that_opens_without_being_announced(on_loop: OnLoop) -> None:
    async def work() -> None:
        diagnosis = await seen_of(Unannounced.handle)
        assert "though it would open" in of(diagnosis, Step.SETTING, HTTP2).reason
        assert of(diagnosis, Step.TUNNEL, HTTP2).outcome is Outcome.WORKS
        assert not diagnosis.works(HTTP2)
        assert diagnosis.verdict.endswith("over HTTP/2 they open, but fail at: ENABLE_CONNECT_PROTOCOL.")

    on_loop(work)


def test_a_tunnel_that_needs_a_key_is_told_of(on_loop: OnLoop) -> None:
    async def work() -> None:
        diagnosis = await seen_of(KeyWanted.handle)
        tunnel = of(diagnosis, Step.TUNNEL, HTTP2)
        assert tunnel.outcome is Outcome.WORKS
        assert tunnel.reason == "200, but only with a Sec-WebSocket-Key (without one: 400)"
        assert tunnel.remedies == (Remedy.SEND_KEY,)
        assert of(diagnosis, Step.STREAMS, HTTP2).outcome is Outcome.WORKS

    on_loop(work)


def test_only_the_first_stream_upgrades(on_loop: OnLoop) -> None:
    """As envoy#38645 reports it."""

    async def work() -> None:
        diagnosis = await seen_of(FirstOnly.handle)
        streams = of(diagnosis, Step.STREAMS, HTTP2)
        assert streams.outcome is Outcome.DOES_NOT
        assert streams.reason == "1 of 4 opened; stream 2: 404"
        assert streams.remedies == (Remedy.STREAMS,)
        assert not diagnosis.works(HTTP2)

    on_loop(work)


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (Resetting, "the stream was reset with REFUSED_STREAM"),
        (GoingAway, "the peer ended the connection with GOAWAY ENHANCE_YOUR_CALM 'too many'"),
        (EndingEnvoy, "the peer ended the connection; it had not announced that it takes extended CONNECT"),
    ],
)
def test_how_a_tunnel_is_refused(on_loop: OnLoop, server: type[Http2Server], reason: str) -> None:
    async def work() -> None:
        diagnosis = await seen_of(server.handle)
        assert of(diagnosis, Step.TUNNEL, HTTP2).reason == reason
        assert of(diagnosis, Step.PING, HTTP2).reason == "needs extended CONNECT"

    on_loop(work)
