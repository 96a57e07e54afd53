"""Both engines against every temper of server: the same facts, counted the same way."""

from __future__ import annotations

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import Any

import pytest

from wsbench_client import DrivePlan, EngineName, ErrorKind, PayloadKind, Recording, drive

pytestmark = pytest.mark.anyio

MS = 1_000_000

_WRONG_KEY = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: bm8=\r\n\r\n"
)


def conserved(recording: Recording) -> bool:
    """With all of it measured (no warm-up) every mismatch is one in the window."""
    return recording.sent == recording.received + recording.unanswered + recording.mismatched


@pytest.mark.parametrize("kind", PayloadKind)
@pytest.mark.parametrize("rate", [None, 2000.0])
async def test_an_honest_echo(echoing: Any, make_plan: Any, traces: Any, kind: PayloadKind, rate: float | None) -> None:
    async with echoing() as target:
        before = traces()
        recording = await drive(make_plan(target.url, payload_kind=kind, rate=rate))
        await before.gone()
    assert recording.opened == 4
    assert recording.received == recording.sent == target.seen.messages > 0
    assert (recording.mismatched, recording.unanswered, recording.unsent, recording.errors) == (0, 0, 0, {})
    assert recording.closes == target.seen.closes == {1000: 4}
    assert recording.service_time.count == recording.received
    assert [histogram.count for histogram in recording.cold.histograms()] == [1] * 4
    assert [histogram.count for histogram in recording.warm.histograms()] == [3] * 4
    if rate is None:
        assert recording.response_time is recording.send_lag is None
    else:
        assert recording.sent == rate * recording.window_ns / 1e9
        assert recording.response_time is not None
        assert recording.send_lag is not None
        assert recording.response_time.count == recording.send_lag.count == recording.received
        assert recording.response_time.total_ns == recording.service_time.total_ns + recording.send_lag.total_ns


@pytest.mark.parametrize("size", [1, 125, 126, 65_535, 65_536, 16 * 1024 * 1024])
@pytest.mark.parametrize("kind", PayloadKind)
async def test_every_size_of_payload(echoing: Any, make_plan: Any, size: int, kind: PayloadKind) -> None:
    async with echoing() as target:
        plan = make_plan(target.url, payload_bytes=size, payload_kind=kind, connections=2, drain_timeout_ns=20_000 * MS)
        recording = await drive(plan)
    assert recording.received == recording.sent == target.seen.messages > 0
    assert recording.errors == {}


async def test_fragments_are_one_message(changing: Any, make_plan: Any) -> None:
    async with changing(lambda _place, message: [[message[:10], b"", message[10:]]]) as target:
        recording = await drive(make_plan(target.url))
    assert recording.received == recording.sent == target.seen.messages > 4
    assert recording.mismatched == 0


async def test_pings_are_answered_and_are_no_messages(servers: Any, make_plan: Any) -> None:
    async def handle(seen: Any, connection: Any) -> None:
        await servers.greeted(seen, connection)
        async for message in connection:
            seen.messages += 1
            await (await connection.ping())
            await connection.send(message)

    async with servers.websocket(handle) as target:
        recording = await drive(make_plan(target.url))
    assert recording.received == target.seen.messages > 4
    assert recording.mismatched == 0


def _one_byte_wrong(place: int, message: bytes) -> list[Any]:
    return [message[:-1] + bytes([message[-1] ^ 1])] if place == 1 else [message]


@pytest.mark.parametrize("rate", [None, 1000.0])
async def test_one_wrong_byte_is_one_mismatch(changing: Any, make_plan: Any, rate: float | None) -> None:
    async with changing(_one_byte_wrong) as target:
        recording = await drive(make_plan(target.url, rate=rate))
    assert recording.mismatched == 4
    assert recording.received == target.seen.messages - 4 > 8
    assert conserved(recording)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda _place, message: [message + b"x"], id="longer"),
        pytest.param(lambda _place, message: [message[:-1]], id="shorter"),
        pytest.param(lambda _place, message: [b""], id="empty"),
    ],
)
@pytest.mark.parametrize("rate", [None, 500.0])
async def test_a_server_that_is_always_wrong(changing: Any, make_plan: Any, change: Any, rate: float | None) -> None:
    async with changing(change) as target:
        recording = await drive(make_plan(target.url, rate=rate))
    assert recording.received == 0
    assert recording.mismatched == recording.sent == target.seen.messages > 4
    assert conserved(recording)
    assert recording.service_time.count == 0


