"""The user among servers of every temper, in a real Locust: never imported here, it patches whoever imports it."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.conftest import echo, handler_of
from wsbench_client import ErrorKind
from wsbench_client.stretch import Stretch

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

LOCUSTFILE = """
import json
from locust import constant, events, task
from wsbench_client.locust_ledgers import ledger_of
from wsbench_client.locust_user import WebSocketUser
from wsbench_client.stretch import added

class Talker(WebSocketUser):
    wait_time = constant(0.01)
    receive_timeout_s = 0.2
    reconnect_after_s = 0.1
    turns = 0

    @task
    def talk(self):
        self.exchange(b"\\x80 a message")
        if self.connected:
            self.send("a word")
            self.receive()
        self.turns += 1
        if self.turns == 4:
            self.environment.runner.quit()

@events.quit.add_listener
def say(**_others):
    print(json.dumps(added(FOUND).to_json()))

FOUND = []

@events.quitting.add_listener
def take(environment, **_others):
    environment.runner.quit()
    # It was a user that ended the test: that user is still about to close.
    environment.runner.user_greenlets.join(10)
    FOUND.extend(ledger_of(environment).take())
"""


async def locust(url: str, folder: Path) -> tuple[Stretch, dict[str, dict[str, Any]]]:
    """What one user found in four turns: as its ledger has it, and as Locust does, by entries."""
    (folder / "talker.py").write_text(LOCUSTFILE)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "locust", "-f", str(folder / "talker.py"), "--headless", "--host", url),
        # Locust by itself gives a user no time to end; on a busy machine a close would be cut short.
        *("--users", "1", "--json", "--skip-log", "--stop-timeout", "10"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        said, errors = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    entries, _, stretch = said.decode().strip().rpartition("\n")
    assert stretch.startswith("{"), errors.decode()
    return Stretch.from_json(json.loads(stretch)), {entry["name"]: entry for entry in json.loads(entries)}


async def test_every_temper_is_told_to_locust_and_to_the_ledger(servers: Any, tmp_path: Path, free_port: int) -> None:
    async def deaf(seen: Any, connection: Any) -> None:
        async for _ in connection:
            seen.messages += 1

    async def leaving(seen: Any, connection: Any) -> None:
        await connection.send(await connection.recv())
        await connection.close(1001)

    refusal = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno\n"
    async with AsyncExitStack() as stack:
        wrong = await stack.enter_async_context(servers.websocket(handler_of(lambda _, message: [message[:-1]])))
        targets = {
            "good": await stack.enter_async_context(servers.websocket(echo)),
            "wrong": wrong,
            "deaf": await stack.enter_async_context(servers.websocket(deaf)),
            "leaving": await stack.enter_async_context(servers.websocket(leaving)),
            "refusing": await stack.enter_async_context(servers.raw(servers.answering(refusal))),
        }
        urls = {name: target.url for name, target in targets.items()} | {"dead": f"ws://127.0.0.1:{free_port}/"}
        for name in urls:
            (tmp_path / name).mkdir()
        answers = await asyncio.gather(*(locust(url, tmp_path / name) for name, url in urls.items()))
    found = dict(zip(urls, answers, strict=True))

    good, entries = found["good"]
    # The greeting of that server is a user's first message.
    assert good.received == good.sent == targets["good"].seen.messages + 1 > 5
    assert (good.opened, good.errors, good.closes, good.mismatched) == (1, {}, {1000: 1}, 0)
    assert {name: entry["num_requests"] for name, entry in entries.items()} == {
        "tcp connect": 1, "upgrade": 1, "message": good.received,
    }  # fmt: skip
    slowest_ns = good.histogram("service_time").percentiles_ns([100.0])[0]
    assert slowest_ns is not None
    assert entries["message"]["max_response_time"] == pytest.approx(slowest_ns / 1e6, rel=0.001)
    tcp, upgrade, both = (good.histogram(name).total_ns for name in ("connect_tcp", "connect_upgrade", "connect"))
    assert tcp + upgrade == both

    one, entries = found["wrong"]
    assert one.mismatched == entries["message"]["num_failures"] == one.sent - one.received > 0
    one, entries = found["deaf"]
    assert one.unanswered == one.sent == one.errors[ErrorKind.NO_ECHO] == entries["message"]["num_failures"] > 1
    one, entries = found["leaving"]
    assert one.received == one.opened > 1
    assert one.closes[1001] == one.errors[ErrorKind.CLOSED_BY_PEER] > 1
    one, entries = found["refusing"]
    assert one.rejections[503] == one.errors[ErrorKind.REJECTED] == entries["upgrade"]["num_failures"] > 1
    assert (one.opened, one.sent) == (0, 0)
    one, entries = found["dead"]
    assert one.errors[ErrorKind.REFUSED] == entries["tcp connect"]["num_failures"] > 1


async def test_no_websocket_url_ends_the_test_in_words(tmp_path: Path) -> None:
    (tmp_path / "talker.py").write_text(LOCUSTFILE)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "locust", "-f", str(tmp_path / "talker.py"), "--headless", "--host", "http://x"),
        *("--run-time", "30"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        stdin=asyncio.subprocess.DEVNULL,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    assert "not a WebSocket URL: 'http://x' (it must begin with ws:// or wss://): give --host ws://HOST:PORT/" in (
        said.decode()
    )