async def test_text_for_binary_is_a_mismatch(changing: Any, make_plan: Any) -> None:
    async with changing(lambda _place, message: [message.decode("latin-1")]) as target:
        recording = await drive(make_plan(target.url))
    assert recording.received == 0
    assert recording.mismatched == target.seen.messages > 4


async def test_the_same_bytes_as_text_are_no_echo(servers: Any, make_plan: Any, engine: EngineName) -> None:
    async def handle(seen: Any, connection: Any) -> None:
        async for message in connection:
            seen.messages += 1
            await connection.send(message, text=True)

    async with servers.websocket(handle) as target:
        recording = await drive(make_plan(target.url, connect_timeout_ns=300 * MS))
    assert recording.received == recording.sent == 0
    if engine is EngineName.WEBSOCKETS:
        # The library fails the connection: text must be UTF-8 (RFC 6455 section 8.1).
        assert recording.errors == {ErrorKind.PROTOCOL: 4}
    else:
        assert recording.errors == {ErrorKind.NO_ECHO: 4}
        assert "not echoed within 0.3 s, but 1 others came" in recording.details[ErrorKind.NO_ECHO]


async def test_binary_for_text_is_no_echo(servers: Any, make_plan: Any) -> None:
    async def handle(_seen: Any, connection: Any) -> None:
        async for message in connection:
            await connection.send(message.encode())

    async with servers.websocket(handle) as target:
        plan = make_plan(target.url, payload_kind=PayloadKind.TEXT, connect_timeout_ns=300 * MS)
        recording = await drive(plan)
    assert recording.received == recording.sent == 0
    assert recording.errors == {ErrorKind.NO_ECHO: 4}


async def test_a_server_that_never_answers_is_given_up_at_its_first_connection(
    servers: Any, make_plan: Any, traces: Any
) -> None:
    async def handle(_seen: Any, connection: Any) -> None:
        async for _message in connection:
            pass

    async with servers.websocket(handle) as target:
        before = traces()
        recording = await drive(make_plan(target.url, connections=100, connect_timeout_ns=300 * MS))
        await before.gone()
    assert (recording.opened, target.seen.connections) == (1, 1)
    assert recording.errors == {ErrorKind.NO_ECHO: 100}
    assert (recording.sent, recording.window_ns) == (0, 0)


async def test_swapped_echoes_are_two_mismatches(servers: Any, make_plan: Any) -> None:
    async def handle(seen: Any, connection: Any) -> None:
        await servers.greeted(seen, connection)
        first, second = await connection.recv(), await connection.recv()
        await connection.send(second)
        await connection.send(first)
        seen.messages += 2
        async for message in connection:
            seen.messages += 1
            await connection.send(message)

    async with servers.websocket(handle) as target:
        recording = await drive(make_plan(target.url, rate=1000.0, connections=1))
    assert recording.mismatched == 2
    assert recording.received == target.seen.messages - 2 > 10
    assert conserved(recording)


@pytest.mark.parametrize("times", [2, 5])
async def test_a_server_that_repeats_itself_starts_no_avalanche(changing: Any, make_plan: Any, times: int) -> None:
    async with changing(lambda _place, message: [message] * times) as target:
        recording = await drive(make_plan(target.url))
    # Each connection stumbles at the first repetition and goes on at most 50 times a second from there.
    assert recording.mismatched >= 4
    assert target.seen.messages < 4 * 2 * (100 / 20 + 2)
    assert recording.sent == target.seen.messages
    assert recording.sent <= recording.received + recording.unanswered + recording.mismatched


async def test_more_echoes_than_messages_do_not_count_as_sent(changing: Any, make_plan: Any) -> None:
    async with changing(lambda _place, message: [message] * 2) as target:
        recording = await drive(make_plan(target.url, rate=500.0))
    assert recording.sent == target.seen.messages == 50
    assert recording.mismatched >= 50


async def test_a_greeting_is_a_mismatch_of_no_measured_message(servers: Any, make_plan: Any) -> None:
    async def handle(seen: Any, connection: Any) -> None:
        await connection.send("welcome")
        async for message in connection:
            seen.messages += 1
            await connection.send(message)

    async with servers.websocket(handle) as target:
        recording = await drive(make_plan(target.url, warmup_ns=50 * MS))
    assert recording.mismatched == 4
    assert recording.sent == recording.received > 0
    assert recording.errors == {}


@pytest.mark.parametrize("rate", [None, 400.0])
async def test_a_server_that_never_answers(changing: Any, make_plan: Any, rate: float | None) -> None:
    async with changing(lambda _place, _message: []) as target:
        recording = await drive(make_plan(target.url, rate=rate))
    assert recording.received == recording.mismatched == 0
    assert recording.unanswered == recording.sent == target.seen.messages == (4 if rate is None else 40)
    assert recording.service_time.percentiles_ns([50]) == [None]
    assert recording.closes == {1000: 4}


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3999, 4001])
@pytest.mark.parametrize("rate", [None, 400.0])
async def test_a_close_in_the_middle(servers: Any, make_plan: Any, traces: Any, code: int, rate: float | None) -> None:
    async def handle(seen: Any, connection: Any) -> None:
        await servers.greeted(seen, connection)
        for _ in range(3):
            message = await connection.recv()
            seen.messages += 1
            await connection.send(message)
        await connection.close(code, "enough")

    async with servers.websocket(handle) as target:
        before = traces()
        recording = await drive(make_plan(target.url, rate=rate))
        await before.gone()
    assert recording.received == target.seen.messages == 12
    assert recording.errors == {ErrorKind.CLOSED_BY_PEER: 4}
    assert recording.closes == target.seen.closes == {code: 4}
    assert conserved(recording)
    if rate is not None:
        assert recording.sent + recording.unsent == 40


async def test_a_close_upon_arrival(servers: Any, make_plan: Any, traces: Any) -> None:
    async def handle(_seen: Any, connection: Any) -> None:
        await connection.close(1001)

    async with servers.websocket(handle) as target:
        before = traces()
        recording = await drive(make_plan(target.url, connections=20, duration_ns=30 * MS))
        await before.gone()
    assert recording.opened == 20
    assert recording.errors == {ErrorKind.CLOSED_BY_PEER: 20}
    assert recording.closes == {1001: 20}
    assert conserved(recording)


async def test_the_close_in_one_packet_with_the_101(servers: Any, make_plan: Any, traces: Any) -> None:
    async def answer(reader: Any, writer: Any) -> None:
        writer.write(await _accepted(reader) + b"\x88\x02\x03\xe9")
        await writer.drain()
        await reader.read(1)

    async with servers.raw(answer) as target:
        before = traces()
        recording = await drive(make_plan(target.url, connections=3, duration_ns=20 * MS))
        await before.gone()
    assert recording.opened == 3
    assert recording.errors == {ErrorKind.CLOSED_BY_PEER: 3}
    assert recording.closes == {1001: 3}
    assert recording.received == 0
    assert conserved(recording)


async def test_some_closed_while_others_still_connect(servers: Any, make_plan: Any, traces: Any) -> None:
    async def handle(seen: Any, connection: Any) -> None:
        await servers.greeted(seen, connection)
        if seen.connections <= 2:
            await connection.close(1013)
        async for message in connection:
            seen.messages += 1
            await connection.send(message)

    async with servers.websocket(handle) as target:
        before = traces()
        recording = await drive(make_plan(target.url, connections=6, connect_concurrency=1, connect_rate=100.0))
        await before.gone()
    assert recording.opened == 6
    assert recording.closes == {1013: 2, 1000: 4}
    assert recording.errors == {ErrorKind.CLOSED_BY_PEER: 2}
    assert recording.received == target.seen.messages > 0


async def test_a_close_without_a_code(servers: Any, make_plan: Any) -> None:
    async def answer(reader: Any, writer: Any) -> None:
        writer.write(await _accepted(reader))
        await _greeted(reader, writer)
        await reader.readexactly(6 + 64)
        writer.write(b"\x88\x00")
        await reader.read(1)

    async with servers.raw(answer) as target:
        recording = await drive(make_plan(target.url))
    assert recording.closes == {1005: 4}
    assert recording.errors == {ErrorKind.CLOSED_BY_PEER: 4}
    assert recording.sent == recording.unanswered == 4


async def test_a_reset(servers: Any, make_plan: Any, traces: Any) -> None:
    async def answer(reader: Any, writer: Any) -> None:
        writer.write(await _accepted(reader))
        await _greeted(reader, writer)
        await reader.readexactly(6 + 64)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with servers.raw(answer) as target:
        before = traces()
        recording = await drive(make_plan(target.url))
        await before.gone()
    assert recording.errors == {ErrorKind.LOST: 4}
    assert recording.closes == {1006: 4}
    assert recording.sent == recording.unanswered == 4


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"\x83\x01x", id="reserved opcode"),
        pytest.param(b"\x82\x81\0\0\0\0x", id="masked"),
        pytest.param(b"\x88\x02\x03\xe7", id="close code 999"),
        pytest.param(b"\x88\x7e\x00\x80" + 128 * b"x", id="long control frame"),
        pytest.param(b"\x82\x7f\x00\x00\x00\xff\xff\xff\xff\xff", id="a terabyte"),
    ],
)
async def test_a_breach_of_the_protocol(servers: Any, make_plan: Any, traces: Any, frame: bytes) -> None:
    async def answer(reader: Any, writer: Any) -> None:
        writer.write(await _accepted(reader))
        await _greeted(reader, writer)
        await reader.readexactly(6 + 64)
        writer.write(frame)
        await reader.read(1)

    async with servers.raw(answer) as target:
        before = traces()
        recording = await drive(make_plan(target.url))
        await before.gone()
    assert recording.errors == {ErrorKind.PROTOCOL: 4}
    assert recording.closes == {1006: 4}
    assert recording.sent == recording.unanswered == 4


@pytest.mark.parametrize(
    ("head", "kind", "status", "words"),
    [
        (b"HTTP/1.1 503 Down\r\nContent-Length: 9\r\n\r\nno\ntunnel", ErrorKind.REJECTED, 503, "no tunnel"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", ErrorKind.REJECTED, 200, "hello"),
        (b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n", ErrorKind.REJECTED, 426, "426"),
        (b"HTTP/1.1 302 Found\r\nLocation: /else\r\nContent-Length: 0\r\n\r\n", ErrorKind.REJECTED, 302, "302"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", ErrorKind.REJECTED, 302, "302"),
        (b"220 mail.example ESMTP\r\n\r\n", ErrorKind.NOT_WEBSOCKET, None, ""),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", ErrorKind.NOT_WEBSOCKET, None, ""),
        (_WRONG_KEY, ErrorKind.NOT_WEBSOCKET, None, ""),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", ErrorKind.NOT_WEBSOCKET, None, ""),
        (b"", ErrorKind.LOST, None, ""),
    ],
)  # fmt: skip
async def test_an_answer_that_is_no_101(
    servers: Any, make_plan: Any, traces: Any, head: bytes, kind: ErrorKind, status: int | None, words: str
) -> None:
    async with servers.raw(servers.answering(head)) as target:
        before = traces()
        recording = await drive(make_plan(target.url))
        await before.gone()
    assert recording.errors == {kind: 4}
    assert recording.rejections == ({status: 4} if status else {})
    assert words in recording.details[kind]
    assert recording.opened == recording.sent == recording.window_ns == 0
    assert recording.connecting.connect.count == 0


async def test_some_rejected_the_others_driven(servers: Any, make_plan: Any) -> None:
    async def handle(seen: Any, connection: Any) -> None:
        await servers.greeted(seen, connection)
        async for message in connection:
            seen.messages += 1
            await connection.send(message)

    asked = 0

    async def reject_odd(connection: Any, _request: Any) -> Any:
        nonlocal asked
        asked += 1
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "full\n") if asked % 2 else None

    async with servers.websocket(handle, process_request=reject_odd) as target:
        recording = await drive(make_plan(target.url, connections=10))
    assert (recording.opened, recording.errors, recording.rejections) == (5, {ErrorKind.REJECTED: 5}, {503: 5})
    assert recording.details[ErrorKind.REJECTED] == "HTTP 503 Service Unavailable: full"
    assert recording.received == recording.sent == target.seen.messages > 0


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_silence_instead_of_a_handshake(servers: Any, make_plan: Any, traces: Any, scheme: str) -> None:
    async def answer(reader: Any, _writer: Any) -> None:
        await reader.read()

    async with servers.raw(answer) as target:
        before = traces()
        url = target.url.replace("ws", scheme, 1)
        began = asyncio.get_running_loop().time()
        recording = await drive(make_plan(url, connect_timeout_ns=100 * MS))
        took = asyncio.get_running_loop().time() - began
        await before.gone()
    assert recording.errors == {ErrorKind.CONNECT_TIMEOUT: 4}
    assert 0.1 <= took < 1.5


async def test_an_untrusted_certificate(echoing: Any, make_plan: Any, traces: Any, server_tls: Any) -> None:
    async with echoing(ssl=server_tls) as target:
        before = traces()
        recording = await drive(make_plan(target.url))
        assert recording.errors == {ErrorKind.TLS: 4}
        assert "self-signed certificate" in recording.details[ErrorKind.TLS]
        await before.gone()


async def test_a_trusted_certificate(
    echoing: Any, make_plan: Any, traces: Any, server_tls: Any, certificate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    async with echoing(ssl=server_tls) as target:
        before = traces()
        recording = await drive(make_plan(f"wss://localhost:{target.port}/"))
        await before.gone()
    assert recording.errors == {}
    assert recording.received == recording.sent == target.seen.messages > 0


async def test_plain_http_where_tls_was_expected(servers: Any, make_plan: Any) -> None:
    async def answer(reader: Any, writer: Any) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with servers.raw(answer) as target:
        recording = await drive(make_plan(target.url.replace("ws:", "wss:")))
    assert recording.errors == {ErrorKind.TLS: 4}


async def test_what_the_handshake_says_of_the_hop(servers: Any, make_plan: Any) -> None:
    def say(_connection: Any, _request: Any, response: Any) -> None:
        response.headers["x-wsbench-hop-protocol"] = "HTTP/2"

    async def handle(_seen: Any, connection: Any) -> None:
        async for message in connection:
            await connection.send(message)

    async with servers.websocket(handle, process_response=say) as target:
        recording = await drive(make_plan(target.url))
    assert recording.hop_protocols == {"HTTP/2": 4}


async def test_no_word_of_the_hop(echoing: Any, make_plan: Any) -> None:
    async with echoing() as target:
        recording = await drive(make_plan(target.url))
    assert recording.hop_protocols == {"": 4}


async def test_a_server_that_closes_while_the_driver_drains(servers: Any, make_plan: Any, traces: Any) -> None:
    async def handle(seen: Any, connection: Any) -> None:
        await servers.greeted(seen, connection)
        async for _ in connection:
            seen.messages += 1
            await asyncio.sleep(0.2)
            await connection.close(1001)

    async with servers.websocket(handle) as target:
        before = traces()
        recording = await drive(make_plan(target.url, duration_ns=50 * MS, drain_timeout_ns=2_000 * MS))
        await before.gone()
    assert recording.sent == recording.unanswered == 4
    assert recording.errors == {ErrorKind.CLOSED_BY_PEER: 4}


async def test_a_server_that_never_answers_the_close(
    servers: Any, make_plan: Any, traces: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsbench_client.driver._CLOSE_TIMEOUT_S", 0.1)

    async def answer(reader: Any, writer: Any) -> None:
        writer.write(await _accepted(reader))
        await _greeted(reader, writer)
        await reader.read()

    async with servers.raw(answer) as target:
        before = traces()
        recording = await drive(make_plan(target.url, duration_ns=20 * MS, drain_timeout_ns=20 * MS))
        await before.gone()
    assert recording.closes == {1006: 4}
    assert recording.errors == {}


async def test_echoes_that_come_while_closing_are_in_the_books(
    servers: Any, make_plan: Any, engine: EngineName
) -> None:
    async def answer(reader: Any, writer: Any) -> None:
        writer.write(await _accepted(reader))
        await _greeted(reader, writer)
        frame = await reader.readexactly(6 + 64)
        closing = await reader.readexactly(6 + 2)
        assert closing[0] == 0x88
        writer.write(b"\x82\x40" + bytes(byte ^ frame[2 + place % 4] for place, byte in enumerate(frame[6:])))
        writer.write(b"\x88\x02\x03\xe8")
        await writer.drain()

    async with servers.raw(answer) as target:
        recording: Recording = await drive(make_plan(target.url, duration_ns=50 * MS, drain_timeout_ns=50 * MS))
    assert recording.sent == 4
    assert recording.service_time.count == recording.received
    assert recording.closes == {1000: 4}
    if engine is EngineName.PICOWS:
        assert recording.received == 4


async def test_on_the_standard_event_loop(echoing: Any, engine: EngineName) -> None:
    # The other tests run on uvloop, as the worker does; as a library the driver must not need it.
    def run() -> Recording:
        async def main() -> Recording:
            return await drive(DrivePlan(target.url, connections=4, duration_ns=50 * MS, warmup_ns=0, engine=engine))

        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            return runner.run(main())

    async with echoing() as target:
        recording = await asyncio.to_thread(run)
    assert recording.received == recording.sent == target.seen.messages > 0
    assert recording.errors == {}


async def _greeted(reader: Any, writer: Any) -> None:
    """Echo a first frame of 64 bytes, by hand."""
    frame = await reader.readexactly(2 + 4 + 64)
    mask, masked = frame[2:6], frame[6:]
    payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(masked))
    writer.write(bytes([0x82, 64]) + payload)


async def _accepted(reader: asyncio.StreamReader) -> bytes:
    """A good 101 for the request read."""
    from websockets.utils import accept_key

    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = (line.partition(": ") for line in request.split("\r\n"))
    key = next(value for name, _, value in lines if name.lower() == "sec-websocket-key")
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
    ).encode()
